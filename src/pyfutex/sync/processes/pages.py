"""Memory for primitives that processes hand to each other while they start.

A place is given out once. Its memory lives as long as any process maps it, so that a child may use a lock which its parent
has dropped; the blocks of `multiprocessing.heap` go to the next one then.
"""

from __future__ import annotations

import mmap
import os
import threading
import weakref
from multiprocessing import reduction
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

PAGES_BYTES = 16384
# A primitive has its cache lines to itself.
ALIGNMENT = 64


class Pages:
    """Shared memory without a name, of zeroes in the beginning.

    Parameters
    ----------
    fd : int
        Its descriptor, which belongs to the object from now on.
    size : int
        Bytes.
    """

    def __init__(self, fd: int, size: int) -> None:
        self.size = size
        self._fd = fd
        weakref.finalize(self, os.close, fd).atexit = False
        self.memory = mmap.mmap(fd, size)

    def __reduce__(self) -> tuple[Callable[..., Pages], tuple[Any, int]]:
        return _inherited, (reduction.DupFd(self._fd), self.size)


def _inherited(fd: Any, size: int) -> Pages:
    return Pages(fd.detach(), size)


def _new_pages(size: int) -> Pages:
    fd = os.memfd_create("pyfutex.sync")
    try:
        # Where there is no memory, an error now and not a SIGBUS later.
        os.posix_fallocate(fd, 0, size)
    except BaseException:
        os.close(fd)
        raise
    return Pages(fd, size)


class Place(NamedTuple):
    """Where in shared pages a primitive lies. It can be pickled only for a process that is being started."""

    pages: Pages
    offset: int

    def view(self, n_bytes: int) -> memoryview:
        """The bytes from there on."""
        return memoryview(self.pages.memory)[self.offset : self.offset + n_bytes]


class _Allocator:
    """Gives out pages, a place after the other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pages: Pages | None = None
        self._used = 0

    def allocate(self, n_bytes: int) -> Place:
        n_bytes = -(-n_bytes // ALIGNMENT) * ALIGNMENT
        if n_bytes > PAGES_BYTES:
            return Place(_new_pages(n_bytes), 0)
        with self._lock:
            if self._pages is None or self._used + n_bytes > PAGES_BYTES:
                self._pages = _new_pages(PAGES_BYTES)
                self._used = 0
            place = Place(self._pages, self._used)
            self._used += n_bytes
        return place


_allocator = _Allocator()


def _start_anew() -> None:
    # The rest of the pages are the parent's to give out.
    global _allocator
    _allocator = _Allocator()


os.register_at_fork(after_in_child=_start_anew)


def allocate(n_bytes: int) -> Place:
    """A place of so many zero bytes that nobody had before; MemoryError or OSError where there is no memory."""
    return _allocator.allocate(n_bytes)
