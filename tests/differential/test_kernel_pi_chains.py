"""Chains of PI owners, owners that die, and requeues to a PI word, as the kernel has them for threads of one priority."""

from errno import EAGAIN, EDEADLK, EINVAL, ESRCH, ETIMEDOUT

import pytest
from differential.kernel import OWNER_DIED, WAITERS
from differential.worlds import ALL, BLOCKED, NOBODY_TID

A, B, C = 64, 128, 192
CONDITION = 256


def unlock(w, *steps):
    """Unlock in this order: what each answered, who ended, and what is left in the word."""
    return [(w.unlock_pi(name, addr), w.ended(), w.owner(addr)) for name, addr in steps]


def test_two_who_would_wait_for_each_other(agree):
    def script(w):
        answers = w.lock_pi("a", A), w.lock_pi("b", B), w.lock_pi("a", B), w.lock_pi("b", A), w.owner(A)
        return answers, unlock(w, ("b", B), ("a", B), ("a", A))

    assert agree(script) == (
        (0, 0, BLOCKED, -EDEADLK, (WAITERS, "a")),
        [(0, {"a": 0}, (WAITERS, "a")), (0, {}, (0, 0)), (0, {}, (0, 0))],
    )


def test_three_in_a_circle(agree):
    def script(w):
        taken = w.lock_pi("a", A), w.lock_pi("b", B), w.lock_pi("c", C)
        circle = w.lock_pi("a", B), w.lock_pi("b", C), w.lock_pi("c", A), w.trylock_pi("c", A)
        return taken, circle, unlock(w, ("c", C), ("b", C), ("b", B), ("a", B), ("a", A))

    assert agree(script)[:2] == ((0, 0, 0), (BLOCKED, BLOCKED, -EDEADLK, -EAGAIN))


@pytest.mark.parametrize("flags", [0, WAITERS, OWNER_DIED, OWNER_DIED | WAITERS])
@pytest.mark.parametrize("owner", [None, "a", "c"])
def test_a_scribble_over_a_word_with_waiters(agree, flags, owner):
    """What a third thread is told when the word does not name its waiters' owner; and that nothing is lost by it."""

    def script(w):
        w.lock_pi("a", A)
        w.lock_pi("b", A)
        w.store_owner(A, owner, flags)
        tried = w.trylock_pi("d", A)
        locked = w.lock_pi_for("d", A, 0.003)
        word = w.owner(A)
        w.store_owner(A, "a", WAITERS)
        return tried, locked, word, unlock(w, ("a", A), ("b", A))

    answers = agree(script)
    expected = (
        (-EAGAIN, -ETIMEDOUT)
        if owner == "a" or (owner is None and flags & OWNER_DIED)
        else (-EINVAL, -EINVAL)
    )
    assert answers[:2] == expected


def test_unlock_of_a_word_that_its_waiters_know_as_anothers(agree):
    def script(w):
        w.lock_pi("a", A)
        w.lock_pi("b", A)
        w.store_owner(A, "c", WAITERS)
        answer = w.unlock_pi("c", A)
        w.store_owner(A, "a", WAITERS)
        return answer, unlock(w, ("a", A), ("b", A))

    assert agree(script) == (-EINVAL, [(0, {"b": 0}, (WAITERS, "b")), (0, {}, (0, 0))])


def test_owner_that_dies_leaves_the_word_to_the_next(agree):
    def script(w):
        w.lock_pi("a", A)
        blocked = w.lock_pi("b", A), w.lock_pi("c", A)
        w.die("a")
        return blocked, w.ended(), w.owner(A), unlock(w, ("b", A), ("c", A))

    assert agree(script) == (
        (BLOCKED, BLOCKED),
        {"b": 0},
        (WAITERS | OWNER_DIED, "b"),
        [(0, {"c": 0}, (WAITERS, "c")), (0, {}, (0, 0))],
    )


def test_owner_that_dies_with_several_words(agree):
    def script(w):
        w.lock_pi("a", A)
        w.lock_pi("a", B)
        w.lock_pi("a", C)
        blocked = w.lock_pi("b", A), w.lock_pi("c", B)
        w.die("a")
        return blocked, w.ended(), w.owner(A), w.owner(B), w.owner(C), unlock(w, ("b", A), ("c", B))

    answers = agree(script)
    assert answers[:5] == (
        (BLOCKED, BLOCKED),
        {"b": 0, "c": 0},
        (WAITERS | OWNER_DIED, "b"),
        (WAITERS | OWNER_DIED, "c"),
        (0, "a"),
    )


# --- requeue to a PI word -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 2, ALL])
@pytest.mark.parametrize("held", [False, True])
def test_requeue_to_a_free_and_to_a_held_lock(agree, n, held):
    def script(w):
        if held:
            w.lock_pi("z", A)
        blocked = [w.wait_requeue_pi(name, CONDITION, A, 0) for name in "abc"]
        moved = w.cmp_requeue_pi(CONDITION, A, 0, n)
        steps = [(blocked, moved, w.ended(), w.owner(A))]
        for name in "zabc" if held else "abc":
            if w.owner(A)[1] == name:
                steps += unlock(w, (name, A))
        rest = w.cmp_requeue_pi(CONDITION, A, 0, ALL)
        steps += [(rest, w.ended())]
        for name in "abc":
            if w.owner(A)[1] == name:
                steps += unlock(w, (name, A))
        return steps

    assert agree(script)[0][:2] == ([BLOCKED] * 3, min(3, n + 1))


def test_requeue_with_another_value(agree):
    def script(w):
        w.wait_requeue_pi("a", CONDITION, A, 0)
        mismatch = w.cmp_requeue_pi(CONDITION, A, 1, ALL), w.wait_requeue_pi("b", CONDITION, A, 1)
        return mismatch, w.cmp_requeue_pi(CONDITION, A, 0, 0), w.ended(), w.owner(A), w.unlock_pi("a", A)

    assert agree(script) == ((-EAGAIN, -EAGAIN), 1, {"a": 0}, (0, "a"), 0)


def test_requeue_to_another_lock_than_the_waiters(agree):
    def script(w):
        w.wait_requeue_pi("a", CONDITION, A, 0)
        wrong = w.cmp_requeue_pi(CONDITION, B, 0, ALL)
        return wrong, w.cmp_requeue_pi(CONDITION, A, 0, 0), w.ended(), w.unlock_pi("a", A)

    assert agree(script) == (-EINVAL, 1, {"a": 0}, 0)


def test_requeue_of_a_plain_waiter(agree):
    def script(w):
        w.wait("a", CONDITION, 0)
        return w.cmp_requeue_pi(CONDITION, A, 0, ALL), w.load(A), w.wake(CONDITION), w.ended()

    assert agree(script) == (-EINVAL, 0, 1, {"a": 0})


def test_other_operations_on_one_who_waits_to_be_requeued(agree):
    def script(w):
        w.wait_requeue_pi("a", CONDITION, A, 0)
        answers = (
            w.wake(CONDITION),
            w.requeue(CONDITION, B, 0, 1),
            w.requeue(CONDITION, B, 0, 0),
            w.cmp_requeue(CONDITION, B, 0, 1, 1),
            w.wake_op(CONDITION, B, 0, 1, 1),
            w.trylock_pi("b", CONDITION),
        )
        return answers, w.cmp_requeue_pi(CONDITION, A, 0, 0), w.ended(), w.unlock_pi("a", A)

    assert agree(script) == ((-EINVAL, -EINVAL, 0, -EINVAL, -EINVAL, -EINVAL), 1, {"a": 0}, 0)


def test_requeue_of_the_locks_own_owner(agree):
    def script(w):
        w.wait_requeue_pi("a", CONDITION, A, 0)
        w.store_owner(A, "a")
        circle = w.cmp_requeue_pi(CONDITION, A, 0, ALL)
        word = w.owner(A)
        w.store(A, 0)
        return circle, word, w.cmp_requeue_pi(CONDITION, A, 0, 0), w.ended(), w.unlock_pi("a", A)

    assert agree(script) == (-EDEADLK, (0, "a"), 1, {"a": 0}, 0)


def test_requeue_to_the_lock_of_a_dead_owner(agree):
    def script(w):
        w.wait_requeue_pi("a", CONDITION, A, 0)
        w.store(A, NOBODY_TID)
        dead = w.cmp_requeue_pi(CONDITION, A, 0, ALL)
        word = w.load(A)
        w.store(A, 0)
        return dead, word, w.cmp_requeue_pi(CONDITION, A, 0, 0), w.ended(), w.unlock_pi("a", A)

    assert agree(script) == (-ESRCH, WAITERS | NOBODY_TID, 1, {"a": 0}, 0)


def test_one_word_for_both(agree):
    def script(w):
        return w.wait_requeue_pi("a", A, A, 0), w.wait_requeue_pi("a", A, A, 1), w.cmp_requeue_pi(A, A, 0, 1)

    assert agree(script) == (-EINVAL, -EINVAL, -EINVAL)


def test_time_runs_out_before_the_requeue(agree):
    def script(w):
        return w.wait_requeue_pi("a", CONDITION, A, 0, 0.003), w.cmp_requeue_pi(CONDITION, A, 0, 1), w.load(A)

    assert agree(script) == (-ETIMEDOUT, 0, 0)


def test_owner_dies_with_requeued_waiters(agree):
    def script(w):
        w.lock_pi("z", A)
        blocked = w.wait_requeue_pi("a", CONDITION, A, 0), w.wait_requeue_pi("b", CONDITION, A, 0)
        moved = w.cmp_requeue_pi(CONDITION, A, 0, ALL)
        w.die("z")
        return blocked, moved, w.ended(), w.owner(A), unlock(w, ("a", A), ("b", A))

    assert agree(script) == (
        (BLOCKED, BLOCKED),
        2,
        {"a": 0},
        (WAITERS | OWNER_DIED, "a"),
        [(0, {"b": 0}, (WAITERS, "b")), (0, {}, (0, 0))],
    )
