"""Where the words of a primitive in shared memory lie: which hold an owner, and which threads sleep on.

Read from the bytes alone, so that a process can look at what it does not use. The layouts are those of the `.pxd` files.
"""

from __future__ import annotations

import struct
import sys
from enum import IntEnum
from errno import EINVAL
from typing import TYPE_CHECKING, NamedTuple

from pyfutex.kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyfutex.memory import Memory

LAYOUT_VERSION = 1
NOT_ROBUST = 1
INHERITS = 2  # priority, of a Lock
UNDO = 4
SOME_READERS = 62  # what number 0 of an RWLock means

TID_MASK = 0x3FFF_FFFF
OWNER_DIED = 0x4000_0000
WAITERS = 0x8000_0000

# Bytes from the beginning of a primitive.
SPACE_AT = 8
WORD_AT = 16
STATE_AT = 24
DEPTH_AT = 28
WORDS_AT = 64  # what follows a lock
SLOTS_AT = 128
SLOT_BYTES = 64
NOTICES_AT = WORDS_AT
BARRIER_TURN_AT = WORDS_AT + 8
BARRIER_ROSTER_AT = WORDS_AT + 12

# States of a lock.
CONSISTENT, INCONSISTENT, NOT_RECOVERABLE = range(3)


class Kind(IntEnum):
    """What the head of a primitive says that it is."""

    LOCK = 1
    RLOCK = 2
    CONDITION = 3
    SEMAPHORE = 4
    BOUNDED_SEMAPHORE = 5
    EVENT = 6
    BARRIER = 7
    RWLOCK = 8
    ONCE = 9
    LATCH = 10

    @property
    def title(self) -> str:
        """The name of its class."""
        return TITLES[self]


TITLES = {
    Kind.LOCK: "Lock",
    Kind.RLOCK: "RLock",
    Kind.CONDITION: "Condition",
    Kind.SEMAPHORE: "Semaphore",
    Kind.BOUNDED_SEMAPHORE: "BoundedSemaphore",
    Kind.EVENT: "Event",
    Kind.BARRIER: "Barrier",
    Kind.RWLOCK: "RWLock",
    Kind.ONCE: "Once",
    Kind.LATCH: "Latch",
}
SEMAPHORES = {Kind.SEMAPHORE, Kind.BOUNDED_SEMAPHORE}
# But for those of NOT_ROBUST alone.
FLAGS_OF: dict[Kind, tuple[int, ...]] = {
    Kind.LOCK: (NOT_ROBUST, INHERITS),
    Kind.SEMAPHORE: (UNDO,),
    Kind.BOUNDED_SEMAPHORE: (UNDO,),
}
TWO_LINES = {Kind.CONDITION, Kind.BARRIER, Kind.RWLOCK, Kind.ONCE}
ONE_WORD = SEMAPHORES | {Kind.EVENT, Kind.LATCH}


class Primitive(NamedTuple):
    """What a primitive's head says."""

    kind: Kind
    flags: int
    number: int  # permits, parties, readers, count: what the kind makes of it

    @property
    def has_owner(self) -> bool:
        """Whether its first word holds a thread id."""
        return bool(self.flags & UNDO) or (self.kind not in ONE_WORD and not self.flags & NOT_ROBUST)

    @property
    def n_slots(self) -> int:
        """How many threads may have a slot in it."""
        if not self.has_owner:
            return 0
        if self.kind is Kind.BARRIER or self.kind in SEMAPHORES:
            return self.number
        return (self.number or SOME_READERS) if self.kind is Kind.RWLOCK else 0

    @property
    def n_bytes(self) -> int:
        """How many it has, in whole cache lines."""
        before = SLOTS_AT if self.n_slots or self.kind in TWO_LINES else WORDS_AT
        return before + self.n_slots * SLOT_BYTES

    def slots(self) -> Iterator[int]:
        """Where its slots begin."""
        return (SLOTS_AT + i * SLOT_BYTES for i in range(self.n_slots))

    def owned_words(self) -> Iterator[int]:
        """Where thread ids stand."""
        if self.has_owner:
            yield WORD_AT
            for slot in self.slots():
                yield slot + WORD_AT

    def slept_on_words(self) -> Iterator[int]:
        """Where threads sleep."""
        yield WORD_AT
        if self.kind is Kind.CONDITION:
            yield NOTICES_AT
        elif self.kind is Kind.BARRIER:
            yield BARRIER_TURN_AT
            yield BARRIER_ROSTER_AT
        elif self.kind is Kind.RWLOCK or self.flags & UNDO:
            yield WORDS_AT
        for slot in self.slots():
            yield slot + WORD_AT


def primitive_of(stamp: int) -> Primitive | None:
    """What the first 64 bits of a primitive say; None: it is none, or none that is known here."""
    head = stamp.to_bytes(8, sys.byteorder)
    kind, flags = head[3] >> 4, head[3] & 15
    if head[:3] != bytes((*b"pf", LAYOUT_VERSION)) or kind not in TITLES:
        return None
    if flags not in (0, *FLAGS_OF.get(Kind(kind), (NOT_ROBUST,))):
        return None
    return Primitive(Kind(kind), flags, struct.unpack("=I", head[4:])[0])


def check_same(name: str, found: Primitive | None, wanted: Primitive) -> None:
    """Raise ValueError if what has a name is something else than wanted."""
    if found == wanted:
        return
    if found is None:
        raise ValueError(f"{name!r} is something that this pyfutex does not know")
    if found.kind is not wanted.kind:
        raise ValueError(f"{name!r} is a {found.kind.title}, not a {wanted.kind.title}")
    raise ValueError(f"{name!r} is a {_described(found)}, not a {_described(wanted)}")


def _described(what: Primitive) -> str:
    flags = {NOT_ROBUST: ", robust=False", INHERITS: ", pi=True", UNDO: ", undo=True"}.get(what.flags, "")
    return f"{what.kind.title} made with {what.number}{flags}"


def holder_of(memory: Memory, at: int, what: Primitive) -> int:
    """A thread that holds a primitive or takes part in it; 0: there is none, or no telling."""
    return next(filter(None, (memory.load(at + word) & TID_MASK for word in what.owned_words())), 0)


KERNEL = Kernel()
MOST_TRIES = 1000  # for a word that changes all the while


def n_asleep(memory: Memory, address: int) -> int:
    """How many threads sleep on a word, of whatever processes: they are requeued to where they are, and counted.

    Those who sleep for a lock with priority inheritance cannot be: one stands for them all.
    """
    for _ in range(MOST_TRIES):
        try:
            moved = KERNEL.cmp_requeue(memory, address, address, memory.load(address), 0, private=False)
        except OSError as error:
            if error.errno != EINVAL:
                raise
            return 1
        if moved is not None:
            return moved.requeued
    return 0
