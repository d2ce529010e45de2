"""What the words of a primitive in shared memory say: its state, and which threads have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pyfutex.sync._anatomy import (
    BARRIER_TURN_AT,
    DEPTH_AT,
    INCONSISTENT,
    INHERITS,
    NOT_RECOVERABLE,
    OWNER_DIED,
    SEMAPHORES,
    STATE_AT,
    TID_MASK,
    UNDO,
    WORD_AT,
    WORDS_AT,
    Kind,
    n_asleep,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyfutex.memory import Memory
    from pyfutex.sync._anatomy import Primitive

MODULUS = 1 << 32
EVENT_SET = 2
CONDITION_WAITING_AT = WORDS_AT + 4
RWLOCK_WRITTEN_AT = WORDS_AT + 4
BARRIER_STATES = ("filling", "draining", "resetting", "broken")
COUNTED = 1


class Holder(NamedTuple):
    """A thread id that stands in a word of a primitive."""

    tid: int  # 0: of whoever had it and died
    how: str
    word: int  # bytes from the beginning of the primitive


def holders(memory: Memory, at: int, what: Primitive) -> Iterator[Holder]:
    """Who has a primitive, and whose death nobody has noticed yet."""
    for word in what.owned_words():
        value = memory.load(at + word)
        tid = value & TID_MASK
        if tid or value & OWNER_DIED:
            yield Holder(tid, _how(memory, at, what, word), word)


def _how(memory: Memory, at: int, what: Primitive, word: int) -> str:
    if word != WORD_AT:
        if what.kind is Kind.RWLOCK:
            return "read by"
        if what.kind in SEMAPHORES:
            return "permit held by"
        return "waited for by" if memory.load(at + word - WORD_AT + DEPTH_AT) & COUNTED else "registered by"
    if what.kind is Kind.RWLOCK:
        return "written by" if memory.load(at + RWLOCK_WRITTEN_AT) else "gate held by"
    if what.kind is Kind.BARRIER:
        return "changed by"
    if what.kind in SEMAPHORES:
        return "next in line"
    return "run by" if what.kind is Kind.ONCE else "held by"


def state(memory: Memory, at: int, what: Primitive) -> str:
    """Its state, in words."""
    word = memory.load(at + WORD_AT)
    number = what.number
    if what.flags & UNDO:
        left = sum(memory.load(at + slot + WORD_AT) & TID_MASK == 0 for slot in what.slots())
        return f"{left} permits of {number}, with undo"
    if what.kind in SEMAPHORES:
        left = (word + 2 * number) % MODULUS // 2
        return f"{left} permits, began with {number}"
    if what.kind is Kind.EVENT:
        return "set" if word & EVENT_SET else "not set"
    if what.kind is Kind.LATCH:
        return f"{number - word // 2} to go of {number}"
    if what.kind is Kind.BARRIER:
        return _barrier(memory, at, number)
    if what.kind is Kind.ONCE and memory.load(at + WORDS_AT):
        return "done"
    return _lock(memory, at, what, word)


def _barrier(memory: Memory, at: int, parties: int) -> str:
    at += BARRIER_TURN_AT - 8
    code, count = memory.load(at), memory.load(at + 4)
    title = BARRIER_STATES[code] if code < len(BARRIER_STATES) else f"in state {code}"
    return f"{title}, {count} of {parties} parties inside"


def _lock(memory: Memory, at: int, what: Primitive, word: int) -> str:
    if not what.has_owner:
        return "held by nobody in particular" if word else "free"
    parts = ["held" if word & TID_MASK else "free"]
    if what.kind is Kind.ONCE:
        parts = ["being done" if word & TID_MASK else "not done"]
    if word & OWNER_DIED:
        parts = ["its owner died, the next one finds out"]
    if what.flags & INHERITS:
        parts.append("with priority inheritance")
    code = memory.load(at + STATE_AT)
    if code == INCONSISTENT:
        parts.append("not made good yet")
    elif code == NOT_RECOVERABLE:
        parts.append("not recoverable")
    depth = memory.load(at + DEPTH_AT)
    if what.kind is Kind.RLOCK and word & TID_MASK and depth:
        parts.append(f"{depth + 1} times")
    if what.kind is Kind.CONDITION:
        parts.append(f"at most {memory.load(at + CONDITION_WAITING_AT)} wait for a notice")
    return ", ".join(parts)


def n_sleepers(memory: Memory, at: int, what: Primitive) -> int:
    """How many sleep on it, as the kernel counts them; who sleeps on several of its words counts several times."""
    return sum(n_asleep(memory, at + word) for word in what.slept_on_words())
