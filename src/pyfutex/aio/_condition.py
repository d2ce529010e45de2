"""Condition: tasks, of any loops, and threads wait for each other's news under one lock."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Literal, TypeVar

from pyfutex.aio._awaits import woken
from pyfutex.aio._held import Held
from pyfutex.aio._lock import Lock
from pyfutex.aio._meetings import end_of, new_word, refuse_in_loop
from pyfutex.results import ALL, WaitResult
from pyfutex.waiter import Waiter

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Condition"]

T = TypeVar("T")


class Condition(Held):
    """A condition for tasks and threads of one process, over an `aio.Lock`.

    Parameters
    ----------
    lock : Lock, optional
        Several conditions may share one; by default a new one.
    """

    def __init__(self, lock: Lock | None = None) -> None:
        self.lock = Lock() if lock is None else lock
        self._word = new_word()  # always 0: who waits is queued before it lets the lock go
        self.acquire = self.lock.acquire
        self.acquire_blocking = self.lock.acquire_blocking
        self.release = self.lock.release
        self.locked = self.lock.locked

    async def wait(self) -> Literal[True]:
        """Let the lock go, wait until notified, and acquire the lock again, as `asyncio.Condition.wait`.

        The lock is held again in any case: a cancel that comes meanwhile is raised after that. A notice that was spent on
        a wait which is then cancelled goes to the next one.
        """
        waiter = self._queue_up()
        self.release()
        try:
            await woken(waiter)
        finally:
            cancelled = await self._acquire_in_any_case()
        if cancelled is not None:
            waiter._wake_another()
            raise cancelled
        return True

    async def wait_for(self, predicate: Callable[[], T]) -> T:
        """Wait until `predicate`, called with the lock held, is true; return what it said."""
        while not (result := predicate()):
            await self.wait()
        return result

    def wait_blocking(self, timeout: float | None = None) -> bool:
        """Wait in a thread that runs no loop, as `threading.Condition.wait`: whether it was notified.

        Raises
        ------
        RuntimeError
            This thread runs a loop, or nobody holds the lock.
        """
        refuse_in_loop("wait_blocking")
        waiter = self._queue_up()
        self.release()
        try:
            if waiter.wait(timeout) is WaitResult.TIMEOUT:
                waiter.cancel()
        except BaseException:
            if not waiter.cancel():
                waiter._wake_another()
            raise
        finally:
            self.acquire_blocking()
        return waiter.woken

    def wait_for_blocking(self, predicate: Callable[[], T], timeout: float | None = None) -> T:
        """Wait in a thread until `predicate` is true, as `threading.Condition.wait_for`; return what it said last."""
        end = end_of(timeout)
        while not (result := predicate()):
            left = None if end is None else end - monotonic()
            if left is not None and left <= 0:
                break
            self.wait_blocking(left)
        return result

    def notify(self, n: int = 1) -> None:
        """Wake the `n` who have waited longest. The lock has to be held.

        Raises
        ------
        RuntimeError
            Nobody holds it.
        """
        self._want_lock("notify")
        self._word.wake(n)

    def notify_all(self) -> None:
        """Wake all who wait."""
        self.notify(ALL)

    def _want_lock(self, what: str) -> None:
        if not self.locked():
            raise RuntimeError(f"cannot {what} with a lock that nobody holds")

    def _queue_up(self) -> Waiter:
        self._want_lock("wait")
        waiter, word = Waiter(), self._word
        word.engine.wait_prepare(waiter, word.mem, word.addr, 0)
        return waiter

    async def _acquire_in_any_case(self) -> asyncio.CancelledError | None:
        cancelled = None
        while True:
            try:
                await self.acquire()
            except asyncio.CancelledError as error:
                cancelled = error
            else:
                return cancelled

    def __repr__(self) -> str:
        return f"<Condition over {self.lock!r}>"
