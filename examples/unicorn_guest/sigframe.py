"""The frame that a signal handler runs on, and the way back from it."""

import struct
from typing import TYPE_CHECKING

from unicorn import x86_const as x86

from unicorn_guest.cpu import Cpu
from unicorn_guest.memory import Fault, GuestMemory
from unicorn_guest.thread import AltStack, SignalInfo, Thread

if TYPE_CHECKING:
    from unicorn_guest.signals import Action

SA_ONSTACK = 0x0800_0000
SA_RESTORER = 0x0400_0000
_SS_ONSTACK, _SS_DISABLE = 1, 2
_RED_ZONE = 128
_ADDRESS_END = 2**47

# In the order of the kernel's sigcontext.
_REGISTERS = (
    x86.UC_X86_REG_R8,
    x86.UC_X86_REG_R9,
    x86.UC_X86_REG_R10,
    x86.UC_X86_REG_R11,
    x86.UC_X86_REG_R12,
    x86.UC_X86_REG_R13,
    x86.UC_X86_REG_R14,
    x86.UC_X86_REG_R15,
    x86.UC_X86_REG_RDI,
    x86.UC_X86_REG_RSI,
    x86.UC_X86_REG_RBP,
    x86.UC_X86_REG_RBX,
    x86.UC_X86_REG_RDX,
    x86.UC_X86_REG_RAX,
    x86.UC_X86_REG_RCX,
    x86.UC_X86_REG_RSP,
    x86.UC_X86_REG_RIP,
    x86.UC_X86_REG_EFLAGS,
)
_XMM = tuple(x86.UC_X86_REG_XMM0 + i for i in range(16))
_FP = tuple(x86.UC_X86_REG_FP0 + i for i in range(8))
_FP_CONTROL = (x86.UC_X86_REG_FPCW, x86.UC_X86_REG_FPSW, x86.UC_X86_REG_FPTAG, x86.UC_X86_REG_MXCSR)

# pretcode; uc_flags, uc_link, uc_stack; sigcontext: registers, segments, err, trapno, oldmask, cr2, fpstate,
# reserved; uc_sigmask.
_UCONTEXT = struct.Struct("<QQ QIxxxxQ 18Q HHHH QQQQ Q 64x Q")
_FRAME_SIZE = 8 + _UCONTEXT.size + 128
_FXSAVE_SIZE = 512
_USER_SEGMENTS = (0x33, 0, 0, 0x2B)

# Flags that a handler may leave changed: arithmetic ones, direction, and the identification bit.
_USER_FLAGS = 0x0020_0CD5
_TRAP_AND_DIRECTION = 0x0500


def push_frame(
    cpu: Cpu, memory: GuestMemory, thread: Thread, info: SignalInfo, action: "Action", mask: int
) -> bool:
    """Have the thread, whose registers are in the processor, enter a handler.

    Parameters
    ----------
    mask : int
        What sigreturn makes the thread's signal mask again.

    Returns
    -------
    bool
        False: the frame cannot be written, or the handler has no way back.
    """
    registers = cpu.get_all(_REGISTERS)
    pointer = registers[15]
    stack = thread.alt_stack
    if stack.flags & _SS_DISABLE or not action.flags & SA_ONSTACK or is_on_alt_stack(thread, pointer):
        top = pointer - _RED_ZONE
    else:
        top = stack.pointer + stack.size
    saved_fp = (top - _FXSAVE_SIZE) & -64
    frame = ((saved_fp - _FRAME_SIZE) & -16) - 8
    if not action.flags & SA_RESTORER or not 0 <= frame < _ADDRESS_END:
        return False
    context = _UCONTEXT.pack(
        0,
        0,
        stack.pointer,
        stack.flags,
        stack.size,
        *registers,
        *_USER_SEGMENTS,
        0,
        0,
        mask,
        info.addr,
        saved_fp,
        mask,
    )
    try:
        memory.write(saved_fp, _read_fp(cpu))
        memory.write(frame, action.restorer.to_bytes(8, "little") + context + siginfo(info))
    except Fault:
        return False
    cpu.set_all(
        {
            x86.UC_X86_REG_RDI: info.signo,
            x86.UC_X86_REG_RSI: frame + 8 + _UCONTEXT.size,
            x86.UC_X86_REG_RDX: frame + 8,
            x86.UC_X86_REG_RAX: 0,
            x86.UC_X86_REG_RSP: frame,
            x86.UC_X86_REG_RIP: action.handler,
            x86.UC_X86_REG_EFLAGS: registers[17] & ~_TRAP_AND_DIRECTION,
        }
    )
    return True


def pop_frame(cpu: Cpu, memory: GuestMemory, thread: Thread) -> int:
    """Undo `push_frame` after the handler has returned.

    Returns
    -------
    int
        The signal mask that the frame holds. Fault: there is no frame.
    """
    frame = cpu.get(x86.UC_X86_REG_RSP) - 8
    fields = _UCONTEXT.unpack(memory.read(frame + 8, _UCONTEXT.size))
    registers = dict(zip(_REGISTERS, fields[5:23], strict=True))
    flags = cpu.get(x86.UC_X86_REG_EFLAGS)
    kept = registers[x86.UC_X86_REG_EFLAGS] & _USER_FLAGS
    registers[x86.UC_X86_REG_EFLAGS] = flags & ~_USER_FLAGS | kept
    saved_fp = fields[31]
    if saved_fp:
        _write_fp(cpu, memory.read(saved_fp, _FXSAVE_SIZE))
    cpu.set_all(registers)
    thread.alt_stack = AltStack(fields[2], fields[3] & ~_SS_ONSTACK, fields[4])
    return fields[32]


def is_on_alt_stack(thread: Thread, pointer: int) -> bool:
    """Whether a stack pointer lies in the thread's alternate stack."""
    stack = thread.alt_stack
    return not stack.flags & _SS_DISABLE and stack.pointer < pointer <= stack.pointer + stack.size


def siginfo(info: SignalInfo) -> bytes:
    """A siginfo_t: for a fault its address, else who sent it and with what value."""
    head = struct.pack("<iiixxxx", info.signo, 0, info.code)
    if info.addr:
        return (head + struct.pack("<Q", info.addr)).ljust(128, b"\0")
    return (head + struct.pack("<iIQ", info.sender, 0, info.value)).ljust(128, b"\0")


def _read_fp(cpu: Cpu) -> bytes:
    # The layout of the FXSAVE instruction: stack registers from the top of the stack on.
    control, status, tags, mxcsr = cpu.get_all(_FP_CONTROL)
    top = status >> 11 & 7
    in_use = sum(1 << i for i in range(8) if tags >> 2 * i & 3 != 3)
    area = struct.pack("<HHBxHQQII", control, status, in_use, 0, 0, 0, mxcsr, 0xFFFF)
    registers = cpu.get_all(_FP)
    for i in range(8):
        mantissa, exponent = registers[(top + i) & 7]
        area += struct.pack("<QH6x", mantissa, exponent)
    for value in cpu.get_all(_XMM):
        area += value.to_bytes(16, "little")
    return area.ljust(_FXSAVE_SIZE, b"\0")


def _write_fp(cpu: Cpu, area: bytes) -> None:
    control, status, in_use, _, _, _, mxcsr, _ = struct.unpack_from("<HHBxHQQII", area)
    top = status >> 11 & 7
    values: dict[int, object] = {}
    for i in range(8):
        values[_FP[(top + i) & 7]] = struct.unpack_from("<QH", area, 32 + 16 * i)
    for i, register in enumerate(_XMM):
        values[register] = int.from_bytes(area[160 + 16 * i : 176 + 16 * i], "little")
    tags = sum((0 if in_use >> i & 1 else 3) << 2 * i for i in range(8))
    values.update(zip(_FP_CONTROL, (control, status, tags, mxcsr & 0xFFFF), strict=True))
    cpu.set_all(values)
