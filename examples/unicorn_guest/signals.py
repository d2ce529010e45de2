"""Signals: what is to be done about them, which are pending, and who is told."""

import signal
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from unicorn_guest.memory import Fault
from unicorn_guest.sigframe import push_frame, siginfo
from unicorn_guest.thread import RESTART, SignalInfo, Thread

if TYPE_CHECKING:
    from unicorn_guest.machine import Machine

SIG_DFL, SIG_IGN = 0, 1
SA_NODEFER, SA_RESETHAND, SA_RESTART = 0x4000_0000, 0x8000_0000, 0x1000_0000
N_SIGNALS = 64

SI_USER, SI_KERNEL, SI_TKILL, SI_QUEUE = 0, 0x80, -6, -1

# Those that would stop the process are among them: there is nobody who could let it go on.
_IGNORED_BY_DEFAULT = frozenset(
    {signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH}
    | {signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
)
_UNBLOCKABLE = 1 << (signal.SIGKILL - 1) | 1 << (signal.SIGSTOP - 1)
_MAX_PENDING = 1024


def as_mask(value: int) -> int:
    """A mask as the kernel keeps it: SIGKILL and SIGSTOP cannot be blocked."""
    return value & ~_UNBLOCKABLE & 0xFFFF_FFFF_FFFF_FFFF


class Action(NamedTuple):
    """What rt_sigaction was told."""

    handler: int = SIG_DFL
    flags: int = 0
    restorer: int = 0
    mask: int = 0


class SignalWait:
    """Somebody in sigtimedwait."""

    reason = "rt_sigtimedwait"

    def __init__(self, machine: "Machine", wanted: int, info: int, deadline: int | None) -> None:
        self.wanted = wanted
        self.deadline = deadline
        self._machine = machine
        self._info = info

    def receive(self, info: SignalInfo) -> int:
        """The signal has come: what the register gets."""
        if self._info:
            try:
                self._machine.memory.write(self._info, siginfo(info))
            except Fault:
                return -14
        return info.signo

    def expire(self) -> int:
        """EAGAIN at the deadline."""
        return -11

    def interrupt(self, sa_restart: bool) -> int:
        """EINTR for another signal."""
        return -4


class Signals:
    """The signals of one process."""

    def __init__(self, machine: "Machine") -> None:
        self._machine = machine
        self.actions = [Action()] * (N_SIGNALS + 1)
        self.pending: deque[SignalInfo] = deque()
        self.n_delivered = 0

    def send(self, info: SignalInfo, thread: Thread | None = None) -> int:
        """Send a signal, to one thread or to whichever thread of the process does not block it.

        Returns
        -------
        int
            0, or -EAGAIN if too many are pending.
        """
        target = thread
        if target is None:
            target = self._whoever_takes(info.signo)
        if self._is_ignored(info.signo) and (target is None or not target.blocks(info.signo)):
            return 0
        queue = self.pending if target is None else target.pending
        if len(queue) >= _MAX_PENDING:
            return -11
        is_realtime = info.signo >= 32
        if is_realtime or all(other.signo != info.signo for other in queue):
            queue.append(info)
        if target is not None:
            self._notice(target, info)
        return 0

    def has_deliverable(self, thread: Thread) -> bool:
        """Whether a handler, or the end, awaits the thread when it runs next."""
        return any(
            not thread.blocks(info.signo) for queue in (thread.pending, self.pending) for info in queue
        )

    def take(self, thread: Thread, wanted: int) -> SignalInfo | None:
        """Take the first pending signal of a set off its queue."""
        for queue in (thread.pending, self.pending):
            for info in sorted(queue, key=lambda info: info.signo):
                if wanted >> (info.signo - 1) & 1:
                    queue.remove(info)
                    return info
        return None

    def deliver(self, thread: Thread) -> None:
        """Enter the handlers of all deliverable signals. The thread is in the processor."""
        while (info := self.take(thread, ~thread.mask & 0xFFFF_FFFF_FFFF_FFFF)) is not None:
            self._act(thread, info)
            if self._machine.exit_status is not None:
                return

    def force(self, thread: Thread, info: SignalInfo) -> None:
        """Deliver the signal of a faulting instruction, whether it is blocked or not."""
        if thread.blocks(info.signo) or self.actions[info.signo].handler == SIG_IGN:
            self._machine.kill(info, thread)
        else:
            self._act(thread, info)

    def _whoever_takes(self, signo: int) -> Thread | None:
        waiting = [t for t in self._machine.threads.values() if isinstance(t.wait, SignalWait)]
        for thread in waiting:
            if thread.wait.wanted >> (signo - 1) & 1:
                return thread
        return next((t for t in self._machine.threads.values() if not t.blocks(signo)), None)

    def _is_ignored(self, signo: int) -> bool:
        handler = self.actions[signo].handler
        return handler == SIG_IGN or (handler == SIG_DFL and signo in _IGNORED_BY_DEFAULT)

    def _notice(self, thread: Thread, info: SignalInfo) -> None:
        # End the wait of a blocked thread for which a signal has come.
        wait = thread.wait
        if wait is None:
            return
        if isinstance(wait, SignalWait) and wait.wanted >> (info.signo - 1) & 1:
            taken = self.take(thread, 1 << (info.signo - 1))
            if taken is not None:
                self._machine.wake(thread, wait.receive(taken))
        elif not thread.blocks(info.signo):
            value = wait.interrupt(bool(self.actions[info.signo].flags & SA_RESTART))
            if value == RESTART:
                thread.restarts = True
                self._machine.wake(thread, None)
            elif value is not None:
                self._machine.wake(thread, value)

    def _act(self, thread: Thread, info: SignalInfo) -> None:
        action = self.actions[info.signo]
        if action.handler == SIG_IGN or (action.handler == SIG_DFL and info.signo in _IGNORED_BY_DEFAULT):
            return
        if action.handler == SIG_DFL:
            self._machine.kill(info, thread)
            return
        mask = thread.mask if thread.mask_to_restore is None else thread.mask_to_restore
        if not push_frame(self._machine.cpu, self._machine.memory, thread, info, action, mask):
            self._machine.kill(SignalInfo(signal.SIGSEGV, SI_KERNEL), thread)
            return
        self.n_delivered += 1
        thread.mask_to_restore = None
        added = action.mask | (0 if action.flags & SA_NODEFER else 1 << (info.signo - 1))
        thread.mask = as_mask(thread.mask | added)
        if action.flags & SA_RESETHAND:
            self.actions[info.signo] = Action()
