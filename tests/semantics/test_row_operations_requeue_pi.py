"""Section 1 of the table: FUTEX_WAIT_REQUEUE_PI and FUTEX_CMP_REQUEUE_PI."""

from errno import EAGAIN, EDEADLK, EFAULT, EINVAL, ESRCH, ETIMEDOUT

import pytest
from guests import BASE, PAGE
from semantics.process import INT_MAX, UNMAPPED, A, B, C, Process, expire, file_page, memory_file, results

from pyfutex.linux import FUTEX_OWNER_DIED, FUTEX_WAITERS

NOBODY = 0x3FFF_FFF0


def waiting(process, n=3, addr=A, addr2=B):
    """Threads that wait at `addr` to be given the lock at `addr2`."""
    tasks = process.threads(n)
    for task in tasks:
        assert process.wait_requeue_pi(task, addr, addr2) is None
    return tasks


# --- WAIT_REQUEUE_PI (11) -------------------------------------------------------------------------------------------


def test_row_wait_requeue_pi_returns_0_as_the_owner(process):
    (task,) = waiting(process, 1)
    assert process.cmp_requeue_pi(0) == 1
    assert task.result(0) == 0
    assert process.load(B) == task.tid
    assert process.unlock(task, B) == 0


def test_row_wait_requeue_pi_one_address_is_einval(process):
    assert process.wait_requeue_pi(process.main, A, A) == -EINVAL


def test_row_wait_requeue_pi_one_key_at_two_addresses_is_einval():
    file = memory_file()
    other = BASE + 16 * PAGE
    space = file_page(file)
    file_page(file, other, space=space)
    process = Process("file", space)
    assert process.wait_requeue_pi(process.main, A, other + (A - BASE)) == -EINVAL
    assert process.cmp_requeue_pi(0, 0, A, other + (A - BASE)) == -EINVAL


def test_row_wait_requeue_pi_is_eagain_when_the_value_differs(process):
    assert process.wait_requeue_pi(process.main, A, B, 1) == -EAGAIN


def test_row_wait_requeue_pi_faults(process):
    assert process.wait_requeue_pi(process.main, UNMAPPED, B) == -EFAULT
    assert process.wait_requeue_pi(process.main, A + 2, B) == -EINVAL
    assert process.wait_requeue_pi(process.main, A, B + 1) == -EINVAL


@pytest.mark.parametrize("requeued", [False, True])
def test_row_wait_requeue_pi_times_out_on_either_word(process, requeued):
    owner, task = process.threads(2)
    process.lock(owner, B)
    assert process.wait_requeue_pi(task, A, B, 0, process.until(1)) is None
    if requeued:
        assert process.cmp_requeue_pi(0) == 1
    assert expire(task) == -ETIMEDOUT
    assert len(process.manager) == 0


def test_row_wait_requeue_pi_is_woken_by_cmp_requeue_pi_alone(process):
    """[L R5]"""
    tasks = waiting(process, 1)
    assert process.wake(1) == -EINVAL
    assert process.wake_bitset(1, 1) == -EINVAL
    assert process.requeue(1, 1, A, C) == -EINVAL
    assert process.cmp_requeue(1, 1, 0, A, C) == -EINVAL
    assert results(tasks) == [None]


# --- CMP_REQUEUE_PI (12) --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_wake", [0, 2, -1, INT_MAX])
def test_row_cmp_requeue_pi_wakes_one_or_is_einval(process, n_wake):
    waiting(process, 1)
    assert process.cmp_requeue_pi(1, n_wake=n_wake) == -EINVAL


@pytest.mark.parametrize("n_requeue", [-1, -(2**31)])
def test_row_cmp_requeue_pi_negative_is_einval(process, n_requeue):
    assert process.cmp_requeue_pi(n_requeue) == -EINVAL


def test_row_cmp_requeue_pi_one_address_is_einval(process):
    assert process.cmp_requeue_pi(1, 0, A, A) == -EINVAL


def test_row_cmp_requeue_pi_is_eagain_when_the_value_differs(process):
    tasks = waiting(process, 1)
    assert process.cmp_requeue_pi(1, 1) == -EAGAIN
    assert results(tasks) == [None]


def test_row_cmp_requeue_pi_meets_a_plain_waiter(process):
    process.sleepers(1)
    assert process.cmp_requeue_pi(1) == -EINVAL


def test_row_cmp_requeue_pi_to_another_word_than_they_wait_for(process):
    tasks = waiting(process, 1, A, B)
    assert process.cmp_requeue_pi(1, 0, A, C) == -EINVAL
    assert results(tasks) == [None]


def test_row_cmp_requeue_pi_with_nobody_there_is_0(process):
    assert process.cmp_requeue_pi(INT_MAX) == 0
    assert process.load(B) == 0


@pytest.mark.parametrize(
    ("n_requeue", "expected", "bits"), [(0, 1, 0), (1, 2, FUTEX_WAITERS), (9, 3, FUTEX_WAITERS)]
)
def test_row_cmp_requeue_pi_of_a_free_word_wakes_its_new_owner(process, n_requeue, expected, bits):
    """[L R2, R2b] WAITERS is set if others may be requeued."""
    tasks = waiting(process)
    assert process.cmp_requeue_pi(n_requeue) == expected
    assert results(tasks) == [0, None, None]
    assert process.load(B) == tasks[0].tid | bits


def test_row_cmp_requeue_pi_for_one_waiter_sets_waiters_all_the_same(process):
    """[L R2]"""
    (task,) = waiting(process, 1)
    assert process.cmp_requeue_pi(1) == 1
    assert process.load(B) == task.tid | FUTEX_WAITERS


@pytest.mark.parametrize(("n_requeue", "expected"), [(0, 1), (1, 2), (2, 3), (9, 3)])
def test_row_cmp_requeue_pi_of_a_held_word_requeues_one_more(process, n_requeue, expected):
    """[L R3] Nobody is woken, so who would have been is moved."""
    owner = process.thread()
    process.lock(owner, B)
    tasks = waiting(process)
    assert process.cmp_requeue_pi(n_requeue) == expected
    assert results(tasks) == [None, None, None]
    holder = owner
    for task in tasks[:expected]:
        assert process.unlock(holder, B) == 0
        assert task.result(0) == 0
        holder = task
    assert process.unlock(holder, B) == 0
    assert len(process.manager) == 3 - expected


def test_row_cmp_requeue_pi_onto_its_own_lock_is_a_deadlock(process):
    """A waiter that holds the lock already."""
    (task,) = process.threads(1)
    process.store(B, task.tid)
    assert process.wait_requeue_pi(task) is None
    assert process.cmp_requeue_pi(1) == -EDEADLK
    assert task.blocked


def test_row_cmp_requeue_pi_onto_a_word_of_nobody(process):
    process.store(B, NOBODY)
    tasks = waiting(process, 1)
    assert process.cmp_requeue_pi(1) == -ESRCH
    assert results(tasks) == [None]


def test_row_cmp_requeue_pi_faults(process):
    assert process.cmp_requeue_pi(1, 0, UNMAPPED, B) == -EFAULT
    assert process.cmp_requeue_pi(1, 0, A + 1, B) == -EINVAL
    assert process.cmp_requeue_pi(1, 0, A, B + 1) == -EINVAL


def test_row_cmp_requeue_pi_of_a_word_whose_owner_died_keeps_the_bit(process):
    process.store(B, FUTEX_OWNER_DIED)
    (task,) = waiting(process, 1)
    assert process.cmp_requeue_pi(0) == 1
    assert task.result(0) == 0
    assert process.load(B) == task.tid | FUTEX_OWNER_DIED
