"""Where contenders lie: pages, words and segments, of this process alone or shared with those forked from it."""

from __future__ import annotations

import atexit
import mmap
import os
from itertools import count
from typing import Any

import pyfutex

WORD = 64  # where the word of a contender lies in its page
ROOM = 64  # bytes that it may use there
serials = count()


def page(*, shared: bool = False) -> mmap.mmap:
    """A page of zeros, of this process alone or of all that are forked from it."""
    who = mmap.MAP_SHARED if shared else mmap.MAP_PRIVATE
    return mmap.mmap(-1, mmap.PAGESIZE, flags=who | mmap.MAP_ANONYMOUS)


def room(*, shared: bool = True) -> memoryview:
    """So many bytes as a contender may need."""
    return memoryview(page(shared=shared))[WORD : WORD + ROOM]


def word(*, kernel: bool = False) -> Any:
    """A futex word of a manager, or of the kernel in memory that processes share."""
    engine: Any = pyfutex.Kernel() if kernel else pyfutex.Manager()
    return engine.futex(pyfutex.Memory(page(shared=kernel)), WORD)


def closed_at_exit(it: Any) -> Any:
    """posixipc warns about whatever is not closed."""
    atexit.register(it.close)
    return it


def in_layout(kind: Any, **how: object) -> Any:
    """An object of posixipc in shared memory whose name is gone."""
    import posixipc

    layout = posixipc.Layout()
    it = layout.add(kind, **how)
    closed_at_exit(layout.create(f"/pyfutex-bench-{os.getpid()}-{next(serials)}")).unlink()
    return it


def fastipc_word() -> Any:
    """A futex word of fastipc, in memory that processes share."""
    from fastipc._primitives import FutexWord

    return FutexWord(room())
