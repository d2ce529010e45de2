"""Semaphore: permits that tasks, of any loops, and threads share."""

from __future__ import annotations

from typing import Literal

from pyfutex.aio._awaits import wait
from pyfutex.aio._held import Held
from pyfutex.aio._meetings import end_of, gates, new_word, refuse_in_loop, sleep

__all__ = ["Semaphore"]

MOST = (1 << 32) - 1


class Semaphore(Held):
    """Permits for tasks and threads of one process. Tasks of one loop get theirs in the order in which they came.

    Parameters
    ----------
    value : int, 0 to 2**32 - 1
        How many permits there are at first.
    """

    def __init__(self, value: int = 1) -> None:
        if not 0 <= value <= MOST:
            raise ValueError(f"semaphore initial value must be from 0 to {MOST}")
        self._word = new_word(value)
        self._gates = gates()

    @property
    def value(self) -> int:
        """How many permits there are now."""
        return self._word.load()

    def locked(self) -> bool:
        """Tell whether there is no permit."""
        return self.value == 0

    async def acquire(self) -> Literal[True]:
        """Take a permit, as `asyncio.Semaphore.acquire`. Cancelled, it has none, and keeps nobody from one."""
        async with self._gates.here():
            while not self._take():
                await wait(self._word, 0)
        return True

    def acquire_blocking(self, blocking: bool = True, timeout: float | None = None) -> bool:
        """Take a permit in a thread that runs no loop, as `threading.Semaphore.acquire`.

        Raises
        ------
        RuntimeError
            This thread runs a loop, and `blocking` is true.
        """
        if not blocking:
            if timeout is not None:
                raise ValueError("can't specify timeout for non-blocking acquire")
            return self._take()
        refuse_in_loop("acquire_blocking")
        end = end_of(timeout)
        try:
            while not self._take():
                if not sleep(self._word, 0, end):
                    return False
        except BaseException:
            self._word.wake()  # that of a signal handler may have come after a wake
            raise
        return True

    def release(self, n: int = 1) -> None:
        """Give `n` permits back, or new ones; anywhere, and it never blocks.

        Raises
        ------
        ValueError
            `n` is less than 1, or there would be more than 2**32 - 1.
        """
        if n < 1:
            raise ValueError("n must be one or more")
        word = self._word
        while True:
            seen = word.load()
            if seen + n > MOST:
                raise ValueError("too many permits")
            if word.compare_exchange(seen, seen + n):
                word.wake(n)
                return

    def _take(self) -> bool:
        word = self._word
        while seen := word.load():
            if word.compare_exchange(seen, seen - 1):
                return True
        return False

    def __repr__(self) -> str:
        return f"<Semaphore value={self.value} at {id(self):#x}>"
