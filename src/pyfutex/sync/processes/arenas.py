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

ARENA_BYTES = 16384
# A primitive has its cache lines to itself.
ALIGNMENT = 64


class Arena:
    """Shared memory without a name, of zeroes in the beginning.

    Parameters
    ----------
    fd : int
        Its descriptor, which belongs to the arena from now on.
    size : int
        Bytes.
    """

    def __init__(self, fd: int, size: int) -> None:
        self.size = size
        self._fd = fd
        weakref.finalize(self, os.close, fd).atexit = False
        self.memory = mmap.mmap(fd, size)

    def __reduce__(self) -> tuple[Callable[..., Arena], tuple[Any, int]]:
        return _inherited, (reduction.DupFd(self._fd), self.size)


def _inherited(fd: Any, size: int) -> Arena:
    return Arena(fd.detach(), size)


def _new_arena(size: int) -> Arena:
    fd = os.memfd_create("pyfutex.sync")
    try:
        # Where there is no memory, an error now and not a SIGBUS later.
        os.posix_fallocate(fd, 0, size)
    except BaseException:
        os.close(fd)
        raise
    return Arena(fd, size)


class Place(NamedTuple):
    """Where in an arena a primitive lies. It can be pickled only for a process that is being started."""

    arena: Arena
    offset: int

    def view(self, n_bytes: int) -> memoryview:
        """The bytes from there on."""
        return memoryview(self.arena.memory)[self.offset : self.offset + n_bytes]


class _Allocator:
    """Gives out one arena after the other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._arena: Arena | None = None
        self._used = 0

    def allocate(self, n_bytes: int) -> Place:
        n_bytes = -(-n_bytes // ALIGNMENT) * ALIGNMENT
        if n_bytes > ARENA_BYTES:
            return Place(_new_arena(n_bytes), 0)
        with self._lock:
            if self._arena is None or self._used + n_bytes > ARENA_BYTES:
                self._arena = _new_arena(ARENA_BYTES)
                self._used = 0
            place = Place(self._arena, self._used)
            self._used += n_bytes
        return place


_allocator = _Allocator()


def _start_anew() -> None:
    # The rest of the arena is the parent's to give out.
    global _allocator
    _allocator = _Allocator()


os.register_at_fork(after_in_child=_start_anew)


def allocate(n_bytes: int) -> Place:
    """A place of so many zero bytes that nobody had before; MemoryError or OSError where there is no memory."""
    return _allocator.allocate(n_bytes)
