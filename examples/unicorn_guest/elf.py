"""Reading a static ELF file: every header is checked before anything is mapped."""

import struct
from itertools import pairwise
from typing import NamedTuple

PAGE = 4096

# Where a position-independent program is put, and the addresses that a program may ask for.
PIE_BASE = 0x5555_5555_4000
LOWEST = 0x1_0000
HIGHEST = 0x7000_0000_0000
MAX_SPAN = 256 << 20
MAX_SEGMENTS = 64

_ET_EXEC, _ET_DYN = 2, 3
_EM_X86_64 = 62
_PT_LOAD, _PT_INTERP, _PT_PHDR = 1, 3, 6
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")


class BadElf(Exception):
    """The file is no program that this machine runs; the message says why."""


class Segment(NamedTuple):
    """Part of the file that is mapped.

    Attributes
    ----------
    addr : int
        Guest address of the first byte.
    data : bytes
        What the file has of it.
    length : int
        Bytes in memory; those beyond `data` are zero.
    prot : int
        PROT_READ 1, PROT_WRITE 2 and PROT_EXEC 4.
    """

    addr: int
    data: bytes
    length: int
    prot: int

    @property
    def pages(self) -> range:
        """The pages it touches, as a range of addresses."""
        return range(self.addr & -PAGE, (self.addr + self.length + PAGE - 1) & -PAGE, PAGE)


class Image(NamedTuple):
    """A program as it is to be mapped.

    Attributes
    ----------
    segments : tuple of Segment
        By ascending address; no two touch the same page.
    entry : int
        Guest address of the first instruction.
    program_headers : int
        Guest address of the program headers; 0 if they are not mapped.
    n_program_headers : int
        How many there are.
    """

    segments: tuple[Segment, ...]
    entry: int
    program_headers: int
    n_program_headers: int

    @property
    def start(self) -> int:
        """The first page."""
        return self.segments[0].pages.start

    @property
    def end(self) -> int:
        """The page after the last."""
        return self.segments[-1].pages.stop


def read_elf(file: bytes) -> Image:
    """Read a static x86-64 ELF file.

    Parameters
    ----------
    file : bytes
        The whole file, from anybody.

    Returns
    -------
    Image
        All of whose addresses lie between `LOWEST` and `HIGHEST`.

    Raises
    ------
    BadElf
        The file is something else, contradicts itself, or asks for what is not there.
    """
    if len(file) < _HEADER.size:
        raise BadElf("not an ELF file: too short for its header")
    (ident, kind, machine, version, entry, table_at, _, _, header_size, entry_size, n_entries, *_) = (
        _HEADER.unpack_from(file)
    )
    if ident[:4] != b"\x7fELF":
        raise BadElf("not an ELF file")
    if ident[4:7] != b"\x02\x01\x01" or version != 1:
        raise BadElf("not a 64-bit little-endian ELF file of version 1")
    if machine != _EM_X86_64:
        raise BadElf(f"built for machine {machine}, not for x86-64")
    if kind not in (_ET_EXEC, _ET_DYN):
        raise BadElf(f"type {kind}: neither an executable nor a position-independent one")
    if header_size < _HEADER.size or entry_size != _PROGRAM_HEADER.size:
        raise BadElf("headers of a size that ELF64 does not have")
    if not 0 < n_entries <= MAX_SEGMENTS:
        raise BadElf(f"{n_entries} program headers; at least 1 and at most {MAX_SEGMENTS} are read")
    if table_at + n_entries * entry_size > len(file):
        raise BadElf("the program headers lie beyond the end of the file")
    base = PIE_BASE if kind == _ET_DYN else 0
    headers = [_PROGRAM_HEADER.unpack_from(file, table_at + i * entry_size) for i in range(n_entries)]
    if any(header[0] == _PT_INTERP for header in headers):
        raise BadElf("dynamically linked: link it with -static")
    segments = _segments(file, headers, base)
    if not any(s.prot & 4 and s.addr <= base + entry < s.addr + s.length for s in segments):
        raise BadElf(f"the entry point {base + entry:#x} lies in no executable segment")
    return Image(segments, base + entry, _mapped_headers(headers, base, table_at), n_entries)


def _segments(file: bytes, headers: list[tuple[int, ...]], base: int) -> tuple[Segment, ...]:
    segments: list[Segment] = []
    for kind, flags, offset, addr, _, in_file, in_memory, _ in headers:
        if kind != _PT_LOAD or in_memory == 0:
            continue
        if in_file > in_memory:
            raise BadElf("a segment is longer in the file than in memory")
        if offset + in_file > len(file):
            raise BadElf("a segment lies beyond the end of the file")
        if (addr - offset) % PAGE:
            raise BadElf("a segment's address and its place in the file do not agree modulo the page size")
        start = base + addr
        if start < LOWEST or start + in_memory > HIGHEST:
            raise BadElf(f"a segment at {start:#x} of {in_memory:#x} bytes is outside a program's addresses")
        # The flags of a segment are PF_X 1, PF_W 2, PF_R 4; those of a mapping run the other way round.
        prot = (flags & 4) >> 2 | flags & 2 | (flags & 1) << 2
        segments.append(Segment(start, file[offset : offset + in_file], in_memory, prot))
    if not segments:
        raise BadElf("no segment to load")
    for one, next_one in pairwise(segments):
        if next_one.pages.start < one.pages.stop:
            raise BadElf("segments overlap, or are not in ascending order")
    if segments[-1].pages.stop - segments[0].pages.start > MAX_SPAN:
        raise BadElf(f"the segments span more than {MAX_SPAN >> 20} MiB")
    return tuple(segments)


def _mapped_headers(headers: list[tuple[int, ...]], base: int, table_at: int) -> int:
    for kind, _, _, addr, *_ in headers:
        if kind == _PT_PHDR:
            return (base + addr) % 2**64
    for kind, _, offset, addr, _, in_file, *_ in headers:
        if kind == _PT_LOAD and offset <= table_at < offset + in_file:
            return base + addr + table_at - offset
    return 0
