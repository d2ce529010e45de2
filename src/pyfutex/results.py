"""The values that operations take and return: constants, enums, named tuples.

Source for the numbers: futex(2).
"""

from __future__ import annotations

import sys
from enum import IntEnum
from time import CLOCK_MONOTONIC, CLOCK_REALTIME

from pyfutex._firstloaded import first_loaded

TYPE_CHECKING = False  # to type checkers it is true; that of typing would have typing imported
if TYPE_CHECKING:
    from typing import NamedTuple

    from pyfutex.key import Key, Mappable
    from pyfutex.memory import Memory
    from pyfutex.target import Target
    from pyfutex.waiter import Waiter
else:
    from pyfutex._namedtuple import NamedTuple

__all__ = [
    "ALL",
    "ANY",
    "CLOCK_MONOTONIC",
    "CLOCK_REALTIME",
    "KeyKind",
    "Region",
    "Requeued",
    "WaitItem",
    "WaitResult",
    "WaiterInfo",
    "WaiterState",
    "WakeItem",
    "WakeWait",
]

ANY = 0xFFFF_FFFF
"""Bitset that every waiter and every wake meets (FUTEX_BITSET_MATCH_ANY)."""

ALL = 0x7FFF_FFFF
"""Count: as many waiters as there are (INT_MAX)."""


class WaitResult(IntEnum):
    """How a wait ended. True unless it timed out, as with `threading.Condition.wait`."""

    TIMEOUT = 0
    WOKEN = 1
    MISMATCH = 2  # the word did not hold the expected value: nobody slept


class WaiterState(IntEnum):
    """Where a `Waiter` is in its life."""

    IDLE = 0
    QUEUED = 1
    DONE = 2  # taken by a waker; `Waiter.result` is set
    CANCELLED = 3


class KeyKind(IntEnum):
    """What a futex is identified by."""

    PRIVATE = 0  # address, for private operations
    SHARED_PRIVATE = 1  # address, for shared operations on memory that no mappable backs
    SHARED_MAPPABLE = 2  # mappable and offset


class WaitItem(NamedTuple):
    """One word of a `waitv`; a plain tuple does as well."""

    mem: Target
    addr: int
    val: int  # what the word has to hold
    private: bool | None = None
    size: int = 4  # bytes


class WakeItem(NamedTuple):
    """One word of a `wakev`; a plain tuple does as well."""

    mem: Target
    addr: int
    n: int = 1  # how many to wake
    bitset: int = ANY
    private: bool | None = None
    size: int = 4  # bytes


class Requeued(NamedTuple):
    """What a requeue did."""

    woken: int
    requeued: int


class WakeWait(NamedTuple):
    """What a `wake_wait` did: how many it woke, and how its wait ended."""

    woken: int
    result: WaitResult


class Region(NamedTuple):
    """A mapping of an `AddressSpace`."""

    addr: int  # guest address of the first byte
    length: int  # bytes
    memory: Memory
    offset: int  # of the first byte, in `memory`
    mappable: Mappable | None


class WaiterInfo(NamedTuple):
    """A queued waiter, as `Manager.waiters` saw it."""

    key: Key
    kind: str  # "PLAIN", "PI", or "REQUEUE_PI": waiting to be requeued to a PI word
    bitset: int
    tid: int  # PI: the thread that gets the lock; else 0
    queued_for: float  # seconds since its thread went to sleep; 0.0 where no thread sleeps
    waiter: Waiter | None  # None: a thread that sleeps in a wait of the manager


# Should the package be deleted from sys.modules and imported anew.
sys.modules[__name__] = first_loaded(sys.modules[__name__])
