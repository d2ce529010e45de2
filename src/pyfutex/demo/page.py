"""One page of memory that futex words live in, and the manager that serves them."""

import mmap

from pyfutex import Futex, Manager, Mappable, Memory

_CACHE_LINE = 64


class FutexPage:
    """An anonymous `mmap`, handed out one cache line at a time.

    Parameters
    ----------
    mappable : Mappable, optional
        Given, the words have shared keys: they are known by this object and their offset in it. Left out,
        they have private keys: they are known by their address.
    """

    manager: Manager
    memory: Memory

    # Offset of the first line not handed out yet. Only the thread that builds the queue moves it, before
    # any other thread sees the page.
    _next_line: int

    def __init__(self, mappable: Mappable | None = None) -> None:
        self.manager = Manager()
        self.memory = Memory(mmap.mmap(-1, mmap.PAGESIZE), mappable=mappable)
        self._next_line = 0

    def futex(self) -> Futex:
        """Hand out a futex word that holds 0 and shares its cache line with nothing else."""
        return self.manager.futex(self.memory, self._take_line())

    def counter(self) -> "Counter":
        """Hand out a counter that stands at 0."""
        return Counter(self.memory, self._take_line())

    def _take_line(self) -> int:
        line = self._next_line
        if line + _CACHE_LINE > self.memory.nbytes:
            raise MemoryError("the futex page has no line left")
        self._next_line = line + _CACHE_LINE
        return line


class Counter:
    """A 64-bit cell of a `Memory` that any number of threads add to."""

    def __init__(self, memory: Memory, addr: int) -> None:
        self._memory = memory
        self._addr = addr

    def add(self, amount: int) -> None:
        """Add `amount`, atomically: no increment is lost, with a GIL or without."""
        self._memory.fetch_add64(self._addr, amount)

    @property
    def value(self) -> int:
        """What has been added so far."""
        return self._memory.load64(self._addr)
