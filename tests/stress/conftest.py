"""A crew of threads, and the targets on which the same stress runs."""

import mmap
import threading

import pytest
from stress.crew import Crew

from pyfutex import AddressSpace, Mappable, Memory, Target

N_WORDS = 1024


class ListTarget(Target):
    """A target in pure Python: words in a list, under a lock of its own."""

    def __init__(self):
        self.words = [0] * N_WORDS
        self.lock = threading.Lock()

    def load(self, addr, size=4, /):
        """Read a word."""
        with self.lock:
            return self.words[addr // 4]

    def swap(self, addr, new, size=4, /):
        """Write a word and return what it was."""
        with self.lock:
            old, self.words[addr // 4] = self.words[addr // 4], new
            return old

    def compare_and_swap(self, addr, old, new, size=4, /):
        """Write a word if it holds `old`, and return what it was."""
        with self.lock:
            seen = self.words[addr // 4]
            if seen == old:
                self.words[addr // 4] = new
            return seen


def guest_space():
    """An address space with two pages at address 0, of which the second is shared."""
    space = AddressSpace()
    space.map(0, mmap.mmap(-1, mmap.PAGESIZE))
    space.map(mmap.PAGESIZE, mmap.mmap(-1, mmap.PAGESIZE), mappable=Mappable("second page"))
    return space


TARGETS = {
    "private": lambda: Memory(mmap.mmap(-1, mmap.PAGESIZE)),
    "shared": lambda: Memory(mmap.mmap(-1, mmap.PAGESIZE), mappable=Mappable("page")),
    "space": guest_space,
    "python": ListTarget,
}


@pytest.fixture(params=TARGETS)
def target(request):
    """Memory of at least a page of zeroes from address 0: private, shared, of an address space, and in Python."""
    return TARGETS[request.param]()


@pytest.fixture
def crew(rng):
    """A crew whose threads have seeded generators."""
    return Crew(rng)
