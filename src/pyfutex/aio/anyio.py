"""The same awaits on whatever anyio runs on: trio, or asyncio.

No task runs in the background, where structured concurrency has no place for one: one of those who wait listens for all,
and appoints another when it leaves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyio import Event, wait_readable
from anyio.lowlevel import RunVar, checkpoint

from pyfutex.aio._completions import Completions, Reader
from pyfutex.results import WaitResult

if TYPE_CHECKING:
    from pyfutex.futex import Futex
    from pyfutex.waiter import Waiter

__all__ = ["wait", "woken"]


class _Party:
    """One who waits. Its `turn` comes when its waiter is done, or when it is to listen."""

    __slots__ = ("error", "is_done", "turn")

    def __init__(self) -> None:
        self.turn = Event()
        self.is_done = False
        self.error: Exception | None = None


def _resume(party: _Party, error: Exception | None) -> None:
    party.is_done, party.error = True, error
    party.turn.set()


class _Listening:
    """Who waits in one run of an event loop, and whether one of them listens."""

    def __init__(self) -> None:
        self.completions = Completions(_resume)
        self._drain = Reader(self.completions)
        self._asleep: dict[_Party, None] = {}  # oldest first
        self._is_listened_to = False

    async def sleep(self, waiter: Waiter, party: _Party) -> None:
        """Return when the waiter is done."""
        try:
            while not party.is_done:
                if self._is_listened_to:
                    await self._await_turn(party)
                else:
                    await self._listen()
        except BaseException:
            self.completions.leave(waiter)
            raise
        finally:
            # Whoever is appointed and does not listen after all comes here, too.
            if not self._is_listened_to and self._asleep:
                next(iter(self._asleep)).turn.set()
        if party.error is not None:
            raise party.error

    async def _await_turn(self, party: _Party) -> None:
        party.turn = Event()
        self._asleep[party] = None
        try:
            await party.turn.wait()
        finally:
            del self._asleep[party]

    async def _listen(self) -> None:
        self._is_listened_to = True
        try:
            await wait_readable(self.completions.queue.fileno())
        finally:
            self._is_listened_to = False
        self._drain()


_of_run: RunVar[_Listening] = RunVar("pyfutex.aio.anyio")


def _listening() -> _Listening:
    found: _Listening | None = _of_run.get(None)
    if found is None:
        found = _Listening()
        _of_run.set(found)
    return found


async def wait(word: Futex, val: int) -> WaitResult:
    """Wait until a word is woken, provided it holds `val`: as `pyfutex.aio.wait`, and always a checkpoint."""
    listening, party = _listening(), _Party()
    waiter = listening.completions.queue_on(word, val, party)
    if waiter is None:
        await checkpoint()
        return WaitResult.MISMATCH
    await listening.sleep(waiter, party)
    return WaitResult.WOKEN


async def woken(waiter: Waiter) -> WaitResult:
    """Wait until `waiter`, which is queued already, is woken: as `pyfutex.aio.woken`, and always a checkpoint."""
    listening, party = _listening(), _Party()
    if listening.completions.adopt(waiter, party):
        await listening.sleep(waiter, party)
    else:
        await checkpoint()
    return WaitResult.WOKEN
