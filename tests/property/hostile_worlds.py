"""Memories of guests that call with anything: what is mapped where, what may be written, and what has been."""

from errno import EFAULT, EIO
from typing import NamedTuple

from property.guarded import PAGE, Arena, differing

from pyfutex import AddressSpace, Manager, Mappable, Memory, Target

N_PAGES = 6
TOP_32, TOP_47, TOP_64 = 1 << 32, (1 << 47) - 4096, 1 << 64

_arena = Arena(N_PAGES)


class Region(NamedTuple):
    """Guest memory as the test knows it.

    Attributes
    ----------
    addr, size : int
        Guest addresses.
    at : int
        Offset of the first byte in the arena.
    """

    addr: int
    size: int
    at: int
    writable: bool = True
    mem: Target | None = None


class World:
    """Processes whose memory lies in the arena.

    Attributes
    ----------
    processes : list of (Target, Manager)
    spots : list of int
        Addresses at which something begins or ends.
    """

    wide_words_swapped = False

    def __init__(self):
        _arena.clear()
        self.regions = []
        self.processes = []

    def add(self, mem, manager):
        self.processes.append((mem, manager))
        return mem

    @property
    def spots(self):
        return [region.addr for region in self.regions] + [
            region.addr + region.size for region in self.regions
        ]

    def places(self, mem, addr, n, *, writing=True):
        """The places of `n` bytes of guest memory, in snapshots; of those that exist and may be written."""
        found = set()
        for region in self.regions:
            if region.mem is mem and (region.writable or not writing):
                first, last = max(addr, region.addr), min(addr + n, region.addr + region.size)
                found.update(range(region.at + first - region.addr, region.at + last - region.addr))
        return found

    def word(self, mem, addr):
        """The word that a guest sees, or None: four bytes are not there."""
        places = sorted(self.places(mem, addr, 4, writing=False))
        if len(places) != 4:
            return None
        snapshot = _arena.snapshot()
        return int.from_bytes(bytes(snapshot[place] for place in places), "little")

    def poke(self, mem, addr, words):
        """Let the guest have words, whether it could write them or not."""
        for i, word in enumerate(words):
            for place, byte in zip(
                sorted(self.places(mem, addr + 4 * i, 4, writing=False)),
                word.to_bytes(4, "little"),
                strict=False,
            ):
                _arena.store(place, byte)

    def snapshot(self):
        return _arena.snapshot()

    def changed(self, before):
        return differing(before, _arena.snapshot())

    def words_where(self, before, holds):
        """Places of the words of a snapshot that may be written and for which something holds."""
        found = set()
        for region in self.regions:
            for i in range(region.at, region.at + region.size if region.writable else 0, 4):
                if holds(self.word_in(before, i)):
                    found.update(range(i, i + 4))
        return found

    @staticmethod
    def word_in(snapshot, place):
        return int.from_bytes(snapshot[place : place + 4], "little")

    def unmap(self, mem, addr):
        """Take the region at an address away, where regions can be."""


class FlatWorld(World):
    """One Memory, at either end of the arena or in its midst, which may end within a word."""

    def __init__(self, base, size, place):
        super().__init__()
        room = (size + 7) & -8
        offset = {"first": 0, "last": N_PAGES * PAGE - room, "middle": PAGE - 64}[place]
        if base is not None and base + room > TOP_64:
            base = TOP_64 - room
        mem = self.add(Memory(_arena.piece(offset, size), base), Manager())
        self.regions.append(Region(mem.base, size, offset, True, mem))


class MappedWorld(World):
    """Two address spaces, of forked managers, that share a mappable."""

    def __init__(self):
        super().__init__()
        shared = Mappable("shared")
        parent = self.add(AddressSpace(), Manager())
        child = self.add(AddressSpace(), self.processes[0][1].fork())
        pages = [_arena.piece(offset, 256) for offset in (0, 1024, 2048, PAGE, 2 * PAGE, 3 * PAGE, -256)]
        end = _arena.piece(3 * PAGE + 1024, 254)
        ours, adjoining, read_only, file, top_32, top_47, top_64 = pages
        for addr, piece, mem, writable, mappable in (
            (0x10000, ours, parent, True, None),
            (0x10100, adjoining, parent, True, None),
            (0x10200, read_only, parent, False, None),
            (0x20000, file, parent, True, shared),
            (0x20100, file, parent, True, shared),
            (0x20200, file, parent, False, shared),
            (0x30000, end, parent, True, None),
            (TOP_32 - 256, top_32, parent, True, None),
            (TOP_47 - 128, top_47, parent, True, None),
            (TOP_64 - 256, top_64, parent, True, None),
            (0x10000, file, child, True, shared),
            (0x10100, _arena.piece(4 * PAGE, 256), child, True, None),
        ):
            mem.map(addr, piece, writable=writable, mappable=mappable)
            self.regions.append(Region(addr, len(piece), _arena.offset_of(piece), writable, mem))

    def unmap(self, mem, addr):
        for region in self.regions[:]:
            if region.mem is mem and region.addr <= addr < region.addr + region.size:
                mem.unmap(region.addr, region.size)
                self.regions.remove(region)


class CountedWords(Target):
    """Words of 32 bits that Python code has, and how often it was asked. One page answers with an error of its own."""

    def __init__(self, pages, sour):
        self.pages = pages
        self.sour = sour
        self.words = {}
        self.n_calls = 0

    def at(self, addr):
        self.n_calls += 1
        if self.sour <= addr < self.sour + 64:
            raise OSError(EIO, "sour")
        if addr % 4 or not any(start <= addr < start + size for start, size in self.pages):
            raise OSError(EFAULT, "nothing is mapped")
        return self.words.get(addr, 0)

    def load(self, addr, size=4, /):
        return self.at(addr)

    def swap(self, addr, new, size=4, /):
        old = self.at(addr)
        self.words[addr] = new
        return old

    def compare_and_swap(self, addr, old, new, size=4, /):
        seen = self.at(addr)
        if seen == old:
            self.words[addr] = new
        return seen


class CalledWorld(World):
    """Memory behind a Python target; its places are addresses."""

    def __init__(self, byteorder):
        super().__init__()
        self.wide_words_swapped = byteorder == "big"
        pages = [(0x10000, 512), (TOP_32 - 256, 256), (TOP_47 - 128, 256), (TOP_64 - 256, 256)]
        mem = self.add(CountedWords(pages, 0x10180), Manager())
        self.regions += [Region(addr, size, addr, True, mem) for addr, size in pages]

    def places(self, mem, addr, n, *, writing=True):
        # Words are what is written.
        last = (addr + n + 3) & -4
        return super().places(mem, addr & -4, last - (addr & -4), writing=writing)

    def word(self, mem, addr):
        return mem.words.get(addr, 0) if len(self.places(mem, addr, 4)) == 4 and addr % 4 == 0 else None

    def poke(self, mem, addr, words):
        for i, word in enumerate(words):
            if len(self.places(mem, addr + 4 * i, 4)) == 4:
                mem.words[addr + 4 * i] = word

    def snapshot(self):
        return dict(self.processes[0][0].words)

    def changed(self, before):
        words = self.processes[0][0].words
        return {
            addr + i
            for addr in words.keys() | before.keys()
            if words.get(addr, 0) != before.get(addr, 0)
            for i in range(4)
        }

    @staticmethod
    def word_in(snapshot, place):
        return snapshot.get(place, 0)
