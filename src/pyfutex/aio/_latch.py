"""Latch: a count that goes down to zero once, and tasks, of any loops, and threads that wait for that."""

from __future__ import annotations

from typing import Literal

from pyfutex.aio._awaits import wait
from pyfutex.aio._meetings import end_of, new_word, refuse_in_loop, sleep
from pyfutex.results import ALL

__all__ = ["Latch"]

MOST = (1 << 31) - 1


class Latch:
    """A count that goes down to zero once: who waits goes on when it is there, and for ever after.

    `count_down` may be called anywhere, and never blocks.

    Parameters
    ----------
    count : int
        How often it is to be counted down, 2,147,483,647 at most.
    """

    def __init__(self, count: int) -> None:
        if count < 0:
            raise ValueError("latch count must be >= 0")
        if count > MOST:
            raise OverflowError(f"a latch counts from {MOST:,} at most")
        self._word = new_word(count)

    @property
    def count(self) -> int:
        """How often it is still to be counted down."""
        return self._word.load()

    def count_down(self, n: int = 1) -> None:
        """Count down by `n`; at zero, let go all who wait.

        Raises
        ------
        ValueError
            `n` is less than one, or more than the count; the count stays as it is.
        """
        if n < 1:
            raise ValueError("n must be one or more")
        word = self._word
        while True:
            seen = word.load()
            if n > seen:
                raise ValueError(f"a latch at {seen} cannot count down by {n}")
            if word.compare_exchange(seen, seen - n):
                break
        if seen == n:
            word.wake(ALL)

    async def wait(self) -> Literal[True]:
        """Wait until the count is zero."""
        word = self._word
        while seen := word.load():
            await wait(word, seen)
        return True

    def wait_blocking(self, timeout: float | None = None) -> bool:
        """Wait in a thread that runs no loop, as `pyfutex.sync.Latch.wait`: whether the count is zero.

        Raises
        ------
        RuntimeError
            This thread runs a loop.
        """
        refuse_in_loop("wait_blocking")
        word = self._word
        end = end_of(timeout)
        while seen := word.load():
            if not sleep(word, seen, end):
                return self.count == 0
        return True

    def __repr__(self) -> str:
        return f"<Latch count={self.count} at {id(self):#x}>"
