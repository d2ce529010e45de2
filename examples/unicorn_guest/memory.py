"""The guest's memory: areas of host memory that the processor and the futex manager both map by pointer."""

import bisect
import errno
import mmap
from itertools import pairwise
from operator import attrgetter
from typing import NamedTuple, Protocol

from pyfutex import AddressSpace, Mappable, Memory

PAGE = 4096
PROT_READ, PROT_WRITE, PROT_EXEC = 1, 2, 4

# A guest that asks for more areas, or more bytes, gets ENOMEM.
MAX_AREAS = 2048
ARENA_START = 0x7F00_0000_0000
ARENA_SIZE = 1 << 30

_NORESERVE = 0x4000
_start_of = attrgetter("start")


class Fault(Exception):
    """A system call was given an address that the guest may not use so."""


class Processor(Protocol):
    """What has to hear of every change."""

    def map(self, addr: int, length: int, prot: int, host_address: int) -> None:
        """Let the guest see host memory at `addr`."""

    def unmap(self, addr: int, length: int) -> None:
        """Take exactly what one `map` has mapped away again."""


class Backing:
    """A range of guest addresses with host memory behind it, page for page.

    The host memory is reserved once; the kernel gives it pages as the guest touches them.
    """

    def __init__(self, start: int, size: int) -> None:
        self.start = start
        self.end = start + size
        self.buffer = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NORESERVE)
        self.memory = Memory(self.buffer)

    def clear(self, start: int, end: int) -> None:
        """Make whole pages read as zeroes."""
        self.buffer.madvise(mmap.MADV_DONTNEED, start - self.start, end - start)


class Area(NamedTuple):
    """Neighbouring pages with the same rights.

    Attributes
    ----------
    start, end : int
        Guest addresses, of whole pages.
    prot : int
        The rights; 0 means that nobody may touch it.
    backing : Backing
        Where its bytes are.
    mappable : Mappable, optional
        Given for memory mapped MAP_SHARED: by it and the distance from `origin`, shared futex words are known.
    origin : int
        Guest address of the first byte of `mappable`.
    """

    start: int
    end: int
    prot: int
    backing: Backing
    mappable: Mappable | None = None
    origin: int = 0

    def goes_on_in(self, other: "Area") -> bool:
        """Whether the two may become one."""
        return self.end == other.start and self[2:] == other[2:]


class GuestMemory:
    """The areas of one guest.

    Parameters
    ----------
    processor : Processor
        Maps the same host memory.

    Attributes
    ----------
    space : AddressSpace
        The same areas for pyfutex: those that may be read, writable where the guest may write.
    """

    def __init__(self, processor: Processor) -> None:
        self._processor = processor
        self._areas: list[Area] = []
        self._backings = [Backing(ARENA_START, ARENA_SIZE)]
        self.space = AddressSpace()

    def back(self, start: int, size: int) -> None:
        """Put host memory behind a further range of addresses."""
        self._backings.append(Backing(start, size))

    def map(self, start: int, length: int, prot: int, mappable: Mappable | None = None) -> None:
        """Map zeroed pages, in the place of whatever is there.

        Raises
        ------
        OSError
            ENOMEM: no host memory is meant for these addresses, or there are too many areas.
        """
        end = start + length
        for backing in self._backings:
            if backing.start <= start and end <= backing.end:
                break
        else:
            raise OSError(errno.ENOMEM, "no memory at these addresses")
        self._replace(start, end, [])
        backing.clear(start, end)
        self._insert(Area(start, end, prot, backing, mappable, start if mappable is not None else 0))

    def unmap(self, start: int, length: int) -> None:
        """Unmap pages; nothing need be mapped there."""
        self._replace(start, start + length, [])

    def protect(self, start: int, length: int, prot: int) -> None:
        """Change the rights of pages.

        Raises
        ------
        OSError
            ENOMEM: some of them are not mapped, or there would be too many areas.
        """
        end = start + length
        touched = self._overlapping(start, end)
        if not touched or touched[0].start > start or touched[-1].end < end:
            raise OSError(errno.ENOMEM, "not mapped")
        if any(one.end != other.start for one, other in pairwise(touched)):
            raise OSError(errno.ENOMEM, "not mapped in between")
        changed = [
            area._replace(start=max(area.start, start), end=min(area.end, end), prot=prot) for area in touched
        ]
        self._replace(start, end, changed)

    def is_free(self, start: int, length: int) -> bool:
        """Whether no page of the range is mapped."""
        return not self._overlapping(start, start + length)

    def find_free(self, length: int) -> int:
        """Find the lowest free addresses of the arena.

        Raises
        ------
        OSError
            ENOMEM: it has no such range left.
        """
        candidate = ARENA_START
        for area in self._areas[bisect.bisect_left(self._areas, ARENA_START, key=_start_of) :]:
            if area.start - candidate >= length:
                break
            candidate = area.end
        if candidate + length > ARENA_START + ARENA_SIZE:
            raise OSError(errno.ENOMEM, "the arena is full")
        return candidate

    def discard(self, start: int, length: int) -> None:
        """Make the mapped pages of a range read as zeroes again."""
        end = start + length
        for area in self._overlapping(start, end):
            area.backing.clear(max(area.start, start), min(area.end, end))

    def read(self, addr: int, length: int) -> bytes:
        """Copy bytes out of the guest. Fault where it may not read."""
        return b"".join(self._pieces(addr, length, PROT_READ))

    def write(self, addr: int, data: bytes) -> None:
        """Copy bytes into the guest. Fault, with nothing written, where it may not write."""
        done = 0
        for piece in list(self._pieces(addr, len(data), PROT_WRITE)):
            piece[:] = data[done : done + len(piece)]
            done += len(piece)

    def load(self, addr: int, data: bytes) -> None:
        """Copy bytes of the program to mapped pages, whatever their rights."""
        for piece in self._pieces(addr, len(data), 0):
            piece[:] = data[: len(piece)]
            data = data[len(piece) :]

    def read_u32(self, addr: int) -> int:
        """A 32-bit integer of the guest, unsigned."""
        return int.from_bytes(self.read(addr, 4), "little")

    def read_u64(self, addr: int) -> int:
        """A 64-bit integer of the guest, unsigned."""
        return int.from_bytes(self.read(addr, 8), "little")

    def write_u32(self, addr: int, value: int) -> None:
        """Store the low 32 bits of an integer."""
        self.write(addr, (value & 0xFFFF_FFFF).to_bytes(4, "little"))

    def write_u64(self, addr: int, value: int) -> None:
        """Store the low 64 bits of an integer."""
        self.write(addr, (value & 0xFFFF_FFFF_FFFF_FFFF).to_bytes(8, "little"))

    def _pieces(self, addr: int, length: int, prot: int):
        # Writable views of the bytes, area by area.
        end = addr + length
        while addr < end:
            i = bisect.bisect_right(self._areas, addr, key=_start_of) - 1
            if i < 0 or self._areas[i].end <= addr or self._areas[i].prot & prot != prot:
                raise Fault(hex(addr))
            area = self._areas[i]
            stop = min(end, area.end)
            view = memoryview(area.backing.buffer)
            yield view[addr - area.backing.start : stop - area.backing.start]
            addr = stop

    def _overlapping(self, start: int, end: int) -> list[Area]:
        first = max(bisect.bisect_right(self._areas, start, key=_start_of) - 1, 0)
        last = bisect.bisect_left(self._areas, end, key=_start_of)
        return [area for area in self._areas[first:last] if area.end > start]

    def _replace(self, start: int, end: int, new: list[Area]) -> None:
        # Whole areas are unmapped and their remains mapped again: the processor never has to cut one.
        gone = self._overlapping(start, end)
        if len(self._areas) + len(new) + 2 > MAX_AREAS:
            raise OSError(errno.ENOMEM, "too many areas")
        for area in gone:
            self._remove(area)
            if area.start < start:
                self._insert(area._replace(end=start))
            if area.end > end:
                self._insert(area._replace(start=end))
        for area in new:
            self._insert(area)

    def _insert(self, area: Area) -> None:
        i = bisect.bisect_left(self._areas, area.start, key=_start_of)
        if i < len(self._areas) and area.goes_on_in(self._areas[i]):
            after = self._areas[i]
            self._remove(after)
            area = area._replace(end=after.end)
        if i > 0 and self._areas[i - 1].goes_on_in(area):
            before = self._areas[i - 1]
            self._remove(before)
            area = area._replace(start=before.start)
            i -= 1
        self._areas.insert(i, area)
        length = area.end - area.start
        if area.prot:
            offset = area.start - area.backing.start
            self._processor.map(area.start, length, area.prot, area.backing.memory.host_address + offset)
            self.space.map(
                area.start,
                area.backing.memory,
                length=length,
                offset=offset,
                mappable=area.mappable,
                mappable_offset=area.start - area.origin if area.mappable is not None else 0,
                writable=bool(area.prot & PROT_WRITE),
            )

    def _remove(self, area: Area) -> None:
        self._areas.remove(area)
        if area.prot:
            self._processor.unmap(area.start, area.end - area.start)
            self.space.unmap(area.start, area.end - area.start)
