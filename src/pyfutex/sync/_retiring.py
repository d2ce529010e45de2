"""Putting a primitive out of use: who uses it is found out as far as that can be known."""

from __future__ import annotations

import threading
from errno import EBUSY
from typing import TYPE_CHECKING

from pyfutex.sync._anatomy import (
    NOT_RECOVERABLE,
    NOT_ROBUST,
    STATE_AT,
    TID_MASK,
    WAITERS,
    WORD_AT,
    n_asleep,
    wake_all,
)

if TYPE_CHECKING:
    from pyfutex.memory import Memory
    from pyfutex.sync._anatomy import Primitive
    from pyfutex.sync._directory import Entry


def retire(memory: Memory, entry: Entry, what: Primitive) -> None:
    """Leave it so that nobody acquires it by an old object. OSError (EBUSY): it is in use."""
    word = entry.at + WORD_AT
    for offset in what.owned_words():
        tid = memory.load(entry.at + offset) & TID_MASK
        if tid:
            raise OSError(EBUSY, f"{entry.name!r} is in use by thread {tid}")
    if what.flags & NOT_ROBUST and memory.load(word):
        raise OSError(EBUSY, f"{entry.name!r} is held")
    for offset in what.slept_on_words():
        n = n_asleep(memory, entry.at + offset)
        if n:
            raise OSError(EBUSY, f"{n} threads sleep on {entry.name!r}")
    if not what.has_owner:
        return
    # Ours for a moment, so that the state does not change under somebody who has just taken it. If we die meanwhile,
    # whoever comes next finds out that its owner is gone, as for any other lock.
    seen = memory.load(word)
    if seen & TID_MASK or not memory.compare_exchange(word, seen, threading.get_native_id()):
        raise OSError(EBUSY, f"{entry.name!r} was taken meanwhile")
    memory.store(entry.at + STATE_AT, NOT_RECOVERABLE)
    if memory.exchange(word, 0) & WAITERS:
        wake_all(memory, word)
