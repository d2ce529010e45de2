"""Where the processes of the crash demo write what they do: 64-bit cells behind the lock, in the same shared memory."""

import mmap
from typing import Final

from pyfutex.demo.robustlock import ROOM

# The two that are always equal, of whoever holds the lock.
NUMBERS: Final = 0
# Whoever holds the lock: its slot plus one, or 0.
INSIDE: Final = 2
# The killer's: that all are to end, and the time of the last kill, in nanoseconds.
STOP: Final = 3
KILLED_AT: Final = 4
# Whoever holds the lock counts: OwnerDied; numbers that differed, or two inside at once.
RECOVERIES: Final = 5
TORN: Final = 6

# Each worker's own, so many cells a slot: turns, and whether it holds the lock.
_FIRST_SLOT: Final = 8
_STRIDE: Final = 8  # a cache line
TURNS: Final = 0
HOLDS: Final = 1

MOST_WORKERS: Final = 64
# Of the latest recoveries, nanoseconds each.
MOST_TIMES: Final = 1 << 15
TIMES: Final = _FIRST_SLOT + _STRIDE * MOST_WORKERS


def new_memory() -> mmap.mmap:
    """Memory for a lock and the board, all zero, which forked processes share."""
    return mmap.mmap(-1, ROOM + 8 * (TIMES + MOST_TIMES))


def cells_of(memory: mmap.mmap) -> memoryview:
    """The cells in it."""
    return memoryview(memory)[ROOM:].cast("q")


def own_cells(slot: int) -> int:
    """Where those of a slot begin."""
    return _FIRST_SLOT + _STRIDE * slot
