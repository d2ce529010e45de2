"""A lock that writes on the board who takes it, what he finds, and how long that took after a death."""

import time

from pyfutex.demo import board
from pyfutex.demo.robustlock import RobustLock
from pyfutex.sync import OwnerDied


class WatchedLock:
    """The lock of one worker, in its slot."""

    def __init__(self, lock: RobustLock, cells: memoryview, slot: int) -> None:
        self._lock = lock
        self._cells = cells
        self._slot = slot
        self._own = board.own_cells(slot)

    def acquire(self, blocking: bool = True) -> bool:
        """Take it, and look whether what it protects is whole; where an owner has died it need not be."""
        cells = self._cells
        try:
            is_held = self._lock.acquire(blocking)
        except OwnerDied:
            took = time.monotonic_ns() - cells[board.KILLED_AT]
            cells[board.TIMES + cells[board.RECOVERIES] % board.MOST_TIMES] = took
            cells[board.RECOVERIES] += 1
            self._enter()
            raise
        if is_held:
            a, b = cells[board.NUMBERS : board.NUMBERS + 2]
            cells[board.TORN] += a != b or cells[board.INSIDE] != 0
            self._enter()
        return is_held

    def _enter(self) -> None:
        self._cells[board.INSIDE] = self._slot + 1
        self._cells[self._own + board.HOLDS] = 1

    def release(self) -> None:
        """Let it go, and count the turn."""
        self._cells[self._own + board.HOLDS] = 0
        self._cells[board.INSIDE] = 0
        self._lock.release()
        self._cells[self._own + board.TURNS] += 1

    def consistent(self) -> None:
        """Say that what a dead owner left is made good."""
        self._lock.consistent()
