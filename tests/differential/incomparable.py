"""What a script must not do, because the kernel's answer is no rule. The one place for it: each case has its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from differential.kernel import TID_MASK
from differential.scripts import (
    BY_IDLE_THREAD,
    MAX_WORDS,
    CmpRequeue,
    CmpRequeuePI,
    Die,
    LockPI,
    Requeue,
    Signal,
    TrylockPI,
    UnlockPI,
    WakeOp,
)
from differential.worlds import NOBODY_TID

from pyfutex import KeyKind

if TYPE_CHECKING:
    from differential.scripts import Step
    from differential.sides import ManagerSide


def why_not(step: Step, manager: ManagerSide) -> str | None:
    """Say why a step cannot be carried out now, or not be compared; None: it can."""
    # One thread makes one call at a time, and a signal is looked at when its thread sleeps.
    if isinstance(step, BY_IDLE_THREAD) and step.thread in manager.sleepers:
        return "its thread sleeps"
    if isinstance(step, Signal) and step.thread not in manager.sleepers:
        return "its thread does not sleep"
    # The kernel queues all words that hash to one bucket in one list, and requeueing within a bucket leaves the waiter
    # where it is. So whether it stands before or behind those who wait at its new word already is a matter of the
    # addresses. pyfutex always queues it behind them.
    if isinstance(step, (Requeue, CmpRequeue)) and is_onto_residents(step, manager):
        return "requeued among residents"
    # The same for a word that should be a lock but has waiters of other kinds: which kind is first there decides what
    # later operations answer. A lock itself orders those who wait for it.
    if isinstance(step, CmpRequeuePI) and kinds_at(manager, step.word2, step.private) - {"PI"}:
        return "requeued to a lock with waiters of other kinds"
    # Heirs of a dead owner write the word themselves, as they get to run. A word that is locked privately and shared has
    # two of them.
    if isinstance(step, Die) and any(is_locked_twice(manager, word) for word in range(MAX_WORDS)):
        return "two heirs of one word"
    # A word with the number of some other thread of the machine: whether that one is alive is no matter of ours.
    if isinstance(step, (LockPI, TrylockPI, UnlockPI)) and is_stray(manager, step.word):
        return "a stranger's number in the word"
    if isinstance(step, CmpRequeuePI) and is_stray(manager, step.word2):
        return "a stranger's number in the word"
    # A lock that is interrupted is locked again.
    if isinstance(step, Signal) and any(is_stray(manager, word) for word in locks_awaited(step, manager)):
        return "a stranger's number in the word"
    # Each count below 1 wakes one (a Manager's 0 wakes nobody): judged by the tests of pyfutex.linux.
    if isinstance(step, WakeOp) and min(step.n_wake, step.n_wake2) < 1:
        return "a count below 1"
    return None


def kinds_at(manager: ManagerSide, word: int, private: bool) -> set[str]:
    """The kinds of the waiters of a word."""
    return {
        info.kind
        for info in manager.manager.waiters(manager.memory, 4 * word)
        if (info.key.kind is KeyKind.PRIVATE) == private
    }


def is_onto_residents(step: Requeue | CmpRequeue, manager: ManagerSide) -> bool:
    """Whether there are waiters to move, and others where they would go."""
    both = (step.word, step.word2)
    return step.word != step.word2 and all(kinds_at(manager, word, step.private) for word in both)


def locks_awaited(step: Signal, manager: ManagerSide) -> list[int]:
    """The number of the lock for which a thread sleeps, if it does."""
    return [
        (info.key.offset - manager.memory.host_address) // 4
        for info in manager.manager.waiters()
        if info.waiter is manager.sleepers[step.thread].waiter and info.kind == "PI"
    ]


def is_stray(manager: ManagerSide, word: int) -> bool:
    """Whether a word names a thread that the script has not had."""
    tid = manager.words[word] & TID_MASK
    return tid not in (0, NOBODY_TID) and tid not in manager.ever_alive


def is_locked_twice(manager: ManagerSide, word: int) -> bool:
    """Whether a word has waiters of PI operations both privately and shared."""
    return all("PI" in kinds_at(manager, word, private) for private in (True, False))
