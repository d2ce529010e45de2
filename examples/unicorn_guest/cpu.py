"""The processor: Unicorn, a slice of instructions at a time."""

import enum
import signal
from typing import Any, NamedTuple

import unicorn
from unicorn import unicorn_const as uc
from unicorn import x86_const as x86

# No instruction has this address, so that only a slice's count ends it.
_NOWHERE = 0xFFFF_FFFF_FFFF_FFFF

# OSFXSR and OSXMMEXCPT. Unicorn leaves them off with this CPU model, and every SSE instruction would be illegal.
_SSE_IS_ON = 0x600

# What Linux starts a program with: extended precision, exceptions masked. Unicorn starts with 0.
_FPCW = 0x37F
_MXCSR = 0x1F80

_ARGUMENTS = (
    x86.UC_X86_REG_RAX,
    x86.UC_X86_REG_RDI,
    x86.UC_X86_REG_RSI,
    x86.UC_X86_REG_RDX,
    x86.UC_X86_REG_R10,
    x86.UC_X86_REG_R8,
    x86.UC_X86_REG_R9,
)
_SIGNAL_OF_EXCEPTION = {
    0: signal.SIGFPE,
    1: signal.SIGTRAP,
    3: signal.SIGTRAP,
    6: signal.SIGILL,
    16: signal.SIGFPE,
    17: signal.SIGBUS,
    19: signal.SIGFPE,
}


class Stop(enum.Enum):
    """Why the processor stopped."""

    SLICE = enum.auto()
    SYSCALL = enum.auto()
    FAULT = enum.auto()


class Trap(NamedTuple):
    """An instruction that could not be carried out.

    Attributes
    ----------
    signo : int
        The signal that it means.
    addr : int
        The address that it could not reach, or 0.
    """

    signo: int
    addr: int


class Cpu:
    """One processor for all threads of the guest: who runs has its registers in it.

    The CPU model is one without AVX, which Unicorn does not emulate, so that the C library picks none of it.
    """

    def __init__(self) -> None:
        self._engine = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64, x86.UC_CPU_X86_QEMU64)
        self._engine.reg_write(x86.UC_X86_REG_CR4, _SSE_IS_ON)
        self._engine.reg_write(x86.UC_X86_REG_FPCW, _FPCW)
        self._engine.reg_write(x86.UC_X86_REG_MXCSR, _MXCSR)
        self._in_syscall = False
        self._exception: int | None = None
        self._bad_address = 0
        self.trap = Trap(0, 0)
        self._engine.hook_add(uc.UC_HOOK_INSN, self._on_syscall, aux1=x86.UC_X86_INS_SYSCALL)
        self._engine.hook_add(uc.UC_HOOK_INTR, self._on_exception)
        self._engine.hook_add(uc.UC_HOOK_MEM_INVALID, self._on_bad_access)

    def map(self, addr: int, length: int, prot: int, host_address: int) -> None:
        """Let the guest see host memory at `addr`, with PROT_READ 1, PROT_WRITE 2 and PROT_EXEC 4."""
        # What may be written may be read, as on the real processor.
        self._engine.mem_map_ptr(addr, length, prot | 1, host_address)

    def unmap(self, addr: int, length: int) -> None:
        """Take exactly what one `map` has mapped away again."""
        self._engine.mem_unmap(addr, length)

    def run(self, n_instructions: int) -> Stop:
        """Run until so many instructions are done, or until the kernel has something to do.

        Parameters
        ----------
        n_instructions : int
            At least 1.

        Returns
        -------
        Stop
            SYSCALL: the registers hold it, and rip stands behind it. FAULT: `trap` says what happened, and
            rip stands at the instruction.
        """
        self._in_syscall = False
        self._exception = None
        self._bad_address = 0
        try:
            self._engine.emu_start(self.get(x86.UC_X86_REG_RIP), _NOWHERE, count=n_instructions)
        except unicorn.UcError as error:
            is_unknown = error.errno == uc.UC_ERR_INSN_INVALID
            self.trap = Trap(signal.SIGILL if is_unknown else signal.SIGSEGV, self._bad_address)
            return Stop.FAULT
        if self._exception is not None:
            self.trap = Trap(_SIGNAL_OF_EXCEPTION.get(self._exception, signal.SIGSEGV), 0)
            return Stop.FAULT
        return Stop.SYSCALL if self._in_syscall else Stop.SLICE

    def syscall(self) -> tuple[int, ...]:
        """The number and the six arguments of the system call that the guest is in."""
        return self._engine.reg_read_batch(_ARGUMENTS)

    def get(self, register: int) -> Any:
        """Read a register, named as Unicorn does."""
        return self._engine.reg_read(register)

    def set(self, register: int, value: Any) -> None:
        """Write a register; integers modulo its width."""
        self._engine.reg_write(register, value)

    def get_all(self, registers: tuple[int, ...]) -> tuple[Any, ...]:
        """Read several registers."""
        return self._engine.reg_read_batch(registers)

    def set_all(self, values: dict[int, Any]) -> None:
        """Write several registers."""
        self._engine.reg_write_batch(list(values.items()))

    def save(self) -> Any:
        """Copy all registers."""
        return self._engine.context_save()

    def save_into(self, context: Any) -> None:
        """Copy all registers over an older copy."""
        self._engine.context_update(context)

    def restore(self, context: Any) -> None:
        """Load all registers from a copy."""
        self._engine.context_restore(context)

    def _on_syscall(self, engine: Any, _: object) -> None:
        self._in_syscall = True
        engine.emu_stop()

    def _on_exception(self, engine: Any, number: int, _: object) -> None:
        self._exception = number
        engine.emu_stop()

    def _on_bad_access(
        self, _engine: Any, _access: int, addr: int, _size: int, _value: int, _: object
    ) -> bool:
        self._bad_address = addr % 2**64
        return False
