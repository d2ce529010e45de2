"""One thread of the guest, and what it may be waiting for."""

from collections import deque
from typing import Any, NamedTuple, Protocol

from pyfutex.linux import Task

# What `Wait.interrupt` answers for a system call that is to be issued again after the handler.
RESTART = -513


class SignalInfo(NamedTuple):
    """A signal on its way, with what its handler is told."""

    signo: int
    code: int = 0
    sender: int = 0
    value: int = 0
    addr: int = 0


class AltStack(NamedTuple):
    """What sigaltstack was told."""

    pointer: int = 0
    flags: int = 2  # SS_DISABLE
    size: int = 0


class Wait(Protocol):
    """What a blocked thread waits for.

    Attributes
    ----------
    deadline : int or None
        When it gives up, on the monotonic clock.
    reason : str
        For the report of a deadlock.
    """

    deadline: int | None
    reason: str

    def expire(self) -> int | None:
        """Give up at the deadline: the register's value, or None if it had already ended otherwise."""

    def interrupt(self, sa_restart: bool) -> int | None:
        """Give up for a signal: the register's value, `RESTART`, or None if it had already ended otherwise."""


class Thread:
    """One thread of the guest.

    Attributes
    ----------
    tid : int
        Its thread id.
    task : Task
        What pyfutex knows of it.
    context : object
        Its registers, while another thread is in the processor; None before it has run.
    wait : Wait or None
        What it waits for; None if it can run.
    result : int or None
        What goes into its rax when it runs next.
    call : int
        Number of the last system call.
    restarts : bool
        That call is to be issued again when it runs next.
    mask : int
        Blocked signals, bit 0 for signal 1.
    mask_to_restore : int or None
        What the mask becomes after the handler that ends sigsuspend.
    pending : deque of SignalInfo
        Signals for this thread alone.
    alt_stack : AltStack
        Where handlers with SA_ONSTACK run.
    policy : int
        Scheduling policy.
    """

    def __init__(self, tid: int, task: Task) -> None:
        self.tid = tid
        self.task = task
        self.context: Any = None
        self.wait: Wait | None = None
        self.result: int | None = None
        self.call = 0
        self.restarts = False
        self.mask = 0
        self.mask_to_restore: int | None = None
        self.pending: deque[SignalInfo] = deque()
        self.alt_stack = AltStack()
        self.policy = 0

    def blocks(self, signo: int) -> bool:
        """Whether it has blocked a signal."""
        return bool(self.mask >> (signo - 1) & 1)
