"""Event: a flag that tasks, of any loops, and threads wait for."""

from __future__ import annotations

from typing import Literal

from pyfutex.aio._awaits import wait
from pyfutex.aio._meetings import end_of, new_word, refuse_in_loop, sleep
from pyfutex.results import ALL

__all__ = ["Event"]

SET = 1
GENERATION = (
    2  # counts how often it was cleared, so that who waited learns that it was set even if it is no more
)


class Event:
    """A flag for tasks and threads of one process. `set` and `clear` may be called anywhere, and never block."""

    def __init__(self) -> None:
        self._word = new_word()

    def is_set(self) -> bool:
        """Tell whether it is set."""
        return bool(self._word.load() & SET)

    def set(self) -> None:
        """Set it: all who wait go on, and nobody waits until it is cleared."""
        word = self._word
        while not (seen := word.load()) & SET:
            if word.compare_exchange(seen, seen | SET):
                word.wake(ALL)
                return

    def clear(self) -> None:
        """Clear it."""
        word = self._word
        while (seen := word.load()) & SET:
            if word.compare_exchange(seen, (seen - SET + GENERATION) % (1 << 32)):
                return

    async def wait(self) -> Literal[True]:
        """Return when it is set, or was since the call began, as `asyncio.Event.wait`."""
        word = self._word
        seen = word.load()
        while not seen & SET and word.load() == seen:
            await wait(word, seen)
        return True

    def wait_blocking(self, timeout: float | None = None) -> bool:
        """Wait in a thread that runs no loop, as `threading.Event.wait`: whether it was set within `timeout` seconds.

        Raises
        ------
        RuntimeError
            This thread runs a loop.
        """
        refuse_in_loop("wait_blocking")
        word = self._word
        seen = word.load()
        end = end_of(timeout)
        while not seen & SET and word.load() == seen:
            if not sleep(word, seen, end):
                return word.load() != seen
        return True

    def __repr__(self) -> str:
        return f"<Event {'set' if self.is_set() else 'unset'} at {id(self):#x}>"
