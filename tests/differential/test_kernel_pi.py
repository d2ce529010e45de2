"""LOCK_PI, TRYLOCK_PI and UNLOCK_PI: words, errnos and hand-over, as the kernel has them for threads of one priority.

A sleeping Manager uses the threads' real ids, prepared Waiters made-up ones; `World.owner` gives names to both.

Threads of different priority are left out: generated scripts have them.
"""

from errno import EAGAIN, EDEADLK, EINVAL, EPERM, ESRCH, ETIMEDOUT

import pytest
from differential.kernel import OWNER_DIED, WAITERS
from differential.worlds import ALL, BLOCKED, NOBODY_TID

LOCK = 64
PLAIN = 128


def test_free_lock_is_taken_without_waiters_bit(agree):
    def script(w):
        return w.lock_pi("a", LOCK), w.owner(LOCK), w.unlock_pi("a", LOCK), w.load(LOCK)

    assert agree(script) == (0, (0, "a"), 0, 0)


def test_trylock_of_a_free_lock(agree):
    def script(w):
        return w.trylock_pi("a", LOCK), w.owner(LOCK), w.unlock_pi("a", LOCK), w.load(LOCK)

    assert agree(script) == (0, (0, "a"), 0, 0)


def test_trylock_of_a_held_lock_sets_the_waiters_bit(agree):
    def script(w):
        w.lock_pi("a", LOCK)
        return w.trylock_pi("b", LOCK), w.owner(LOCK), w.unlock_pi("a", LOCK), w.load(LOCK)

    assert agree(script) == (-EAGAIN, (WAITERS, "a"), 0, 0)


def test_locking_twice_is_a_deadlock(agree):
    def script(w):
        w.lock_pi("a", LOCK)
        answers = w.lock_pi("a", LOCK), w.trylock_pi("a", LOCK), w.owner(LOCK)
        return answers, w.unlock_pi("a", LOCK), w.load(LOCK)

    assert agree(script) == ((-EDEADLK, -EDEADLK, (0, "a")), 0, 0)


def test_unlock_by_another_thread(agree):
    def script(w):
        answers = [w.unlock_pi("b", LOCK)]
        w.lock_pi("a", LOCK)
        answers += [w.unlock_pi("b", LOCK), w.owner(LOCK), w.unlock_pi("a", LOCK), w.unlock_pi("a", LOCK)]
        return answers

    assert agree(script) == [-EPERM, -EPERM, (0, "a"), 0, -EPERM]


def test_hand_over_is_first_come_first_served(agree):
    def script(w):
        steps = [w.lock_pi(name, LOCK) for name in "abcd"]
        for name in "abcd":
            steps += [w.owner(LOCK), w.unlock_pi(name, LOCK), w.ended()]
        return [*steps, w.load(LOCK)]

    assert agree(script) == [
        *(0, BLOCKED, BLOCKED, BLOCKED),
        *((WAITERS, "a"), 0, {"b": 0}),
        *((WAITERS, "b"), 0, {"c": 0}),
        *((WAITERS, "c"), 0, {"d": 0}),
        *((WAITERS, "d"), 0, {}),
        0,
    ]


def test_owner_that_has_handed_over_is_not_owner(agree):
    def script(w):
        w.lock_pi("a", LOCK)
        w.lock_pi("b", LOCK)
        answers = [
            w.unlock_pi("a", LOCK),
            w.ended(),
            w.unlock_pi("a", LOCK),
            w.trylock_pi("a", LOCK),
            w.owner(LOCK),
        ]
        return [*answers, w.unlock_pi("b", LOCK), w.load(LOCK)]

    assert agree(script) == [0, {"b": 0}, -EPERM, -EAGAIN, (WAITERS, "b"), 0, 0]


def test_lock_that_times_out_leaves_the_waiters_bit_to_unlock(agree):
    def script(w):
        w.lock_pi("a", LOCK)
        return w.lock_pi_for("b", LOCK, 0.003), w.owner(LOCK), w.unlock_pi("a", LOCK), w.load(LOCK)

    assert agree(script) == (-ETIMEDOUT, (WAITERS, "a"), 0, 0)


def test_one_who_timed_out_is_passed_over(agree):
    def script(w):
        w.lock_pi("a", LOCK)
        timed_out = w.lock_pi_for("b", LOCK, 0.003)
        blocked = w.lock_pi("c", LOCK)
        handed = w.unlock_pi("a", LOCK), w.ended(), w.owner(LOCK)
        return timed_out, blocked, handed, w.unlock_pi("c", LOCK), w.load(LOCK)

    assert agree(script) == (-ETIMEDOUT, BLOCKED, (0, {"c": 0}, (WAITERS, "c")), 0, 0)


@pytest.mark.parametrize("call", ["lock_pi", "trylock_pi"])
@pytest.mark.parametrize("flags", [0, WAITERS, OWNER_DIED, OWNER_DIED | WAITERS])
def test_word_without_an_owner_is_taken_over(agree, call, flags):
    def script(w):
        w.store_owner(LOCK, None, flags)
        return getattr(w, call)("a", LOCK), w.owner(LOCK), w.unlock_pi("a", LOCK), w.load(LOCK)

    assert agree(script) == (0, (flags & OWNER_DIED, "a"), 0, 0)


@pytest.mark.parametrize("call", ["lock_pi", "trylock_pi"])
@pytest.mark.parametrize("flags", [0, OWNER_DIED])
def test_owner_that_does_not_exist(agree, call, flags):
    def script(w):
        w.store(LOCK, flags | NOBODY_TID)
        return getattr(w, call)("a", LOCK), w.load(LOCK)

    assert agree(script) == (-ESRCH, WAITERS | flags | NOBODY_TID)


@pytest.mark.parametrize("flags", [0, WAITERS, OWNER_DIED, WAITERS | OWNER_DIED])
def test_unlock_with_nobody_queued_clears_the_word(agree, flags):
    def script(w):
        w.store_owner(LOCK, "a", flags)
        return w.unlock_pi("a", LOCK), w.load(LOCK)

    assert agree(script) == (0, 0)


def test_a_lock_taken_in_user_space_can_be_contended(agree):
    def script(w):
        w.store_owner(LOCK, "a")
        blocked = w.lock_pi("b", LOCK), w.owner(LOCK)
        handed = w.unlock_pi("a", LOCK), w.ended(), w.owner(LOCK)
        return blocked, handed, w.unlock_pi("b", LOCK), w.load(LOCK)

    assert agree(script) == ((BLOCKED, (WAITERS, "a")), (0, {"b": 0}, (WAITERS, "b")), 0, 0)


def test_hand_over_drops_owner_died(agree):
    def script(w):
        w.store_owner(LOCK, "a", OWNER_DIED)
        blocked = w.lock_pi("b", LOCK), w.owner(LOCK)
        return blocked, w.unlock_pi("a", LOCK), w.ended(), w.owner(LOCK), w.unlock_pi("b", LOCK), w.load(LOCK)

    assert agree(script) == ((BLOCKED, (WAITERS | OWNER_DIED, "a")), 0, {"b": 0}, (WAITERS, "b"), 0, 0)


@pytest.mark.parametrize("addr", [LOCK + 1, LOCK + 2, LOCK + 3])
def test_misaligned_lock(agree, addr):
    assert agree(lambda w: (w.lock_pi("a", addr), w.trylock_pi("a", addr))) == (-EINVAL, -EINVAL)


def test_unlock_looks_at_the_owner_before_the_alignment(agree):
    def script(w):
        foreign = w.unlock_pi("a", LOCK + 2)
        w.store(LOCK, (w.tid("a") << 16) & 0xFFFF_FFFF)
        w.store(LOCK + 4, w.tid("a") >> 16)
        return foreign, w.unlock_pi("a", LOCK + 2)

    assert agree(script) == (-EPERM, -EINVAL)


def test_wake_that_meets_a_pi_waiter_is_refused(agree):
    def script(w):
        w.lock_pi("a", LOCK)
        w.lock_pi("b", LOCK)
        answers = w.wake(LOCK), w.wake(LOCK, ALL), w.wake(LOCK, bitset=1), w.ended(), w.owner(LOCK)
        return answers, w.unlock_pi("a", LOCK), w.ended(), w.unlock_pi("b", LOCK)

    assert agree(script) == ((-EINVAL, -EINVAL, -EINVAL, {}, (WAITERS, "a")), 0, {"b": 0}, 0)


@pytest.mark.parametrize("target", [LOCK, PLAIN])
def test_requeue_that_meets_a_pi_waiter_is_refused(agree, target):
    def script(w):
        w.lock_pi("a", LOCK)
        w.lock_pi("b", LOCK)
        value = w.load(LOCK)
        answers = [w.requeue(LOCK, target, *counts) for counts in ((1, 0), (0, 1), (1, ALL))]
        answers.append(w.cmp_requeue(LOCK, target, value, 0, 1))
        return answers, w.ended(), w.unlock_pi("a", LOCK), w.ended(), w.unlock_pi("b", LOCK)

    assert agree(script) == ([-EINVAL] * 4, {}, 0, {"b": 0}, 0)


def test_requeue_of_nobody_does_not_look(agree):
    def script(w):
        w.lock_pi("a", LOCK)
        w.lock_pi("b", LOCK)
        return w.requeue(LOCK, PLAIN, 0, 0), w.unlock_pi("a", LOCK), w.ended(), w.unlock_pi("b", LOCK)

    assert agree(script) == (0, 0, {"b": 0}, 0)


def test_wake_op_keeps_its_effect_when_it_meets_a_pi_waiter(agree):
    def script(w):
        w.lock_pi("a", LOCK)
        w.lock_pi("b", LOCK)
        w.wait("x", PLAIN, 0)
        set_nine_if_anything = 0 << 28 | 1 << 24 | 9 << 12 | 0xABC
        w.store(PLAIN + 64, 0)
        first = w.wake_op(LOCK, PLAIN + 64, set_nine_if_anything, 1, 1), w.load(PLAIN + 64), w.ended()
        or_zero_if_anything = 2 << 28 | 1 << 24 | 0 << 12 | 0xABC
        second = w.wake_op(PLAIN, LOCK, or_zero_if_anything, 1, 1), w.ended(), w.owner(LOCK)
        return first, second, w.unlock_pi("a", LOCK), w.ended(), w.unlock_pi("b", LOCK)

    assert agree(script) == (
        (-EINVAL, 9, {}),
        (-EINVAL, {"x": 0}, (WAITERS, "a")),
        0,
        {"b": 0},
        0,
    )


def test_lock_with_a_plain_waiter_queued_is_refused(agree):
    def script(w):
        w.store_owner(LOCK, "a")
        w.wait("x", LOCK, w.load(LOCK))
        answers = w.lock_pi("b", LOCK), w.trylock_pi("b", LOCK), w.ended()
        woken = w.wake(LOCK, ALL), w.ended()
        return answers, woken, w.unlock_pi("a", LOCK), w.load(LOCK)

    assert agree(script) == ((-EINVAL, -EINVAL, {}), (1, {"x": 0}), 0, 0)


def test_unlock_with_a_plain_waiter_first_is_refused(agree):
    def script(w):
        w.wait("x", PLAIN, 0)
        w.lock_pi("a", LOCK)
        moved = w.requeue(PLAIN, LOCK, 0, ALL)
        refused = w.unlock_pi("a", LOCK), w.owner(LOCK), w.ended()
        woken = w.wake(LOCK, ALL), w.ended()
        return moved, refused, woken, w.unlock_pi("a", LOCK), w.load(LOCK)

    assert agree(script) == (1, (-EINVAL, (0, "a"), {}), (1, {"x": 0}), 0, 0)


def test_wake_keeps_what_it_did_before_it_met_a_pi_waiter(agree):
    def script(w):
        w.lock_pi("a", LOCK)
        w.lock_pi("b", LOCK)
        w.wait("x", LOCK, w.load(LOCK))
        w.lock_pi("c", LOCK)
        handed = w.unlock_pi("a", LOCK), w.ended(), w.owner(LOCK)
        refused = w.unlock_pi("b", LOCK), w.owner(LOCK)
        partial = w.wake(LOCK, ALL), w.ended()
        return (
            handed,
            refused,
            partial,
            w.unlock_pi("b", LOCK),
            w.ended(),
            w.unlock_pi("c", LOCK),
            w.load(LOCK),
        )

    assert agree(script) == (
        (0, {"b": 0}, (WAITERS, "b")),
        (-EINVAL, (WAITERS, "b")),
        (-EINVAL, {"x": 0}),
        0,
        {"c": 0},
        0,
        0,
    )


@pytest.mark.parametrize("flags", [OWNER_DIED, OWNER_DIED | WAITERS])
def test_who_is_known_as_the_owner_locks_a_word_that_says_died(agree, flags):
    """A try would repair the word and fail; a lock that tries first must not."""

    def script(w):
        answers = [w.lock_pi("a", LOCK), w.lock_pi("b", LOCK)]
        w.store(LOCK, flags)
        answers += [w.lock_pi("a", LOCK), w.load(LOCK)]
        w.store_owner(LOCK, "a", WAITERS)
        return [*answers, w.unlock_pi("a", LOCK), w.ended()]

    assert agree(script) == [0, BLOCKED, 0, flags, 0, {"b": 0}]
