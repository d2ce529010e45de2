"""futex(2) and the calls beside it: pyfutex answers them."""

import errno
from typing import TYPE_CHECKING

from pyfutex import linux
from unicorn_guest.ledger import operation_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from unicorn_guest.machine import Machine
    from unicorn_guest.thread import Thread


class FutexWait:
    """A thread that is queued in the manager."""

    def __init__(self, machine: "Machine", thread: "Thread", reason: str) -> None:
        self.reason = reason
        self._machine = machine
        self._thread = thread
        self.deadline: int | None = None
        if thread.task.deadline is not None:
            self.deadline = machine.clock.to_monotonic(*thread.task.deadline)

    def expire(self) -> int | None:
        """What the manager says at the deadline: it may be that the thread was woken."""
        return self._end("timeout", self._thread.task.interrupt(errno.ETIMEDOUT))

    def interrupt(self, sa_restart: bool) -> int | None:
        """What the manager says of the restart; None if the thread was woken already."""
        return self._end("signal", self._thread.task.interrupt(errno.EINTR, sa_restart=sa_restart))

    def _end(self, how: str, value: int | None) -> int | None:
        if value is not None:
            self._machine.ledger.ended(self._machine.clock.now, self._thread.tid, how, value)
        return value


def on_complete(machine: "Machine", thread: "Thread", value: int) -> None:
    """A thread's wait was ended by another thread's call."""
    machine.ledger.ended(machine.clock.now, thread.tid, "woken", value)
    machine.wake(thread, value)


def futex(machine: "Machine", thread: "Thread", uaddr: int, op: int, *rest: int) -> int | None:
    """futex(2)."""
    return _answer(machine, thread, operation_name(op), linux.futex, (uaddr, op, *rest))


def futex_waitv(machine: "Machine", thread: "Thread", *arguments: int) -> int | None:
    """Wait on several words."""
    return _answer(machine, thread, "futex_waitv", linux.futex_waitv, arguments[:5])


def futex_wake(machine: "Machine", thread: "Thread", *arguments: int) -> int | None:
    """Wake, with the flags of futex_waitv."""
    return _answer(machine, thread, "futex_wake", linux.futex_wake, arguments[:4])


def futex_wait(machine: "Machine", thread: "Thread", *arguments: int) -> int | None:
    """Wait, with the flags of futex_waitv."""
    return _answer(machine, thread, "futex_wait", linux.futex_wait, arguments)


def futex_requeue(machine: "Machine", thread: "Thread", *arguments: int) -> int | None:
    """Wake and requeue, with the flags of futex_waitv."""
    return _answer(machine, thread, "futex_requeue", linux.futex_requeue, arguments[:4])


def set_tid_address(machine: "Machine", thread: "Thread", addr: int, *_: int) -> int:
    """Where the end of the thread is announced."""
    return linux.set_tid_address(thread.task, addr)


def set_robust_list(machine: "Machine", thread: "Thread", head: int, length: int, *_: int) -> int:
    """Which locks to release when the thread ends."""
    return linux.set_robust_list(thread.task, head, length)


def get_robust_list(machine: "Machine", thread: "Thread", tid: int, head: int, length: int, *_: int) -> int:
    """What set_robust_list was told."""
    return linux.get_robust_list(thread.task, tid, head, length)


def _answer(
    machine: "Machine",
    thread: "Thread",
    name: str,
    call: "Callable[..., int | None]",
    arguments: tuple[int, ...],
) -> int | None:
    ledger = machine.ledger
    woken_before = ledger.n_woken
    result = call(thread.task, *arguments)
    ledger.called(machine.clock.now, thread.tid, name, arguments, result, ledger.n_woken - woken_before)
    if result is None:
        machine.block(thread, FutexWait(machine, thread, f"{name} at {arguments[0]:#x}"))
    return result


CALLS = {
    202: futex,
    218: set_tid_address,
    273: set_robust_list,
    274: get_robust_list,
    449: futex_waitv,
    454: futex_wake,
    455: futex_wait,
    456: futex_requeue,
}
