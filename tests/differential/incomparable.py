"""What a script must not do, because the kernel's answer is no rule. The one place for it: each case has its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from differential.kernel import TID_MASK, WAITERS
from differential.sides import DISTANCE
from differential.steps import (
    BY_IDLE_THREAD,
    MAX_WORDS,
    CmpRequeue,
    CmpRequeuePI,
    Die,
    LockPI,
    Requeue,
    Restart,
    RobustExit,
    Schedule,
    Signal,
    TrylockPI,
    UnlockPI,
    WakeOp,
)
from differential.worlds import NOBODY_TID

from pyfutex import KeyKind

if TYPE_CHECKING:
    from differential.managerside import PreparedSide
    from differential.steps import Step


def why_not(step: Step, manager: PreparedSide, *, has_sleeping_sides: bool) -> str | None:
    """Say why a step cannot be carried out now, or not be compared; None: it can."""
    reason = why_not_by_any(step, manager)
    if reason is None and has_sleeping_sides:
        reason = why_not_by_sleeping_sides(step, manager)
    return reason


def why_not_by_sleeping_sides(step: Step, manager: PreparedSide) -> str | None:
    """Say the same of the sides whose threads sleep in blocking calls of Python."""
    # Such a call goes on after a signal, with SA_RESTART or without, unless a handler of Python raises.
    if isinstance(step, Signal):
        return "no EINTR in Python"
    # A blocking call of a Manager takes no priority: it does not ask how its thread is scheduled.
    if isinstance(step, Schedule):
        return "no priority in a blocking call"
    # A Kernel takes the id of the thread that calls, and that is another one than the judge's. Ids in words are translated,
    # but not what arithmetic makes of them.
    if isinstance(step, WakeOp) and manager.load(step.word2) & TID_MASK in manager.ever_alive:
        return "arithmetic on a thread's number"
    return None


def why_not_by_any(step: Step, manager: PreparedSide) -> str | None:
    """Say the same of any side but the kernel."""
    # One thread makes one call at a time, and a signal is looked at when its thread sleeps.
    if isinstance(step, BY_IDLE_THREAD) and step.thread in manager.sleepers:
        return "its thread sleeps"
    if isinstance(step, (Signal, Restart)) and step.thread not in manager.sleepers:
        return "its thread does not sleep"
    # What the machine does not permit.
    if isinstance(step, Schedule) and not manager.may_be_real_time:
        return "no real-time priorities permitted here"
    # Of an owner that had a higher priority than those behind it when it got the lock, the kernel does not note what they
    # lend until one of them comes or goes; a change of its own priority meanwhile is taken for all it has.
    if isinstance(step, Schedule) and is_waited_for(manager, step.thread):
        return "a new priority for an owner who is waited for"
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
    if isinstance(step, (Die, RobustExit)) and any(
        is_locked_twice(manager, word) for word in range(MAX_WORDS)
    ):
        return "two heirs of one word"
    # A word with the number of some other thread of the machine: whether that one is alive is no matter of ours.
    if isinstance(step, (LockPI, TrylockPI, UnlockPI)) and is_stray(manager, step.word):
        return "a stranger's number in the word"
    if isinstance(step, CmpRequeuePI) and is_stray(manager, step.word2):
        return "a stranger's number in the word"
    # A lock that is interrupted is locked again.
    if isinstance(step, (Signal, Restart)) and any(
        is_stray(manager, word) for word in locks_awaited(step, manager)
    ):
        return "a stranger's number in the word"
    # Each count below 1 wakes one (a Manager's 0 wakes nobody): judged by the tests of pyfutex.linux.
    if isinstance(step, WakeOp) and min(step.n_wake, step.n_wake2) < 1:
        return "a count below 1"
    # Whether a pending unlock of a word that another owns by now wakes one where WAITERS is not set: a rule that came, went
    # and came back. The tests of pyfutex.linux have it by profile.
    if isinstance(step, RobustExit) and step.pending is not None and is_ceded(step, manager):
        return "a pending word of another's"
    # An exit makes a wake for each word. A thread that waits for two of them may see one or both, as it gets to run.
    if isinstance(step, RobustExit) and is_awaited_twice(step, manager):
        return "a vector of two words of one exit"
    return None


def kinds_at(manager: PreparedSide, word: int, private: bool) -> set[str]:
    """The kinds of the waiters of a word."""
    return {
        info.kind
        for info in manager.engine.waiters(manager.memory, DISTANCE * word)
        if (info.key.kind is KeyKind.PRIVATE) == private
    }


def is_onto_residents(step: Requeue | CmpRequeue, manager: PreparedSide) -> bool:
    """Whether there are waiters to move, and others where they would go."""
    both = (step.word, step.word2)
    return step.word != step.word2 and all(kinds_at(manager, word, step.private) for word in both)


def locks_awaited(step: Signal | Restart, manager: PreparedSide) -> list[int]:
    """The number of the lock for which a thread sleeps, if it does."""
    return [
        (info.key.offset - manager.memory.host_address) // DISTANCE
        for info in manager.engine.waiters()
        if info.waiter is manager.sleepers[step.thread].waiter and info.kind == "PI"
    ]


def is_waited_for(manager: PreparedSide, thread: int) -> bool:
    """Whether a word that names a thread has waiters of PI operations."""
    return any(
        manager.load(word) & TID_MASK == manager.tid(thread) and "PI" in kinds_at(manager, word, private)
        for word in range(MAX_WORDS)
        for private in (True, False)
    )


def is_stray(manager: PreparedSide, word: int) -> bool:
    """Whether a word names a thread that the script has not had."""
    tid = manager.load(word) & TID_MASK
    return tid not in (0, NOBODY_TID) and tid not in manager.ever_alive


def is_locked_twice(manager: PreparedSide, word: int) -> bool:
    """Whether a word has waiters of PI operations both privately and shared."""
    return all("PI" in kinds_at(manager, word, private) for private in (True, False))


def is_ceded(step: RobustExit, manager: PreparedSide) -> bool:
    """Whether the word of a pending operation is another's and says that nobody waits."""
    word, is_pi = step.pending or (0, True)
    value = manager.load(word)
    return not is_pi and value & TID_MASK not in (0, manager.tid(step.thread)) and not value & WAITERS


def is_awaited_twice(step: RobustExit, manager: PreparedSide) -> bool:
    """Whether somebody waits at two of the words of a robust list."""
    words = {word for word, _ in (*step.entries, *filter(None, [step.pending]))}
    everybody: set[int] = set()
    for word in words:
        here = {id(info.waiter) for info in manager.engine.waiters(manager.memory, DISTANCE * word)}
        if here & everybody:
            return True
        everybody |= here
    return False
