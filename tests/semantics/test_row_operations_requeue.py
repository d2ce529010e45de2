"""Section 1 of the table: FUTEX_REQUEUE and FUTEX_CMP_REQUEUE."""

from errno import EAGAIN, EFAULT, EINVAL

import pytest
from semantics.process import ANY, INT_MAX, INT_MIN, UNMAPPED, A, B, C, Process, order, results, woken

from pyfutex import linux

# --- REQUEUE (3) ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_wake", "n_requeue", "expected"),
    [
        (1, 2, 3),
        (0, 2, 2),
        (0, 0, 0),
        (2, 0, 2),
        (1, INT_MAX, 5),
        (INT_MAX, INT_MAX, 5),
        (5, 1, 5),
        (3, 9, 5),
    ],
)
def test_row_requeue_returns_woken_and_requeued(process, n_wake, n_requeue, expected):
    """[L E3] The manual page of the operation says "woken"; the kernel answers the sum."""
    tasks = process.sleepers(5)
    assert process.requeue(n_wake, n_requeue) == expected
    n = min(n_wake, 5)
    assert woken(tasks) == list(range(n))
    assert len(process.manager) == 5 - n


def test_row_requeue_wakes_the_first_and_moves_the_next(process):
    tasks = process.sleepers(5)
    assert process.requeue(2, 2) == 4
    assert woken(tasks) == [0, 1]
    assert order(process, tasks[2:], B) == [0, 1]
    assert order(process, tasks[4:], A) == [0]


@pytest.mark.parametrize(("n_wake", "n_requeue"), [(-1, 1), (1, -1), (-1, -1), (INT_MIN, 0), (0, INT_MIN)])
@pytest.mark.parametrize("call", ["requeue", "cmp_requeue"])
def test_row_requeue_negative_counts_are_einval(process, call, n_wake, n_requeue):
    """Since Linux 4.15, CVE-2018-6927."""
    tasks = process.sleepers(2)
    extra = (0,) if call == "cmp_requeue" else ()
    assert getattr(process, call)(n_wake, n_requeue, *extra) == -EINVAL
    assert woken(tasks) == []


def test_row_requeue_of_none_looks_at_nobody(process):
    """[L C2] Not even at a PI waiter, whom any other pair of counts meets."""
    owner, locker = process.threads(2)
    process.lock(owner)
    process.lock(locker)
    assert process.requeue(0, 0) == 0
    assert process.requeue(1, 0) == -EINVAL
    assert process.requeue(0, 1) == -EINVAL


def test_row_requeue_ignores_bitsets_and_the_moved_keep_theirs(process):
    """[L E25c]"""
    tasks = process.threads(3)
    for task in tasks:
        assert process.wait_bitset(task, A, 0, 2) is None
    assert process.requeue(1, 2) == 3
    assert process.wake_bitset(9, 1, B) == 0
    assert process.wake_bitset(9, 2, B) == 2
    assert results(tasks) == [0, 0, 0]


def test_row_requeue_to_the_same_word_visits_each_once(process):
    """[L E5]"""
    tasks = process.sleepers(4)
    assert process.requeue(1, INT_MAX, A, A) == 4
    assert woken(tasks) == [0]
    assert order(process, tasks[1:], A) == [0, 1, 2]


def test_row_requeue_needs_no_memory_if_private(private):
    assert private.requeue(1, 1, 0, 0) == 0
    assert private.requeue(1, 1, UNMAPPED, 0) == 0


@pytest.mark.parametrize(("addr", "addr2"), [(A + 1, B), (A, B + 2), (UNMAPPED + 3, B)])
def test_row_requeue_misaligned_is_einval(process, addr, addr2):
    assert process.requeue(1, 1, addr, addr2) == -EINVAL


def test_row_requeue_of_plain_waiters_onto_a_pi_word_is_accepted(process):
    """[L E16c] The owner's unlock then meets them."""
    owner = process.thread()
    tasks = process.sleepers(2)
    assert process.lock(owner, B) == 0
    assert process.requeue(0, 2) == 2
    assert process.unlock(owner, B) == -EINVAL
    assert process.load(B) == owner.tid
    assert process.wake(9, B) == 2
    assert results(tasks) == [0, 0]
    assert process.unlock(owner, B) == 0


def test_row_requeue_meets_a_waiter_for_a_requeue_to_a_lock(process):
    """[L R5]"""
    task = process.thread()
    assert process.wait_requeue_pi(task, A, C) is None
    assert process.requeue(0, 1) == -EINVAL
    assert process.requeue(1, 0) == -EINVAL
    assert process.wake(1) == -EINVAL


def test_row_requeue_takes_the_second_count_from_the_timeouts_register(process):
    tasks = process.sleepers(3)
    # As a program of the C library passes it: the pointer's upper half is whatever it is.
    assert process.call(process.main, linux.FUTEX_REQUEUE, A, 0, 0x5555_0000_0000 | 2, B) == 2
    assert order(process, tasks, B) == [0, 1]


# --- CMP_REQUEUE (4) ------------------------------------------------------------------------------------------------


def test_row_cmp_requeue_returns_woken_and_requeued(process):
    tasks = process.sleepers(10)
    assert process.cmp_requeue(3, 7, 0) == 10
    assert woken(tasks) == [0, 1, 2]
    assert order(process, tasks[3:], B) == list(range(7))


def test_row_cmp_requeue_is_eagain_when_the_value_differs(process):
    tasks = process.sleepers(2)
    assert process.cmp_requeue(1, 1, 1) == -EAGAIN
    assert woken(tasks) == []
    assert len(process.manager) == 2


def test_row_cmp_requeue_compares_32_bits_without_a_sign(process):
    process.store(A, ANY)
    process.sleepers(2)
    assert process.cmp_requeue(1, 1, -1) == 2


def test_row_cmp_requeue_looks_at_the_counts_before_the_value(process):
    assert process.cmp_requeue(-1, 1, 1) == -EINVAL
    assert process.cmp_requeue(1, -1, 1, UNMAPPED) == -EINVAL


def test_row_cmp_requeue_faults(process):
    assert process.cmp_requeue(1, 1, 0, UNMAPPED) == -EFAULT
    expected = 0 if process.layout == "private" else -EFAULT
    assert process.cmp_requeue(1, 1, 0, A, UNMAPPED) == expected


def test_row_cmp_requeue_of_none_still_compares(process):
    assert process.cmp_requeue(0, 0, 1) == -EAGAIN
    assert process.cmp_requeue(0, 0, 0) == 0


def test_row_requeue_does_not_compare(process):
    """What an emulator may get wrong: REQUEUE has no expected value."""
    process.sleepers(1)
    process.store(A, 7)
    assert process.call(process.main, linux.FUTEX_REQUEUE, A, 0, 1, B, 99) == 1


def test_row_requeue_across_processes():
    """The queues of shared words are one for all processes of a family."""
    first = Process("shared")
    second = Process("shared", first.mem, first.manager)
    tasks = first.sleepers(2)
    assert second.requeue(1, 1) == 2
    assert first.wake(1, B) == 1
    assert results(tasks) == [0, 0]
