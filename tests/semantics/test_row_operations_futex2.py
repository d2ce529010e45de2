"""Section 1 of the table: futex_waitv, futex_wake, futex_wait, futex_requeue, sizes of words, words with a node."""

from errno import EAGAIN, EFAULT, EINVAL, ETIMEDOUT

import pytest
from semantics.process import ANY, UNMAPPED, A, B, C, D, Process, expire, results

from pyfutex import CLOCK_MONOTONIC, CLOCK_REALTIME, Manager
from pyfutex.linux import (
    FUTEX2_MPOL,
    FUTEX2_NUMA,
    FUTEX2_PRIVATE,
    FUTEX2_SIZE_U8,
    FUTEX2_SIZE_U16,
    FUTEX2_SIZE_U32,
    FUTEX2_SIZE_U64,
    futex_requeue,
    futex_wait,
    futex_waitv,
    futex_wake,
)

U32 = FUTEX2_SIZE_U32
NO_NODE = 0xFFFF_FFFF
SIZES = [FUTEX2_SIZE_U8, FUTEX2_SIZE_U16, FUTEX2_SIZE_U64]


@pytest.fixture
def flags(process):
    """A word of 32 bits, private or not as the process is."""
    return U32 | process.flag


def vectored(process, *entries, timeout=0, clock=CLOCK_MONOTONIC, task=None):
    task = task or process.main
    return futex_waitv(task, process.vector(*entries), len(entries), 0, timeout, clock)


# --- futex_waitv (449) ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("woken", [0, 1, 2])
def test_row_waitv_returns_the_index_of_a_woken_word(process, flags, woken):
    words = [A, B, C]
    assert vectored(process, *[(0, addr, flags) for addr in words]) is None
    assert process.wake(9, words[woken], by=process.thread()) == 1
    assert process.main.result(0) == woken
    assert len(process.manager) == 0


def test_row_waitv_each_entry_is_a_waiter_and_the_last_woken_is_told(process, flags):
    """[L V3]"""
    assert vectored(process, *[(0, A, flags)] * 3) is None
    assert process.wake(10, by=process.thread()) == 3
    assert process.main.result(0) == 2


def test_row_waitv_entries_stand_by_the_priority_of_their_thread(process, flags):
    normal, urgent = process.thread(), process.thread(priority=5)
    assert process.wait(normal) is None
    assert vectored(process, (0, B, flags), (0, A, flags), task=urgent) is None
    assert process.wake() == 1
    assert results([normal, urgent]) == [None, 1]


def test_row_waitv_of_private_and_shared_words():
    """[L V6]"""
    process = Process("private")
    waker = process.thread()
    assert vectored(process, (0, A, U32 | FUTEX2_PRIVATE), (0, B, U32)) is None
    assert futex_wake(waker, B, ANY, 1, U32 | FUTEX2_PRIVATE) == 0
    assert futex_wake(waker, B, ANY, 1, U32) == 1
    assert process.main.result(0) == 1


def test_row_waitv_entries_are_requeued_and_woken_by_wake_op(process, flags):
    """[L V4]"""
    task, other = process.threads(2)
    assert vectored(process, (0, A, flags), (0, B, flags), task=task) is None
    assert vectored(process, (0, A, flags), (0, B, flags), task=other) is None
    assert process.requeue(0, 1, A, C) == 1
    assert process.wake(1, C) == 1
    assert task.result(0) == 0
    assert process.wake_op(1, 1, 0, D, B) == 1
    assert other.result(0) == 1


@pytest.mark.parametrize("nr", [0, 129, -1])
def test_row_waitv_numbers_of_entries_are_1_to_128(process, flags, nr):
    assert futex_waitv(process.main, process.vector((0, A, flags)), nr, 0, 0, 1) == -EINVAL


def test_row_waitv_takes_128(process, flags):
    assert vectored(process, *[(0, A, flags)] * 128) is None
    assert process.wake(999, by=process.thread()) == 128
    assert process.main.result(0) == 127


@pytest.mark.parametrize(
    "entry",
    [
        (0, A, 0, 1),
        (0, A, 0x100),
        (0, A, 0x10),
        (1 << 32, A, 0),
        (0, A + 2, 0),
    ],
    ids=["reserved", "flag 0x100", "flag 0x10", "val of 33 bits", "misaligned"],
)
def test_row_waitv_bad_entries_are_einval_and_queue_nobody(process, flags, entry):
    val, addr, more, *reserved = entry
    assert vectored(process, (0, B, flags), (val, addr, flags | more, *reserved)) == -EINVAL
    assert len(process.manager) == 0


@pytest.mark.parametrize("size", SIZES)
def test_row_sizes_but_32_bits_are_einval(process, size):
    """8, 16 and 64 bits are defined, and no kernel takes them."""
    flags = size | process.flag
    assert vectored(process, (0, A, flags)) == -EINVAL
    assert futex_wake(process.main, A, ANY, 1, flags) == -EINVAL
    assert futex_wait(process.main, A, 0, ANY, flags, 0, 1) == -EINVAL
    vector = process.vector((0, A, flags), (0, B, flags))
    assert futex_requeue(process.main, vector, 0, 1, 1) == -EINVAL


def test_row_waitv_bad_arguments(process, flags):
    vector = process.vector((0, A, flags))
    assert futex_waitv(process.main, vector, 1, 1, 0, 1) == -EINVAL
    assert futex_waitv(process.main, 0, 1, 0, 0, 1) == -EINVAL
    assert futex_waitv(process.main, UNMAPPED, 1, 0, 0, 1) == -EFAULT
    assert futex_waitv(process.main, vector, 1, 0, UNMAPPED, 1) == -EFAULT
    assert futex_waitv(process.main, vector, 1, 0, process.after(0, 10**9), 1) == -EINVAL
    assert vectored(process, (0, UNMAPPED, flags)) == -EFAULT
    assert vectored(process, (1, A, flags)) == -EAGAIN
    assert len(process.manager) == 0


@pytest.mark.parametrize("clock", [2, 7, 11, -1])
def test_row_waitv_a_clock_counts_with_a_timeout_alone(process, flags, clock):
    """[L V1]"""
    assert vectored(process, (0, A, flags), timeout=process.until(1), clock=clock) == -EINVAL
    assert vectored(process, (0, A, flags), clock=clock) is None


@pytest.mark.parametrize("clock", [CLOCK_MONOTONIC, CLOCK_REALTIME])
def test_row_waitv_times_out_on_its_clock(process, flags, clock):
    until = process.until(2, clock=clock)
    assert vectored(process, (0, A, flags), (0, B, flags), timeout=until, clock=clock) is None
    assert process.main.deadline == (clock, process.clock(clock) + 2 * 10**9)
    assert expire(process.main) == -ETIMEDOUT
    assert len(process.manager) == 0


# --- futex_wake (454) -----------------------------------------------------------------------------------------------


def test_row_futex_wake_of_none_wakes_none(process, flags):
    """[L F1] Unlike FUTEX_WAKE; its address is looked at all the same."""
    tasks = process.sleepers(2)
    assert futex_wake(process.main, A, ANY, 0, flags) == 0
    assert results(tasks) == [None, None]
    assert futex_wake(process.main, A + 1, ANY, 0, flags) == -EINVAL
    if process.layout != "private":
        assert futex_wake(process.main, UNMAPPED, ANY, 0, flags) == -EFAULT


@pytest.mark.parametrize(
    ("profile", "expected"), [("linux-6.12", 1), ("linux-6.18", 1), ("linux-7.2", -EINVAL)]
)
def test_row_futex_wake_of_less_than_none(profile, expected):
    process = Process("private", manager=Manager(profile=profile))
    process.sleepers(2)
    assert futex_wake(process.main, A, ANY, -1, U32 | FUTEX2_PRIVATE) == expected


@pytest.mark.parametrize("mask", [0, 1 << 32, 1 << 63])
def test_row_futex_wake_masks_that_are_none(process, flags, mask):
    assert futex_wake(process.main, A, mask, 1, flags) == -EINVAL


def test_row_futex_wake_by_mask(process, flags):
    task = process.thread()
    assert futex_wait(task, A, 0, 2, flags, 0, 1) is None
    assert futex_wake(process.main, A, 1, 1, flags) == 0
    assert futex_wake(process.main, A, 3, 1, flags) == 1
    assert task.result(0) == 0


# --- futex_wait (455) -----------------------------------------------------------------------------------------------


def test_row_futex_wait(process, flags):
    task = process.main
    assert futex_wait(task, A, 1, ANY, flags, 0, 1) == -EAGAIN
    assert futex_wait(task, A, 1 << 32, ANY, flags, 0, 1) == -EINVAL
    assert futex_wait(task, A, 0, 1 << 32, flags, 0, 1) == -EINVAL
    assert futex_wait(task, A, 0, 0, flags, 0, 1) == -EINVAL
    assert futex_wait(task, A, 0, ANY, flags | 0x10, 0, 1) == -EINVAL
    assert futex_wait(task, A, 0, ANY, flags, process.until(1), 11) == -EINVAL
    assert futex_wait(task, A, 0, ANY, flags, process.until(1), CLOCK_MONOTONIC) is None
    assert expire(task) == -ETIMEDOUT


# --- futex_requeue (456) --------------------------------------------------------------------------------------------


def test_row_futex_requeue_returns_woken_and_requeued(process, flags):
    """The expected value of the second word is not looked at."""
    tasks = process.sleepers(4)
    vector = process.vector((0, A, flags), (77, B, flags))
    assert futex_requeue(process.main, vector, 0, 1, 2) == 3
    assert results(tasks) == [0, None, None, None]
    assert process.wake(9, B) == 2


def test_row_futex_requeue_refuses(process, flags):
    process.sleepers(2)
    good = process.vector((0, A, flags), (0, B, flags))
    assert futex_requeue(process.main, good, 1, 1, 1) == -EINVAL
    assert futex_requeue(process.main, 0, 0, 1, 1) == -EINVAL
    assert futex_requeue(process.main, good, 0, -1, 1) == -EINVAL
    assert futex_requeue(process.main, good, 0, 1, -1) == -EINVAL
    assert futex_requeue(process.main, process.vector((1, A, flags), (0, B, flags)), 0, 1, 1) == -EAGAIN
    differing = process.vector((0, A, flags), (0, B, flags ^ FUTEX2_PRIVATE))
    assert futex_requeue(process.main, differing, 0, 1, 1) == -EINVAL
    assert len(process.manager) == 2


# --- FUTEX2_NUMA, FUTEX2_MPOL ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mpol", [0, FUTEX2_MPOL])
def test_row_numa_the_node_is_written_even_by_a_wake(process, flags, mpol):
    """[L F4]"""
    process.store(A, 0, NO_NODE)
    assert futex_wake(process.main, A, ANY, 1, flags | FUTEX2_NUMA | mpol) == 0
    assert process.load(A + 4) == 0


def test_row_numa_is_part_of_the_key(process, flags):
    """[L F5]"""
    task = process.thread()
    assert futex_wait(task, A, 0, ANY, flags | FUTEX2_NUMA, 0, 1) is None
    assert process.wake() == 0
    assert futex_wake(process.main, A, ANY, 1, flags) == 0
    assert futex_wake(process.main, A, ANY, 1, flags | FUTEX2_NUMA) == 1


def test_row_numa_refuses(process, flags):
    numa = flags | FUTEX2_NUMA
    assert futex_wake(process.main, A + 4, ANY, 1, numa) == -EINVAL
    assert futex_wake(process.main, UNMAPPED, ANY, 1, numa) == -EFAULT
    process.store(A, 0, 4096)
    assert futex_wake(process.main, A, ANY, 1, numa) == -EINVAL


@pytest.mark.parametrize("flag", [FUTEX2_NUMA, FUTEX2_MPOL])
def test_row_numa_came_after_6_12(flag):
    process = Process("private", manager=Manager(profile="linux-6.12"))
    assert futex_wake(process.main, A, ANY, 1, U32 | FUTEX2_PRIVATE | flag) == -EINVAL
