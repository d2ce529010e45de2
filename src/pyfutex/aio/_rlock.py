"""RLock: a lock of tasks and threads that its owner may take again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pyfutex.aio._held import Held
from pyfutex.aio._lock import Lock
from pyfutex.aio._meetings import caller

if TYPE_CHECKING:
    import asyncio

__all__ = ["RLock"]


class RLock(Held):
    """A lock for tasks and threads of one process that whoever holds it may take again, and has to release as often.

    It is a `Lock` with an owner: the task that acquired it, or the thread, where that runs no loop.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._owner: asyncio.Task[Any] | int | None = None
        self._depth = 0

    async def acquire(self) -> Literal[True]:
        """Acquire it, or acquire it once more. Cancelled, it holds no more than before, and keeps nobody from it."""
        if not self._again():
            await self._lock.acquire()
            self._owned()
        return True

    def acquire_blocking(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Acquire it, or acquire it once more, from a thread that runs no loop, as `threading.RLock.acquire`.

        Raises
        ------
        RuntimeError
            This thread runs a loop, whose running task does not hold it, and `blocking` is true.
        """
        if self._again():
            return True
        if not self._lock.acquire_blocking(blocking, timeout):
            return False
        self._owned()
        return True

    def release(self) -> None:
        """Release it once.

        Raises
        ------
        RuntimeError
            The calling task, or the calling thread, does not hold it.
        """
        if not self._is_owned():
            raise RuntimeError("cannot release un-acquired lock")
        if self._depth:
            self._depth -= 1
            return
        self._owner = None
        self._lock.release()

    def locked(self) -> bool:
        """Tell whether anybody holds it."""
        return self._lock.locked()

    def _is_owned(self) -> bool:
        return self._owner == caller()

    def _again(self) -> bool:
        if not self._is_owned():
            return False
        self._depth += 1
        return True

    def _owned(self) -> None:
        self._owner = caller()

    def __repr__(self) -> str:
        count = 0 if self._owner is None else self._depth + 1
        return f"<RLock owner={self._owner!r} count={count} at {id(self):#x}>"
