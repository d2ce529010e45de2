"""The steps that end a script: they let all who sleep go, one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from differential.kernel import WAITERS
from differential.steps import (
    MAX_THREADS,
    MAX_WORDS,
    CmpRequeuePI,
    LockPI,
    Restart,
    Signal,
    Store,
    UnlockPI,
    WaitRequeuePI,
    Waitv,
    Wake,
)
from differential.worlds import ANY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from differential.duel import Bout
    from differential.steps import Step

OTHER: Final = 1 << 20  # what no step compares with


def draining(bout: Bout, attempt: int) -> Iterator[Step]:
    """Yield steps that let threads go; each is carried out before the next is asked for."""
    for word in range(MAX_WORDS):
        for private in (True, False):
            while bout.calls and wakes_one(bout, word, private):
                pass
    for thread, call in list(bout.calls.items()):
        if thread in bout.calls and isinstance(call, WaitRequeuePI):
            yield CmpRequeuePI(call.word, call.word2, 0, 0, call.private)
    for thread, call in list(bout.calls.items()):
        if thread not in bout.calls:
            continue
        if isinstance(call, (LockPI, WaitRequeuePI)):
            yield from unlocking(bout, call)
    if attempt < 2:
        return
    # Whoever is left sleeps on a word that was scribbled on, or behind somebody who does: a signal lets him go, or has him
    # look at a word that holds something else.
    for thread, call in list(bout.calls.items()):
        if thread in bout.calls:
            word = call.items[0][0] if isinstance(call, Waitv) else call.word
            yield Store(word, 0 if isinstance(call, LockPI) else OTHER | attempt)
            yield Restart(thread) if bout.has_sleeping_sides else Signal(thread)


def wakes_one(bout: Bout, word: int, private: bool) -> bool:
    outcome = bout.take(Wake(word, 1, ANY, private))
    return outcome is not None and outcome.answer == 1


def unlocking(bout: Bout, call: LockPI | WaitRequeuePI) -> Iterator[Step]:
    """Steps by the owner whom the word names, or else by all who may be the one whom the waiters know."""
    word = call.word if isinstance(call, LockPI) else call.word2
    owner = bout.prepared.owner(word)
    candidates = [i for i in range(MAX_THREADS) if i not in bout.calls]
    if owner in candidates:
        yield UnlockPI(owner, word, call.private)
        if call not in bout.calls.values():
            return
    for candidate in candidates:
        if call in bout.calls.values() and candidate not in bout.calls:
            yield Store(word, WAITERS, candidate)
            yield UnlockPI(candidate, word, call.private)
