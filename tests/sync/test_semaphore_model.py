"""The protocol of a semaphore's word, as semaphore.pxd argues it, in every interleaving of a few threads.

Each step of a thread is one atomic access or one futex call. A state in which nobody can go on, while somebody sleeps and a
permit is free, is a lost wake.
"""

from typing import NamedTuple

import pytest

ACQUIRE = 0  # any other operation is a number of permits to release


class Thread(NamedTuple):
    """What a thread does next, and what it does after this operation."""

    step: str
    n: int = 0  # permits to release, or sleepers to wake
    has_slept: bool = False
    wrote: int = 0  # the permits in the word when it came to owe a wake
    later: tuple[int, ...] = ()

    def then(self):
        """The thread after this operation."""
        if not self.later:
            return Thread("ended")
        n, *later = self.later
        return Thread("take" if n == ACQUIRE else "give", n, later=tuple(later))


class State(NamedTuple):
    """The word, who sleeps on it, in order, and the threads."""

    permits: int
    waiters: bool
    queue: tuple[int, ...]
    threads: tuple[Thread, ...]


def after_one_step(state, who, hands_on):
    """What becomes of a state when one thread makes its next step."""
    permits, waiters, queue, threads = state
    thread, threads = threads[who], list(threads)
    match thread.step:
        case "take" if permits:
            permits -= 1
            owes = permits if hands_on and thread.has_slept and not waiters else 0
            waiters |= thread.has_slept
            after = thread._replace(step="wake", n=owes, wrote=permits) if owes else thread.then()
        case "take":
            waiters = True
            after = thread._replace(step="sleep")
        case "sleep" if permits == 0 and waiters:
            queue += (who,)
            after = thread._replace(step="asleep", has_slept=True)
        case "sleep":
            after = thread._replace(step="take")
        case "give":
            permits += thread.n
            after = thread._replace(step="wake", wrote=permits) if waiters else thread.then()
        case "wake":
            for each in queue[: thread.n]:
                threads[each] = threads[each]._replace(step="take")
            after = thread._replace(step="drop") if len(queue) < thread.n else thread.then()
            queue = queue[thread.n :]
        case "drop":
            waiters &= permits != thread.wrote
            after = thread.then()
    threads[who] = after
    return State(permits, waiters, queue, tuple(threads))


def explore(permits, operations, hands_on=True):
    """All states that threads with these operations reach: how many, and how many of them are lost wakes."""
    start = State(permits, False, (), tuple(Thread("", later=each).then() for each in operations))
    seen, todo, lost = {start}, [start], 0
    while todo:
        state = todo.pop()
        going = [n for n, thread in enumerate(state.threads) if thread.step not in ("asleep", "ended")]
        lost += not going and state.permits > 0 and bool(state.queue)
        for who in going:
            after = after_one_step(state, who, hands_on)
            if after not in seen:
                seen.add(after)
                todo.append(after)
    return len(seen), lost


PAIR = (ACQUIRE, 1)


@pytest.mark.parametrize(
    ("permits", "operations"),
    [
        (1, (PAIR * 2, PAIR, PAIR, PAIR)),
        (0, ((ACQUIRE,), (ACQUIRE,), (ACQUIRE, 1), (1, 1, 1))),
        (0, ((ACQUIRE,), (ACQUIRE,), (2, ACQUIRE), (1, 1))),
        (0, ((ACQUIRE,), (ACQUIRE,), (ACQUIRE,), (3,), (1, ACQUIRE, 1))),
        (2, (PAIR, (ACQUIRE, ACQUIRE, 2), PAIR, PAIR)),
    ],
)
def test_no_wake_is_lost(permits, operations):
    states, lost = explore(permits, operations)
    assert states > 1000
    assert lost == 0


def test_a_wake_is_lost_if_those_who_slept_do_not_hand_on():
    # The model sees what the handing on is for.
    _, lost = explore(0, ((ACQUIRE,), (ACQUIRE,), (ACQUIRE, 1), (1, 1, 1)), hands_on=False)
    assert lost > 0
