"""Barrier: a number of tasks, of any loops, and threads wait until all of them do."""

from __future__ import annotations

import operator
from heapq import heappop, heappush
from threading import BrokenBarrierError, Lock
from typing import TYPE_CHECKING, SupportsIndex

from pyfutex.aio._event import Event
from pyfutex.aio._meetings import refuse_in_loop

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["Barrier"]


class Barrier:
    """A place where a number of tasks and threads of one process wait until all of them do.

    A task that is cancelled while it waits has left, as from an `asyncio.Barrier`: it is one less that has come. So has a
    thread whose wait ends with an exception. A thread whose time is over breaks the barrier, as that of a
    `threading.Barrier`.

    Parameters
    ----------
    parties : int
        How many tasks and threads.
    action : callable, optional
        Called by the last of them to come, task or thread, before it lets the others go; it is not awaited. If it raises,
        the barrier breaks.
    timeout : float, optional
        Seconds that a thread waits at most unless told otherwise.

    Examples
    --------
    In a coroutine ``index = await barrier.wait()``, in a thread ``index = barrier.wait_blocking()``.
    """

    def __init__(
        self,
        parties: SupportsIndex,
        action: Callable[[], object] | None = None,
        timeout: float | None = None,
    ) -> None:
        self._parties = operator.index(parties)
        if self._parties < 1:
            raise ValueError("parties must be > 0")
        self._action = action
        self._timeout = timeout
        self._mutex = Lock()  # for moments: whoever has it waits for nobody
        self._is_broken = False
        self._round = _Round()

    @property
    def parties(self) -> int:
        """How many tasks and threads it waits for."""
        return self._parties

    @property
    def n_waiting(self) -> int:
        """How many of them wait now."""
        return self._round.n

    @property
    def broken(self) -> bool:
        """Whether it is broken."""
        return self._is_broken

    async def wait(self) -> int:
        """Wait until all have come.

        Returns
        -------
        int
            From 0 to one less than the parties, another for each of them: the smallest that nobody has when it comes.

        Raises
        ------
        threading.BrokenBarrierError
            It is broken, or was broken or reset meanwhile.
        """
        round_, index, is_last = self._arrive()
        if not is_last:
            try:
                await round_.over.wait()
            except BaseException:
                self._leave(round_, index)
                raise
            round_.want_whole()
        return index

    def wait_blocking(self, timeout: float | None = None) -> int:
        """Wait in a thread that runs no loop, as `threading.Barrier.wait`.

        Parameters
        ----------
        timeout : float, optional
            Seconds after which the barrier breaks; None: those that it was made with.

        Raises
        ------
        RuntimeError
            This thread runs a loop.
        threading.BrokenBarrierError
            As `wait`.
        """
        refuse_in_loop("wait_blocking")
        round_, index, is_last = self._arrive()
        if not is_last:
            try:
                if not round_.over.wait_blocking(self._timeout if timeout is None else timeout):
                    self._give_up(round_)
                    round_.over.wait_blocking()
            except BaseException:
                self._leave(round_, index)
                raise
            round_.want_whole()
        return index

    def reset(self) -> None:
        """Make it as new; those who wait get `BrokenBarrierError`. Never blocks."""
        with self._mutex:
            self._is_broken = False
            self._next_round().break_up()

    def abort(self) -> None:
        """Break it: all who wait, and all who come, get `BrokenBarrierError` until `reset`. Never blocks."""
        with self._mutex:
            self._break()

    def _arrive(self) -> tuple[_Round, int, bool]:
        """Take part in a round: that, how many came before, and whether all have come; then they may go."""
        with self._mutex:
            if self._is_broken:
                raise BrokenBarrierError
            round_ = self._round
            index = round_.take_index()
            if round_.n < self._parties:
                return round_, index, False
            self._next_round()
        try:
            if self._action is not None:
                self._action()
        except BaseException:
            with self._mutex:
                self._break()
            round_.break_up()
            raise
        round_.over.set()
        return round_, index, True

    def _leave(self, round_: _Round, index: int) -> None:
        with self._mutex:
            round_.give_back(index)

    def _give_up(self, round_: _Round) -> None:
        with self._mutex:
            if round_ is self._round:  # else all have come
                self._break()

    def _next_round(self) -> _Round:
        """Begin another: the one before. Requires: the mutex."""
        before, self._round = self._round, _Round()
        return before

    def _break(self) -> None:
        """Requires: the mutex."""
        self._is_broken = True
        self._next_round().break_up()

    async def __aenter__(self) -> int:
        return await self.wait()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    def __repr__(self) -> str:
        about = "broken" if self.broken else f"waiters={self.n_waiting}/{self.parties}"
        return f"<Barrier {about} at {id(self):#x}>"


class _Round:
    """Those who wait for each other at a time, and what became of it."""

    def __init__(self) -> None:
        self.n = 0
        self._given_back: list[int] = []  # a heap: indices below n + its length that nobody has
        self.over = Event()
        self._is_whole = True

    def take_index(self) -> int:
        """One more has come: its index. Requires: the barrier's mutex."""
        index = heappop(self._given_back) if self._given_back else self.n
        self.n += 1
        return index

    def give_back(self, index: int) -> None:
        """One has left. Requires: the barrier's mutex."""
        self.n -= 1
        heappush(self._given_back, index)

    def break_up(self) -> None:
        """Let those who wait go with an error."""
        self._is_whole = False
        self.over.set()

    def want_whole(self) -> None:
        """Raise BrokenBarrierError in one who waited to its end, unless all had come."""
        if not self._is_whole:
            raise BrokenBarrierError
