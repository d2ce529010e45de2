"""Putting a primitive out of use: who uses it is found out as far as that can be known."""

from __future__ import annotations

from errno import EBUSY
from typing import TYPE_CHECKING

from pyfutex.sync._anatomy import NOT_ROBUST, WORD_AT, holder_of, n_asleep
from pyfutex.sync._retire import retire_lock

if TYPE_CHECKING:
    from pyfutex.memory import Memory
    from pyfutex.sync._directory import Entry


def retire(memory: Memory, entry: Entry) -> None:
    """Leave it so that nobody acquires it by an old object. OSError (EBUSY): it is in use."""
    what = entry.primitive
    if what is None:
        return
    tid = holder_of(memory, entry.at, what)
    if tid:
        raise OSError(EBUSY, f"{entry.name!r} is in use by thread {tid}")
    if what.flags & NOT_ROBUST and memory.load(entry.at + WORD_AT):
        raise OSError(EBUSY, f"{entry.name!r} is held")
    for offset in what.slept_on_words():
        n = n_asleep(memory, entry.at + offset)
        if n:
            raise OSError(EBUSY, f"{entry.name!r} is slept on, threads: {n}")
    if what.has_owner and not retire_lock(memory, entry.at):
        raise OSError(EBUSY, f"{entry.name!r} was taken meanwhile")
