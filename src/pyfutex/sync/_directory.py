"""The directory of an arena: which name has which place. Whoever changes it holds its lock.

An arena, in the byte order of the machine:

    byte   0    "pfarena" and a zero byte
           8    version of this layout, 1 (32 bits)
          12    0x01020304 (32 bits)
          16    bytes that it may ever have, the size of the file (64 bits)
          24    bytes that it has: memory is allocated for those (64 bits)
          32    where the blocks end (64 bits)
          40    serial number of the newest entry (64 bits)
          48    1: somebody is changing the directory, or died at it (32 bits)
          52    how many names there are (32 bits)
          64    the directory's Lock, whose bytes 8 to 15 say which PID namespace and boot the arena is of
         128    the power of two of the index's places (8 bits); where its block begins, divided by 64 (56 bits)
         136    how many places of the index are not 0 (32 bits)
         512    128 lists of free blocks (32 bits each): list n has those of n times 64 bytes; the last one, all larger ones
        4096    the first block; each one begins where the one before ends

A block is a multiple of 64 bytes:

    byte   0    its tag (64 bits), from the low end: how many times 64 bytes it has (32 bits); 1 free, 2 named, 3 index, 4
                named and being deleted (8 bits); bytes of the name (8 bits); 0x6270 (16 bits)
           8    serial number of a named one (64 bits); of a free one 0
          16    CRC-32 of the name; of a free one, the next of its list (32 bits)
          20    0 (32 bits)
          24    the name, in UTF-8

Then, at the next multiple of 64, the primitive, or the places of the index. A place (32 bits) is 0, empty; 1, empty again;
or where a named block begins, divided by 64. That of a name is at its CRC modulo the places, or behind that, with none
between that is 0.

Blocks are what counts; index, lists and count follow from them, and `repair` makes them anew. A block is made whole first
and gets its tag by one store then, a new one before the end of the blocks moves behind it: whoever dies leaves all of it or
nothing. A store to 48 comes before the first change, and another one after the last: whoever takes the lock and finds 1
there repairs. A free block keeps its tag until it has another one, so that the blocks can be walked at any time.
"""

from __future__ import annotations

import contextlib
import os
import threading
from array import array
from binascii import crc32
from errno import EBADMSG, ENAMETOOLONG
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from pyfutex.sync._anatomy import TID_MASK, WORD_AT, Primitive, holder_of, primitive_of
from pyfutex.sync._retire import retire_lock
from pyfutex.sync.errors import OwnerDied
from pyfutex.sync.lock import Lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyfutex.sync._arenafile import ArenaFile

T = TypeVar("T")

MAXIMUM_AT = 16
ALLOCATED_AT = 24
USED_AT = 32
SERIAL_AT = 40
CHANGING_AT = 48
N_NAMES_AT = 52
LOCK_AT = 64
INDEX_AT = 128
N_TAKEN_AT = 136
FREE_AT = 512
FIRST_AT = 4096

UNIT = 64
N_LISTS = 128
FREE, NAMED, INDEX, DELETED = 1, 2, 3, 4
MARK = 0x6270
AGAIN = 1  # an index place that is empty again
LEAST_PLACES = 128
MOST_POWER = 32
MOST_SERIAL = (1 << 64) - 1
INDEX_HEAD = UNIT

# Bytes of a block.
BLOCK_SERIAL_AT = 8
BLOCK_CRC_AT = 16
BLOCK_NEXT_AT = 16
BLOCK_NAME_AT = 24
MOST_NAME_BYTES = 255

# The directory is held for microseconds; whoever holds it for longer is stopped, not slow.
PATIENCE_S = 30.0


class Entry(NamedTuple):
    """A name, and where what it names lies."""

    name: str
    block: int  # bytes from the beginning of the arena, as `at`
    at: int
    size: int
    primitive: Primitive | None  # None: what lies there is nothing that is known here


def units(n_bytes: int) -> int:
    """How many units hold so many bytes."""
    return -(-n_bytes // UNIT)


def encoded_name(name: str) -> bytes:
    """The bytes of a primitive's name. ValueError: it can be none; OSError (ENAMETOOLONG)."""
    if not isinstance(name, str):
        raise TypeError(f"a name is a str, not {type(name).__name__}")
    encoded = name.encode()
    if not encoded:
        raise ValueError("a name is not empty")
    if len(encoded) > MOST_NAME_BYTES:
        raise OSError(
            ENAMETOOLONG, f"a name is {MOST_NAME_BYTES} bytes in UTF-8 at most, not {len(encoded)}", name
        )
    return encoded


def index_units(power: int) -> int:
    """How many units an index takes that has two to the power of that many places."""
    return 1 + units(4 << power)


def tag_of(n_units: int, state: int, n_name: int = 0) -> int:
    """A block's tag."""
    return n_units | state << 32 | n_name << 40 | MARK << 48


class Names:
    """The names of an arena, to look at."""

    def __init__(self, file: ArenaFile) -> None:
        self._file = file
        self._memory = file.memory

    def __len__(self) -> int:
        return self._memory.load(N_NAMES_AT)

    def find(self, name: bytes) -> int:
        """Where the block of a name begins; 0: nobody has made one."""
        return self._find(name)[0]

    def entry(self, block: int) -> Entry:
        """What a named block says."""
        n_units, _, n_name = self._tag(block)
        name = self._file.map[block + BLOCK_NAME_AT : block + BLOCK_NAME_AT + n_name]
        at = block + UNIT * units(BLOCK_NAME_AT + n_name)
        end = block + UNIT * n_units
        what = primitive_of(self._memory.load64(at)) if at < end else None
        if what is not None and at + what.n_bytes > end:
            what = None
        return Entry(name.decode(errors="replace"), block, at, end - at, what)

    def entries(self) -> Iterator[Entry]:
        """All of them, in the order of their places."""
        for block, state in self._blocks():
            if state == NAMED:
                yield self.entry(block)

    def serial(self, block: int) -> int:
        """The serial number of a named block."""
        return self._memory.load64(block + BLOCK_SERIAL_AT)

    def _tag(self, block: int) -> tuple[int, int, int]:
        used = self._memory.load64(USED_AT)
        tag = self._memory.load64(block) if FIRST_AT <= block < used else 0
        n_units, state, n_name = tag & 0xFFFF_FFFF, tag >> 32 & 0xFF, tag >> 40 & 0xFF
        if (
            tag >> 48 != MARK
            or not FREE <= state <= DELETED
            or not units(BLOCK_NAME_AT + n_name) <= n_units
            or block + UNIT * n_units > used
        ):
            raise self._damaged(block)
        return n_units, state, n_name

    def _damaged(self, at: int) -> OSError:
        return OSError(EBADMSG, f"{os.strerror(EBADMSG)}: somebody wrote over byte {at}", self._file.path)

    def _blocks(self) -> Iterator[tuple[int, int]]:
        """Each block and its state."""
        block = FIRST_AT
        while block < self._memory.load64(USED_AT):
            n_units, state, _ = self._tag(block)
            yield block, state
            block += UNIT * n_units

    def _index(self) -> tuple[int, int]:
        """Where the index's first place lies, and how many there are."""
        word = self._memory.load64(INDEX_AT)
        block, power = (word >> 8) * UNIT, word & 0xFF
        n_units, state, _ = self._tag(block)
        if state != INDEX or power > MOST_POWER or n_units != index_units(power):
            raise self._damaged(INDEX_AT)
        return block + INDEX_HEAD, 1 << power

    def _find(self, name: bytes) -> tuple[int, int]:
        """The block of a name, and its place in the index; or 0, and the place for a new one."""
        load = self._memory.load
        first, n_places = self._index()
        crc = crc32(name)
        used = self._memory.load64(USED_AT)
        spare = 0
        for step in range(n_places):
            place = first + 4 * (crc + step & n_places - 1)
            unit = load(place)
            if unit == 0:
                return 0, spare or place
            if unit == AGAIN:
                spare = spare or place
            elif unit * UNIT >= used or unit * UNIT < FIRST_AT:
                raise self._damaged(place)
            elif load(unit * UNIT + BLOCK_CRC_AT) == crc and self._is_named(unit * UNIT, name):
                return unit * UNIT, place
        raise self._damaged(first)

    def _is_named(self, block: int, name: bytes) -> bool:
        start = block + BLOCK_NAME_AT
        return (
            self._memory.load64(block) >> 40 & 0xFF == len(name)
            and self._file.map[start : start + len(name)] == name
        )


class Directory(Names):
    """The names of an arena, to change; between `acquire` and `release`.

    Attributes
    ----------
    release : callable
        Let its lock go. In a ``finally`` no signal handler that raises can come before it, as it could before the first
        line of an ``__exit__`` in Python.
    """

    def __init__(self, file: ArenaFile) -> None:
        super().__init__(file)
        self._lock = Lock.attach(file.map, LOCK_AT)
        self.release = self._lock.release

    def acquire(self) -> None:
        """Get its lock, and repair what somebody left half changed. If this raises, the lock is not held.

        Raises
        ------
        RuntimeError
            A signal handler looks in while its thread holds it.
        TimeoutError
            A process that was stopped holds it.
        """
        if self._is_mine():
            raise RuntimeError(
                "the calling thread is at work in this arena: a signal handler came in between"
            )
        try:
            try:
                if not self._lock.acquire(timeout=PATIENCE_S):
                    raise TimeoutError(
                        f"thread {self._holder()} has held the directory of {self._file.path} for {PATIENCE_S} s"
                    )
            except OwnerDied:
                self._lock.consistent()  # `repair` looks at what it left, not at who
            if self._memory.load(CHANGING_AT):
                self.repair()
        except BaseException:
            if self._is_mine():
                with contextlib.suppress(RuntimeError):
                    self._lock.consistent()
                self._lock.release()
            raise

    def _holder(self) -> int:
        return self._memory.load(LOCK_AT + WORD_AT) & TID_MASK

    def _is_mine(self) -> bool:
        return self._holder() == threading.get_native_id()

    def insert(self, name: bytes, size: int, make: Callable[[int], T]) -> tuple[int, T]:
        """Make an entry of `size` bytes by ``make(at)``; its block, and what that returned. Requires: no such name."""
        memory = self._memory
        head = units(BLOCK_NAME_AT + len(name))
        n_units = head + units(size)
        if memory.load64(SERIAL_AT) == MOST_SERIAL:
            raise self._damaged(SERIAL_AT)
        _, n_places = self._index()
        if 4 * (memory.load(N_TAKEN_AT) + 1) > 3 * n_places:
            self._renew_index()
        self._reserve(n_units)
        memory.store(CHANGING_AT, 1)
        block = self._allocate(n_units)
        self._file.map[block + BLOCK_NAME_AT : block + BLOCK_NAME_AT + len(name)] = name
        memory.store(block + BLOCK_CRC_AT, crc32(name))
        memory.store64(block + BLOCK_SERIAL_AT, memory.fetch_add64(SERIAL_AT, 1) + 1)
        try:
            made = make(block + UNIT * head)
        except BaseException:
            if block < memory.load64(USED_AT):
                self._free(block, n_units)
            memory.store(CHANGING_AT, 0)
            raise
        self._publish(block, tag_of(n_units, NAMED, len(name)))
        _, place = self._find(name)
        self._enter(place, block)
        memory.fetch_add(N_NAMES_AT, 1)
        memory.store(CHANGING_AT, 0)
        return block, made

    def remove(self, name: bytes, retire: Callable[[Entry], None]) -> None:
        """Let its block be used again, unless `retire` raises, which puts it out of use. Requires: there is such a name."""
        memory = self._memory
        block, place = self._find(name)
        n_units, _, _ = self._tag(block)
        memory.store(CHANGING_AT, 1)
        memory.store64(block, tag_of(n_units, DELETED, len(name)))
        try:
            retire(self.entry(block))
        except BaseException:
            memory.store64(block, tag_of(n_units, NAMED, len(name)))
            memory.store(CHANGING_AT, 0)
            raise
        self._free(block, n_units)
        memory.store(place, AGAIN)
        memory.fetch_sub(N_NAMES_AT, 1)
        memory.store(CHANGING_AT, 0)

    def format(self) -> None:
        """Make the directory of a new arena, all of whose bytes are zero."""
        self._memory.store64(USED_AT, FIRST_AT)
        self._renew_index()

    def repair(self) -> None:
        """Make good what somebody left who died, or was interrupted, while changing it."""
        memory = self._memory
        memory.store(CHANGING_AT, 1)
        self._file.map[FREE_AT : FREE_AT + 4 * N_LISTS] = bytes(4 * N_LISTS)
        first, n_places = self._index()
        for block, state in self._blocks():
            n_units, _, n_name = self._tag(block)
            if state == DELETED and not self._is_out_of_use(self.entry(block)):
                memory.store64(block, tag_of(n_units, NAMED, n_name))
            elif state in (FREE, DELETED) or (state == INDEX and block != first - INDEX_HEAD):
                self._free(block, n_units)
        self._fill_index(first, n_places)
        memory.store(CHANGING_AT, 0)

    def _is_out_of_use(self, entry: Entry) -> bool:
        """Put it out of use, if nobody holds it: whether nobody does."""
        what = entry.primitive
        if what is None or not what.has_owner:
            return True
        return not holder_of(self._memory, entry.at, what) and retire_lock(self._file.memory, entry.at)

    def _reserve(self, n_units: int) -> None:
        """See to it that the next allocation of this size finds room."""
        end = self._memory.load64(USED_AT) + UNIT * n_units
        if end > self._memory.load64(ALLOCATED_AT) and not self._free_block(n_units)[1]:
            self._file.grow(end)

    def _free_block(self, n_units: int) -> tuple[int, int]:
        """A free block of this size, and the word that has it as the next one; (0, 0): none."""
        link = FREE_AT + 4 * min(n_units, N_LISTS - 1)
        # Lists have no cycles, but for damage; then the search ends nevertheless.
        for _ in range(self._memory.load64(USED_AT) // UNIT):
            block = self._memory.load(link) * UNIT
            if block == 0:
                break
            found, state, _ = self._tag(block)
            if state != FREE:
                raise self._damaged(link)
            if found == n_units:
                return link, block
            link = block + BLOCK_NEXT_AT
        return 0, 0

    def _allocate(self, n_units: int) -> int:
        """A block of this size that has no tag of its own yet, all zero. Requires: reserved."""
        memory = self._memory
        link, block = self._free_block(n_units)
        if block:
            memory.store(link, memory.load(block + BLOCK_NEXT_AT))
        else:
            block = memory.load64(USED_AT)
        self._file.map[block + 8 : block + UNIT * n_units] = bytes(UNIT * n_units - 8)
        return block

    def _publish(self, block: int, tag: int) -> None:
        memory = self._memory
        memory.store64(block, tag)
        if block == memory.load64(USED_AT):
            memory.store64(USED_AT, block + UNIT * (tag & 0xFFFF_FFFF))

    def _free(self, block: int, n_units: int) -> None:
        memory = self._memory
        link = FREE_AT + 4 * min(n_units, N_LISTS - 1)
        memory.store64(block, tag_of(n_units, FREE))
        memory.store64(block + BLOCK_SERIAL_AT, 0)
        memory.store(block + BLOCK_NEXT_AT, memory.load(link))
        memory.store(link, block // UNIT)

    # --- the index ---

    def _enter(self, place: int, block: int) -> None:
        if self._memory.load(place) == 0:
            self._memory.fetch_add(N_TAKEN_AT, 1)
        self._memory.store(place, block // UNIT)

    def _renew_index(self) -> None:
        """Put a new index, four times as large as there are names, in the place of the one that is full."""
        memory = self._memory
        power = max(LEAST_PLACES - 1, 4 * len(self)).bit_length()
        n_units = index_units(power)
        self._reserve(n_units)
        memory.store(CHANGING_AT, 1)
        old = (memory.load64(INDEX_AT) >> 8) * UNIT
        block = self._allocate(n_units)
        self._publish(block, tag_of(n_units, INDEX))
        self._fill_index(block + INDEX_HEAD, 1 << power)
        memory.store64(INDEX_AT, block // UNIT << 8 | power)
        if old:
            self._free(old, self._tag(old)[0])
        memory.store(CHANGING_AT, 0)

    def _fill_index(self, first: int, n_places: int) -> None:
        """Write all places of an index, and how many are taken."""
        places = array("I", bytes(4 * n_places))
        n_names = 0
        for block, state in self._blocks():
            if state == NAMED:
                if n_names == n_places - 1:
                    raise self._damaged(INDEX_AT)
                place = self._memory.load(block + BLOCK_CRC_AT) % n_places
                while places[place]:
                    place = (place + 1) % n_places
                places[place] = block // UNIT
                n_names += 1
        self._file.map[first : first + 4 * n_places] = places.tobytes()
        self._memory.store(N_TAKEN_AT, n_names)
        self._memory.store(N_NAMES_AT, n_names)
