"""Workers that take turns under one lock, and are killed at random."""

import random
import signal
import time
from types import TracebackType
from typing import Final, NamedTuple, Self

from pyfutex.demo import board, children
from pyfutex.demo.robustlock import Contender
from pyfutex.demo.sleepers import all_sleep
from pyfutex.demo.turn import take_a_turn
from pyfutex.demo.watchedlock import WatchedLock
from pyfutex.sync import OwnerDied

_MOST_PAUSE_S: Final = 0.002  # before a kill
_LOOK_S: Final = 0.0005  # between two looks at those who are to get a turn
_ASLEEP_S: Final = 0.02  # without a turn of somebody, before it is asked whether all sleep
_SUSPECT_S: Final = 0.3  # the same, before all are told to end
_GIVE_UP_S: Final = 20.0  # for those who neither end nor sleep


class Stuck(NamedTuple):
    """Processes that nobody will wake: after which kill, and whether the lock that they sleep on is free."""

    pids: tuple[int, ...]
    kill: int
    is_free: bool


class Tally(NamedTuple):
    """What has become of a gang so far."""

    kills: int
    recoveries: int  # the next owner was told that the last one had died
    untold: int  # a process died with the lock, and nobody was told
    median_us: float | None  # from the kill until somebody was told
    torn: int  # numbers that differed, or two inside at once
    miscounted: int  # turns, beyond one for each kill
    stuck: Stuck | None


class Gang:
    """Processes that take turns under one lock. Used in a `with`, which kills them in the end.

    Parameters
    ----------
    contender : Contender
        Whose lock it is. NotHere: it cannot be made.
    n_workers : int
        How many processes, from 2 to 64.
    seed : str
        Of who is killed, and when.
    """

    def __init__(self, contender: Contender, n_workers: int, seed: str) -> None:
        memory = board.new_memory()
        self._cells = board.cells_of(memory)
        self._lock = contender.make(memory)
        self._rng = random.Random(seed)
        self._slots = range(n_workers)
        self._pids: dict[int, int] = {}  # of those who run, by slot
        self._kills = 0
        self._untold = 0
        self._stuck: Stuck | None = None

    def __enter__(self) -> Self:
        self._start_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        while self._pids:
            children.kill(self._pids.popitem()[1])

    def play(self) -> None:
        """Kill a process, start another, and see each of them get a turn; or find that somebody is stuck, for ever."""
        time.sleep(self._rng.random() * _MOST_PAUSE_S)
        told = self._cells[board.RECOVERIES]
        was_owner = self._kill_one()
        before = {slot: self._turns_of(slot) for slot in self._slots}
        begun = time.monotonic()
        while any(self._turns_of(slot) == n for slot, n in before.items()):
            waited = time.monotonic() - begun
            if waited > _SUSPECT_S or (waited > _ASLEEP_S and all_sleep([*self._pids.values()])):
                self.stop()
                if self._stuck is None:
                    self._start_all()
                return
            time.sleep(_LOOK_S)
        self._untold += was_owner and self._cells[board.RECOVERIES] == told

    def stop(self) -> None:
        """Let all end after their turn. Who is left, with nobody to wake him, is stuck."""
        self._cells[board.STOP] = 1
        give_up = time.monotonic() + _GIVE_UP_S
        while self._pids:
            self._pids = {slot: pid for slot, pid in self._pids.items() if not children.has_ended(pid)}
            left = tuple(self._pids.values())
            if left and (all_sleep(left) or time.monotonic() > give_up):
                self._stuck = self._stuck or Stuck(left, self._kills, self._is_free())
                return
            time.sleep(_LOOK_S)

    def tally(self) -> Tally:
        """What has become of them so far."""
        cells = self._cells
        recoveries = cells[board.RECOVERIES]
        times = sorted(cells[board.TIMES : board.TIMES + min(recoveries, board.MOST_TIMES)])
        turns = sum(self._turns_of(slot) for slot in self._slots)
        return Tally(
            kills=self._kills,
            recoveries=recoveries,
            untold=self._untold,
            median_us=times[len(times) // 2] / 1000 if times else None,
            torn=cells[board.TORN],
            miscounted=max(0, abs(cells[board.NUMBERS] - turns) - self._kills - len(self._slots)),
            stuck=self._stuck,
        )

    def _start_all(self) -> None:
        self._cells[board.STOP] = 0
        for slot in self._slots:
            self._start(slot)

    def _start(self, slot: int) -> None:
        self._pids[slot] = children.start(lambda: self._work(slot))

    def _work(self, slot: int) -> None:
        numbers = self._cells[board.NUMBERS : board.NUMBERS + 2]
        lock = WatchedLock(self._lock, self._cells, slot)
        while not self._cells[board.STOP]:
            take_a_turn(lock, numbers)

    def _turns_of(self, slot: int) -> int:
        turns: int = self._cells[board.own_cells(slot) + board.TURNS]
        return turns

    def _kill_one(self) -> bool:
        """Kill whoever holds the lock, every other time, if somebody does; or anybody. Whether it said that it held it."""
        slot = self._rng.choice(self._slots)
        if (inside := self._cells[board.INSIDE]) and self._rng.random() < 0.5:
            slot = inside - 1
        self._cells[board.KILLED_AT] = time.monotonic_ns()
        status = children.kill(self._pids.pop(slot))
        if status != -signal.SIGKILL:
            raise RuntimeError(f"a worker ended by itself, with status {status}")
        holds = board.own_cells(slot) + board.HOLDS
        was_owner = self._cells[holds] != 0
        self._cells[holds] = 0
        self._kills += 1
        self._start(slot)
        return was_owner

    def _is_free(self) -> bool:
        try:
            if not self._lock.acquire(False):
                return False
        except OwnerDied:
            self._lock.consistent()
        self._lock.release()
        return True
