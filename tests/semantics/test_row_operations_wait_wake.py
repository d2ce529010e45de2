"""Section 1 of the table: FUTEX_WAIT, WAKE, FD, WAIT_BITSET and WAKE_BITSET."""

from errno import EAGAIN, EFAULT, EINTR, EINVAL, ENOSYS, ETIMEDOUT

import pytest
from semantics.process import ANY, INT_MAX, INT_MIN, UNMAPPED, A, B, expire, order, results, woken

from pyfutex import linux

# --- WAIT (0) -------------------------------------------------------------------------------------------------------


def test_row_wait_returns_0_when_woken(process):
    (task,) = process.sleepers(1)
    process.wake()
    assert task.result(0) == 0


@pytest.mark.parametrize("val", [1, ANY, 1 << 31, 2**32 + 1])
def test_row_wait_is_eagain_when_the_value_differs(process, val):
    assert process.wait(process.main, A, val) == -EAGAIN
    assert len(process.manager) == 0


def test_row_wait_compares_32_bits(process):
    process.store(A, ANY)
    assert process.wait(process.main, A, -1) is None


def test_row_wait_is_etimedout_when_its_time_has_passed(process):
    assert process.wait(process.main, A, 0, process.after(3)) is None
    assert expire(process.main) == -ETIMEDOUT
    assert process.wake(9, by=process.thread()) == 0


def test_row_wait_is_eintr_when_a_signal_comes(process):
    assert process.wait(process.main) is None
    assert process.main.interrupt(EINTR) == -EINTR


@pytest.mark.parametrize(("seconds", "ns"), [(0, -1), (-1, 0), (0, 10**9), (5, 2**31 - 1), (-(2**63), 0)])
def test_row_wait_is_einval_for_a_bad_timespec(process, seconds, ns):
    assert process.wait(process.main, A, 0, process.after(seconds, ns)) == -EINVAL


def test_row_wait_is_efault_and_einval_for_a_bad_address(process):
    assert process.wait(process.main, UNMAPPED) == -EFAULT
    assert process.wait(process.main, A + 1) == -EINVAL
    assert process.wait(process.main, A, 0, UNMAPPED) == -EFAULT


def test_row_wait_takes_every_bit(process):
    (task,) = process.sleepers(1)
    assert process.wake_bitset(1, 1 << 31) == 1
    assert task.result(0) == 0


# --- WAKE (1) -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, -1, INT_MIN, 0xFFFF_FFFF, 1, 2**32, 2**32 + 1])
def test_row_wake_of_none_and_of_less_wakes_one(process, n):
    """[L E1] What a program means by UINT_MAX, "all", wakes one."""
    tasks = process.sleepers(3)
    assert process.wake(n) == 1
    assert woken(tasks) == [0]


@pytest.mark.parametrize(("n", "expected"), [(2, 2), (3, 3), (4, 3), (INT_MAX, 3)])
def test_row_wake_returns_how_many(process, n, expected):
    tasks = process.sleepers(3)
    assert process.wake(n) == expected
    assert woken(tasks) == list(range(expected))


def test_row_wake_returns_0_with_nobody_there(process):
    assert [process.wake(n) for n in (0, 1, -1, INT_MAX)] == [0, 0, 0, 0]


def test_row_wake_meets_a_pi_waiter(process):
    owner, locker = process.threads(2)
    assert process.lock(owner) == 0
    assert process.lock(locker) is None
    assert process.wake(1) == -EINVAL
    assert process.wake_bitset(1, 1) == -EINVAL
    assert locker.blocked


@pytest.mark.parametrize(("n", "expected"), [(0, 1), (1, 1), (-1, -EINVAL), (INT_MIN, -EINVAL)])
def test_row_wake_profile_7_2_refuses_a_negative_count(n, expected):
    from semantics.process import Process

    from pyfutex import Manager

    process = Process("private", manager=Manager(profile="linux-7.2"))
    process.sleepers(2)
    assert process.wake(n) == expected


# --- FD (2) ---------------------------------------------------------------------------------------------------------


def test_row_fd_is_enosys(process):
    assert process.call(process.main, linux.FUTEX_FD, A, 0) == -ENOSYS


# --- WAIT_BITSET (9), WAKE_BITSET (10) ------------------------------------------------------------------------------


def test_row_wait_bitset_without_a_bit_is_einval(process):
    assert process.wait_bitset(process.main, A, 0, 0) == -EINVAL
    assert process.wait_bitset(process.main, A, 1, 0) == -EINVAL


def test_row_wake_bitset_without_a_bit_is_einval(process):
    process.sleepers(1)
    assert process.wake_bitset(1, 0) == -EINVAL


@pytest.mark.parametrize("n", [1, 0, -5])
def test_row_wake_bitset_passes_over_those_who_do_not_match(process, n):
    """They do not count, and a count of none is one, as for WAKE."""
    tasks = process.threads(4)
    for task, bitset in zip(tasks, (1, 2, 3, 2), strict=True):
        assert process.wait_bitset(task, A, 0, bitset) is None
    assert process.wake_bitset(n, 2) == 1
    assert woken(tasks) == [1]
    assert process.wake_bitset(9, 2) == 2
    assert woken(tasks) == [1, 2, 3]


def test_row_wake_bitset_of_all_bits_is_a_wake(process):
    tasks = process.threads(3)
    for task, bitset in zip(tasks, (1, ANY, 1 << 31), strict=True):
        assert process.wait_bitset(task, A, 0, bitset) is None
    assert order(process, tasks) == [0, 1, 2]


def test_row_wait_bitset_is_otherwise_a_wait(process):
    task = process.main
    assert process.wait_bitset(task, A, 1, 4) == -EAGAIN
    assert process.wait_bitset(task, A + 2, 0, 4) == -EINVAL
    assert process.wait_bitset(task, UNMAPPED, 0, 4) == -EFAULT
    assert process.wait_bitset(task, A, 0, 4, process.until(1)) is None
    assert expire(task) == -ETIMEDOUT
    assert process.wait_bitset(task, A, 0, 4, process.timespec(0, 10**9)) == -EINVAL
    other = process.thread()
    assert process.wait_bitset(task, B, 0, 4) is None
    assert process.call(other, linux.FUTEX_WAKE_BITSET, B, 1, 0, 0, 4) == 1
    assert results([task]) == [0]
