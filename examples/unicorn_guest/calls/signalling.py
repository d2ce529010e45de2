"""Signals: handlers, masks, sending, waiting."""

import struct
from typing import TYPE_CHECKING

from unicorn import x86_const as x86

from unicorn_guest.calls.timing import read_timespec
from unicorn_guest.memory import Fault
from unicorn_guest.sigframe import is_on_alt_stack, pop_frame, siginfo
from unicorn_guest.signals import N_SIGNALS, SI_KERNEL, SI_TKILL, SI_USER, Action, SignalWait, as_mask
from unicorn_guest.thread import AltStack, SignalInfo

if TYPE_CHECKING:
    from unicorn_guest.machine import Machine
    from unicorn_guest.thread import Thread

_EPERM, _ESRCH, _EINTR, _EAGAIN, _ENOMEM, _EINVAL = -1, -3, -4, -11, -12, -22
_SIGKILL, _SIGSEGV, _SIGSTOP = 9, 11, 19
_SIG_BLOCK, _SIG_UNBLOCK, _SIG_SETMASK = 0, 1, 2
_SS_ONSTACK, _SS_DISABLE = 1, 2
_MIN_ALT_STACK = 2048
_MASK_SIZE = 8


class Pause:
    """Somebody in pause or sigsuspend."""

    reason = "a signal"
    deadline = None

    def expire(self) -> None:
        """There is no deadline."""

    def interrupt(self, sa_restart: bool) -> int:
        """EINTR, whatever the handler's flags."""
        return _EINTR


def rt_sigaction(
    machine: "Machine", thread: "Thread", signo: int, new: int, old: int, size: int, *_: int
) -> int:
    """Say what is done about a signal."""
    if size != _MASK_SIZE or not 1 <= signo <= N_SIGNALS or (new and signo in (_SIGKILL, _SIGSTOP)):
        return _EINVAL
    wanted = Action(*struct.unpack("<QQQQ", machine.memory.read(new, 32))) if new else None
    if old:
        machine.memory.write(old, struct.pack("<QQQQ", *machine.signals.actions[signo]))
    if wanted is not None:
        machine.signals.actions[signo] = wanted
    return 0


def rt_sigprocmask(
    machine: "Machine", thread: "Thread", how: int, new: int, old: int, size: int, *_: int
) -> int:
    """Change which signals this thread blocks."""
    if size != _MASK_SIZE:
        return _EINVAL
    before = thread.mask
    if new:
        given = machine.memory.read_u64(new)
        if how == _SIG_BLOCK:
            given |= before
        elif how == _SIG_UNBLOCK:
            given = before & ~given
        elif how != _SIG_SETMASK:
            return _EINVAL
        thread.mask = as_mask(given)
    if old:
        machine.memory.write_u64(old, before)
    return 0


def rt_sigpending(machine: "Machine", thread: "Thread", addr: int, size: int, *_: int) -> int:
    """Which blocked signals are waiting."""
    if size > _MASK_SIZE:
        return _EINVAL
    infos = [*thread.pending, *machine.signals.pending]
    mask = 0
    for info in infos:
        mask |= 1 << (info.signo - 1)
    machine.memory.write(addr, (mask & thread.mask).to_bytes(8, "little")[:size])
    return 0


def rt_sigsuspend(machine: "Machine", thread: "Thread", addr: int, size: int, *_: int) -> int | None:
    """Wait for a signal with another mask."""
    if size != _MASK_SIZE:
        return _EINVAL
    mask = as_mask(machine.memory.read_u64(addr))
    thread.mask_to_restore, thread.mask = thread.mask, mask
    return pause(machine, thread)


def pause(machine: "Machine", thread: "Thread", *_: int) -> int | None:
    """Wait for a signal."""
    if machine.signals.has_deliverable(thread):
        return _EINTR
    machine.block(thread, Pause())
    return None


def rt_sigtimedwait(
    machine: "Machine", thread: "Thread", wanted: int, info: int, timeout: int, size: int, *_: int
) -> int | None:
    """Wait for a blocked signal and take it."""
    if size != _MASK_SIZE:
        return _EINVAL
    mask = as_mask(machine.memory.read_u64(wanted))
    deadline = machine.clock.now + read_timespec(machine, timeout) if timeout else None
    taken = machine.signals.take(thread, mask)
    if taken is not None:
        if info:
            machine.memory.write(info, siginfo(taken))
        return taken.signo
    if deadline == machine.clock.now:
        return _EAGAIN
    machine.block(thread, SignalWait(machine, mask, info, deadline))
    return None


def rt_sigreturn(machine: "Machine", thread: "Thread", *_: int) -> None:
    """Go back to where the handler was entered."""
    try:
        thread.mask = as_mask(pop_frame(machine.cpu, machine.memory, thread))
    except Fault:
        machine.kill(SignalInfo(_SIGSEGV, SI_KERNEL), thread)


def sigaltstack(machine: "Machine", thread: "Thread", new: int, old: int, *_: int) -> int:
    """Name a stack for handlers."""
    is_on_it = is_on_alt_stack(thread, machine.cpu.get(x86.UC_X86_REG_RSP))
    before = thread.alt_stack
    if new:
        pointer, flags, size = struct.unpack("<QIxxxxQ", machine.memory.read(new, 24))
        if is_on_it:
            return _EPERM
        if flags & ~(_SS_ONSTACK | _SS_DISABLE):
            return _EINVAL
        if not flags & _SS_DISABLE and size < _MIN_ALT_STACK:
            return _ENOMEM
        thread.alt_stack = AltStack(pointer, flags & _SS_DISABLE, size)
    if old:
        flags = before.flags | (_SS_ONSTACK if is_on_it else 0)
        machine.memory.write(old, struct.pack("<QIxxxxQ", before.pointer, flags, before.size))
    return 0


def kill(machine: "Machine", thread: "Thread", pid: int, signo: int, *_: int) -> int:
    """Send a signal to the process itself; there is no other."""
    from unicorn_guest.machine import PID

    if pid not in (0, PID):
        return _ESRCH
    if signo > N_SIGNALS:
        return _EINVAL
    return machine.signals.send(SignalInfo(signo, SI_USER, PID)) if signo else 0


def tgkill(machine: "Machine", thread: "Thread", pid: int, tid: int, signo: int, *_: int) -> int:
    """Send a signal to a thread of the process."""
    from unicorn_guest.machine import PID

    return tkill(machine, thread, tid, signo) if pid == PID else _ESRCH


def tkill(machine: "Machine", thread: "Thread", tid: int, signo: int, *_: int) -> int:
    """Send a signal to a thread."""
    from unicorn_guest.machine import PID

    target = machine.threads.get(tid)
    if target is None:
        return _ESRCH
    if signo > N_SIGNALS:
        return _EINVAL
    return machine.signals.send(SignalInfo(signo, SI_TKILL, PID), target) if signo else 0


def rt_tgsigqueueinfo(
    machine: "Machine", thread: "Thread", pid: int, tid: int, signo: int, addr: int, *_: int
) -> int:
    """Send a signal with a value to a thread."""
    target = machine.threads.get(tid)
    if target is None:
        return _ESRCH
    if not 1 <= signo <= N_SIGNALS:
        return _EINVAL
    return machine.signals.send(_queued(machine, signo, addr), target)


def rt_sigqueueinfo(machine: "Machine", thread: "Thread", pid: int, signo: int, addr: int, *_: int) -> int:
    """Send a signal with a value to the process."""
    from unicorn_guest.machine import PID

    if pid != PID:
        return _ESRCH
    if not 1 <= signo <= N_SIGNALS:
        return _EINVAL
    return machine.signals.send(_queued(machine, signo, addr))


def _queued(machine: "Machine", signo: int, addr: int) -> SignalInfo:
    _, _, code, sender, _, value = struct.unpack("<iiixxxxiIQ", machine.memory.read(addr, 32))
    return SignalInfo(signo, code, sender, value)


CALLS = {
    13: rt_sigaction,
    14: rt_sigprocmask,
    15: rt_sigreturn,
    34: pause,
    62: kill,
    127: rt_sigpending,
    128: rt_sigtimedwait,
    129: rt_sigqueueinfo,
    130: rt_sigsuspend,
    131: sigaltstack,
    200: tkill,
    234: tgkill,
    297: rt_tgsigqueueinfo,
}
