"""Section 1 of the table: FUTEX_LOCK_PI, UNLOCK_PI, TRYLOCK_PI, LOCK_PI2, and the death of an owner.

Where one thread can ask, the running kernel is asked too, with the same registers; `tests/differential` has the rest.
"""

from errno import EAGAIN, EDEADLK, EFAULT, EINVAL, EPERM, ESRCH, ETIMEDOUT

import pytest
from semantics.process import UNMAPPED, A, B, expire, results

from pyfutex import CLOCK_REALTIME
from pyfutex.linux import (
    FUTEX_CLOCK_REALTIME,
    FUTEX_LOCK_PI,
    FUTEX_LOCK_PI2,
    FUTEX_OWNER_DIED,
    FUTEX_PRIVATE_FLAG,
    FUTEX_TRYLOCK_PI,
    FUTEX_UNLOCK_PI,
    FUTEX_WAITERS,
)

PRIVATE = FUTEX_PRIVATE_FLAG
NOBODY = 0x3FFF_FFF0  # above every limit on thread ids

# --- LOCK_PI (6), LOCK_PI2 (13) -------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", [FUTEX_LOCK_PI, FUTEX_LOCK_PI2, FUTEX_TRYLOCK_PI])
@pytest.mark.parametrize("bits", [0, FUTEX_WAITERS, FUTEX_OWNER_DIED, FUTEX_OWNER_DIED | FUTEX_WAITERS])
def test_row_lock_pi_takes_a_free_word_and_drops_waiters(registers, op, bits):
    """[L E15] OWNER_DIED stays, WAITERS does not: nobody waits."""
    r = registers
    kernels, ours = r.both(r.a, op | PRIVATE, 99, a=bits)
    assert ours == (0, r.task.tid | bits & FUTEX_OWNER_DIED, 0)
    assert ours == kernels


@pytest.mark.parametrize("op", [FUTEX_LOCK_PI, FUTEX_LOCK_PI2, FUTEX_TRYLOCK_PI])
def test_row_lock_pi_of_its_own_word_is_a_deadlock(registers, op):
    r = registers
    kernels, ours = r.both(r.a, op | PRIVATE, a=r.task.tid)
    assert ours == (-EDEADLK, r.task.tid, 0)
    assert ours == kernels


@pytest.mark.parametrize("op", [FUTEX_LOCK_PI, FUTEX_LOCK_PI2, FUTEX_TRYLOCK_PI])
def test_row_lock_pi_of_an_owner_that_does_not_live_leaves_waiters_set(registers, op):
    """[L E12] The bit is set before the owner is looked for, and stays."""
    r = registers
    kernels, ours = r.both(r.a, op | PRIVATE, a=NOBODY)
    assert ours == (-ESRCH, NOBODY | FUTEX_WAITERS, 0)
    assert ours == kernels


def test_row_lock_pi_sets_waiters_and_waits(process):
    owner, other = process.threads(2)
    assert process.lock(owner) == 0
    assert process.load(A) == owner.tid
    assert process.lock(other) is None
    assert process.load(A) == owner.tid | FUTEX_WAITERS


def test_row_lock_pi_ignores_val(process):
    task = process.thread()
    assert process.call(task, FUTEX_LOCK_PI, A, 12345) == 0


def test_row_lock_pi_of_two_that_wait_for_each_other_is_a_deadlock(process):
    """[L C1]"""
    first, second = process.threads(2)
    process.lock(first, A)
    process.lock(second, B)
    assert process.lock(first, B) is None
    assert process.lock(second, A) == -EDEADLK
    assert process.unlock(second, B) == 0
    assert first.result(0) == 0


def test_row_lock_pi_meets_a_plain_waiter(process):
    owner, other = process.threads(2)
    process.store(A, owner.tid)
    (plain,) = process.sleepers(1)
    assert process.lock(other) == -EINVAL
    assert process.trylock(other) == -EINVAL
    assert plain.blocked


def test_row_lock_pi_queues_by_priority_then_first_come(process):
    """[L D3]"""
    owner = process.thread()
    process.lock(owner)
    lockers = [process.thread(priority=priority) for priority in (0, 10, 0, 50, 10)]
    for task in lockers:
        assert process.lock(task) is None
    holder = owner
    for position in (3, 1, 4, 0, 2):
        assert process.unlock(holder) == 0
        holder = lockers[position]
        assert holder.result(0) == 0
        assert process.load(A) == holder.tid | FUTEX_WAITERS
    assert process.unlock(holder) == 0
    assert process.load(A) == 0


def test_row_lock_pi_timeout_leaves_waiters_set_and_unlock_clears_it(process):
    owner, other = process.threads(2)
    process.lock(owner)
    assert process.lock(other, A, process.until(1, clock=CLOCK_REALTIME)) is None
    assert expire(other) == -ETIMEDOUT
    assert process.load(A) == owner.tid | FUTEX_WAITERS
    assert process.unlock(owner) == 0
    assert process.load(A) == 0


@pytest.mark.parametrize("clock", [0, FUTEX_CLOCK_REALTIME])
def test_row_lock_pi2_timeout(process, clock):
    owner, other = process.threads(2)
    process.lock(owner)
    until = process.until(1, clock=CLOCK_REALTIME) if clock else process.until(1)
    assert process.lock2(other, A, until, clock) is None
    assert expire(other) == -ETIMEDOUT


def test_row_lock_pi_timeout_that_races_with_a_hand_over_returns_0(process):
    owner, other = process.threads(2)
    process.lock(owner)
    assert process.lock(other, A, process.until(1, clock=CLOCK_REALTIME)) is None
    assert process.unlock(owner) == 0
    assert other.interrupt(ETIMEDOUT) == 0
    assert process.unlock(other) == 0


def test_row_lock_pi_bad_addresses(process):
    task = process.thread()
    for op in (FUTEX_LOCK_PI, FUTEX_LOCK_PI2, FUTEX_TRYLOCK_PI):
        assert process.call(task, op, A + 1) == -EINVAL
        assert process.call(task, op, UNMAPPED) == -EFAULT


# --- TRYLOCK_PI (8) -------------------------------------------------------------------------------------------------


def test_row_trylock_pi_of_a_held_word_sets_waiters(process):
    """[L E12] Although it does not wait."""
    owner, other = process.threads(2)
    process.lock(owner)
    assert process.trylock(other) == -EAGAIN
    assert not other.blocked
    assert process.load(A) == owner.tid | FUTEX_WAITERS


# --- UNLOCK_PI (7) --------------------------------------------------------------------------------------------------

# The word as bits beside the caller's thread id, or a whole word that is another's.
UNLOCKS = {
    "own": ("a", 0, True, 0),
    "own, WAITERS with nobody there": ("a", FUTEX_WAITERS, True, 0),
    "own, OWNER_DIED": ("a", FUTEX_OWNER_DIED, True, 0),
    "free": ("a", 0, False, -EPERM),
    "another's": ("a", NOBODY, False, -EPERM),
    "misaligned, read across two words, not own": ("a2", NOBODY, False, -EPERM),
    "null": ("null", 0, True, -EFAULT),
    "no access": ("nowhere", 0, True, -EFAULT),
}


@pytest.mark.parametrize("name", UNLOCKS)
def test_row_unlock_pi_alone(registers, name):
    """[L E10, E13]"""
    r = registers
    place, bits, own, expected = UNLOCKS[name]
    addr = {"a": r.a, "a2": r.a + 2, "null": 0, "nowhere": r.nowhere}[place]
    kernels, ours = r.both(addr, FUTEX_UNLOCK_PI | PRIVATE, a=bits | (r.task.tid if own else 0))
    assert ours[0] == expected
    assert ours == kernels


def test_row_unlock_pi_misaligned_and_own_is_einval(process):
    """[L E13] The word is read, and its owner looked at, before its place."""
    task = process.thread()
    process.store_bytes(A, b"\0\0" + task.tid.to_bytes(4, "little") + b"\0\0")
    assert process.unlock(task, A + 2) == -EINVAL


def test_row_unlock_pi_hands_over_with_waiters_set_even_to_the_last(process):
    """[L E14]"""
    owner, heir = process.threads(2)
    process.lock(owner)
    process.lock(heir)
    process.store(A, owner.tid | FUTEX_WAITERS | FUTEX_OWNER_DIED)
    assert process.unlock(owner) == 0
    assert heir.result(0) == 0
    assert process.load(A) == heir.tid | FUTEX_WAITERS


def test_row_unlock_pi_meets_a_plain_waiter(process):
    owner = process.thread()
    process.lock(owner)
    (plain,) = process.sleepers(1)
    assert process.unlock(owner) == -EINVAL
    assert plain.blocked


def test_row_unlock_pi_of_a_word_that_says_another_owner_than_the_queue(process):
    owner, waiting, other = process.threads(3)
    process.lock(owner)
    process.lock(waiting)
    process.store(A, other.tid | FUTEX_WAITERS)
    assert process.unlock(other) == -EINVAL
    assert waiting.blocked


# --- the death of an owner without a robust list --------------------------------------------------------------------


def test_row_owner_death_hands_over(process):
    """[L D1]"""
    owner, heir, next_one = process.threads(3)
    process.lock(owner)
    process.lock(heir)
    process.lock(next_one)
    owner.exit()
    assert results([heir, next_one]) == [0, None]
    assert process.load(A) == heir.tid | FUTEX_WAITERS | FUTEX_OWNER_DIED


def test_row_owner_death_with_nobody_waiting_leaves_the_word(process):
    """[L D2] Who comes later is told that there is no such process, and leaves WAITERS behind."""
    owner, other = process.threads(2)
    process.lock(owner)
    owner.exit()
    assert process.load(A) == owner.tid
    assert process.lock(other) == -ESRCH
    assert process.load(A) == owner.tid | FUTEX_WAITERS
