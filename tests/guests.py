"""Guests: memory at high addresses, and what a program does with it before a system call."""

import mmap
import struct
from errno import EFAULT

import pyfutex
from pyfutex.linux import Task

BASE = 0x7F12_3456_7000
PAGE = 4096
WORD = BASE + 64
WORD2 = BASE + 128
TIME = BASE + 256


class Words(pyfutex.Target):
    """Memory that only Python code can read: words of 32 bits, EFAULT elsewhere."""

    def __init__(self, *pages):
        self.pages = pages
        self.words = {}

    def at(self, addr):
        if addr % 4 or not any(page <= addr < page + PAGE for page in self.pages):
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


def pages(n=1):
    """Zeroed host memory."""
    return mmap.mmap(-1, n * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def flat(base=BASE):
    """One page at `base`."""
    return pyfutex.Memory(pages(), base)


def mapped(base=BASE):
    """One page at `base` in an address space."""
    space = pyfutex.AddressSpace()
    space.map(base, pages())
    return space


def called(base=BASE):
    """One page at `base` that Python code answers for."""
    return Words(base)


KINDS = {"Memory": flat, "AddressSpace": mapped, "Target": called}


def poke(mem, addr, data):
    """Store bytes, a multiple of 4 at a multiple of 4."""
    store = mem.store if isinstance(mem, pyfutex.Memory) else mem.swap
    for offset, (word,) in enumerate(struct.iter_unpack("<I", data)):
        store(addr + 4 * offset, word)


class Guest:
    """A process of tasks over one memory."""

    def __init__(self, mem, manager=None, **options):
        self.mem = mem
        self.manager = pyfutex.Manager() if manager is None else manager
        self.options = options
        self.narrow = options.get("abi") == "ilp32"

    def task(self, tid=1, **options):
        return Task(tid, self.mem, self.manager, **(self.options | options))

    def store(self, addr, *words):
        poke(self.mem, addr, struct.pack(f"<{len(words)}I", *words))

    def load(self, addr):
        return self.mem.load(addr)

    def timespec(self, seconds, ns, addr=TIME, layout=None):
        """Put a timespec at `addr`, in the layout of the legacy call or the one given, and return `addr`."""
        poke(self.mem, addr, struct.pack(layout or ("<ii" if self.narrow else "<qq"), seconds, ns))
        return addr
