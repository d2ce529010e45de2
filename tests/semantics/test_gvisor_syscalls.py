"""gVisor's system call tests (futex.cc), told anew, through pyfutex.linux. A process whose calls are private or shared."""

import os
from errno import EAGAIN, EDEADLK, EINVAL, EPERM, ETIMEDOUT

import pytest
from semantics.process import (
    INT_MAX,
    SECOND,
    UNMAPPED,
    A,
    B,
    Process,
    expire,
    file_page,
    memory_file,
    results,
)
from semantics.robustlist import HEAD, RobustList
from semantics.test_divergences_queue import CMP_EQ, OP_ADD, OP_SET, operation

from pyfutex import linux
from pyfutex.linux import (
    FUTEX_OWNER_DIED,
    FUTEX_PRIVATE_FLAG,
    FUTEX_WAITERS,
    get_robust_list,
    set_robust_list,
)


def test_wait_zero_timeout(process):
    """Wait_ZeroTimeout: it ends at once."""
    assert process.wait(process.main, timeout=process.after(0)) == -ETIMEDOUT


def test_wait_timeout(process):
    """Wait_Timeout: not before a second has passed."""
    task = process.thread()
    assert process.wait(task, timeout=process.after(1)) is None
    assert task.deadline == (1, process.clock.monotonic + SECOND)
    assert expire(task) == -ETIMEDOUT


def test_wait_bitset_timeout(process):
    """Wait_BitsetTimeout: an absolute time of the realtime clock."""
    task = process.thread()
    until = process.until(1, clock=0)
    assert process.wait_bitset(task, deadline=until, clock=linux.FUTEX_CLOCK_REALTIME) is None
    assert task.deadline == (0, process.clock.realtime + SECOND)
    assert expire(task) == -ETIMEDOUT


def test_wait_bitset_negative_timeout(process):
    """WaitBitset_NegativeTimeout: a time that is past."""
    until = process.until(-1, clock=0)
    assert process.wait_bitset(process.main, deadline=until, clock=linux.FUTEX_CLOCK_REALTIME) == -ETIMEDOUT


def test_wait_wrong_val(process):
    """Wait_WrongVal: the word holds another value."""
    process.store(A, 1)
    assert process.wait(process.main, val=2) == -EAGAIN


def test_wait_zero_bitset(process):
    """Wait_ZeroBitset: nobody could wake it."""
    assert process.wait_bitset(process.main, bitset=0) == -EINVAL


def test_wake_1_simple(process):
    """Wake1_NoRandomSave: one."""
    (task,) = process.sleepers(1)
    assert process.wake(1) == 1
    assert task.result(0) == 0


def test_wake_0(process):
    """Wake0_NoRandomSave: a count of 0 wakes one."""
    (task,) = process.sleepers(1)
    assert process.wake(0) == 1
    assert task.result(0) == 0


def test_wake_all(process):
    """WakeAll_NoRandomSave: all five."""
    tasks = process.sleepers(5)
    assert process.wake(INT_MAX) == 5
    assert results(tasks) == [0] * 5


def test_wake_some(process):
    """WakeSome_NoRandomSave: three of five, the others time out."""
    tasks = process.threads(5)
    for task in tasks:
        assert process.wait(task, timeout=process.after(1)) is None
    assert process.wake(3) == 3
    assert [expire(task) if task.blocked else task.result(0) for task in tasks] == [
        0,
        0,
        0,
        -ETIMEDOUT,
        -ETIMEDOUT,
    ]


def test_wait_bitset_wake(process):
    """WaitBitset_Wake: a plain wake reaches every bitset."""
    task = process.thread()
    assert process.wait_bitset(task, bitset=0b01001000) is None
    assert process.wake(1) == 1


def test_wait_wake_bitset(process):
    """Wait_WakeBitset: every bitset reaches a plain wait."""
    process.sleepers(1)
    assert process.wake_bitset(1, 0b01001000) == 1


def test_wait_bitset_wake_bitset_match(process):
    """WaitBitset_WakeBitsetMatch: the same bits."""
    task = process.thread()
    assert process.wait_bitset(task, bitset=0b01001000) is None
    assert process.wake_bitset(1, 0b01001000) == 1


def test_wait_bitset_wake_bitset_no_match(process):
    """WaitBitset_WakeBitsetNoMatch: others."""
    task = process.thread()
    assert process.wait_bitset(task, bitset=0b01001000, deadline=process.until(1)) is None
    assert process.wake_bitset(1, 0b00110100) == 0
    assert expire(task) == -ETIMEDOUT


def test_wake_op_cond_success(process):
    """WakeOpCondSuccess_NoRandomSave: both words, and the second counts up."""
    one, two = process.sleepers(1, A), process.sleepers(1, B)
    assert process.wake_op(1, 1, operation(OP_ADD, 1, CMP_EQ, 0)) == 2
    assert results(one + two) == [0, 0]
    assert process.load(B) == 1


def test_wake_op_cond_failure(process):
    """WakeOpCondFailure_NoRandomSave: the first word alone, but the second counts up all the same."""
    one, two = process.sleepers(1, A), process.sleepers(1, B)
    assert process.wake_op(1, 1, operation(OP_ADD, 1, CMP_EQ, -1)) == 1
    assert results(one + two) == [0, None]
    assert process.load(B) == 1


def test_no_wake_interprocess_private_anon(private):
    """NoWakeInterprocessPrivateAnon_NoRandomSave: a child has memory of its own."""
    child = Process("private", manager=private.manager.fork())
    (task,) = private.sleepers(1)
    assert child.wake() == 0
    assert task.blocked


def test_wake_after_cow_break(private):
    """WakeAfterCOWBreak_NoRandomSave: a private word stays the same word when its page is copied under it."""
    (task,) = private.sleepers(1)
    private.store(A, 1)
    assert private.wake() == 1
    assert task.result(0) == 0


def test_wake_wrong_kind():
    """WakeWrongKind_NoRandomSave: private and shared do not meet."""
    process = Process("shared")
    task = process.thread()
    assert linux.futex(task, A, linux.FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0) is None
    assert process.wake() == 0
    assert linux.futex(process.main, A, linux.FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1) == 1


@pytest.mark.parametrize(
    ("op", "before", "oparg", "after"),
    [
        (OP_SET, 1, 5, 5),
        (OP_ADD, 1, 1, 2),
        (2, 1, 0xFF, 0xFF),
        (3, 0b1011, 0b1, 0b1010),
        (4, 0b101, 0b110, 0b011),
    ],
    ids=["Set", "Add", "Or", "Andn", "Xor"],
)
def test_wake_op_0(private, op, before, oparg, after):
    """WakeOp0Set, WakeOp0Add, WakeOp0Or, WakeOp0Andn, WakeOp0Xor: what is left in the word; NULL is no word to wake."""
    private.store(B, before)
    assert private.wake_op(0, 0, operation(op, oparg), 0) == 0
    assert private.load(B) == after


def test_wake_interprocess_shared_anon():
    """WakeInterprocessSharedAnon_NoRandomSave: shared memory, mapped in both."""
    file = memory_file()
    try:
        parent = Process("file", file_page(file))
        child = Process("file", file_page(file), parent.manager.fork())
    finally:
        os.close(file)
    (task,) = child.sleepers(1)
    assert parent.wake() == 1
    assert task.result(0) == 0


def test_wake_interprocess_file():
    """WakeInterprocessFile_NoRandomSave: one file, mapped at different addresses."""
    file = memory_file()
    try:
        parent = Process("file", file_page(file))
        child = Process("file", file_page(file, UNMAPPED), parent.manager.fork())
    finally:
        os.close(file)
    task = child.thread()
    assert child.wait(task, A - (A & ~0xFFF) + UNMAPPED) is None
    assert parent.wake() == 1


def test_pi_basic(process):
    """PIBasic: relocking is a deadlock, unlocking what one does not own is not permitted."""
    one, two = process.threads(2)
    assert process.lock(one) == 0
    assert process.lock(one) == -EDEADLK
    assert process.unlock(two) == -EPERM
    assert process.unlock(one) == 0
    assert process.unlock(one) == -EPERM


def test_pi_concurrency(process):
    """PIConcurrency_NoRandomSave: a hundred threads, ten rounds, one owner at a time."""
    tasks = process.threads(100)
    owners = []
    for _ in range(10):
        answers = [process.lock(task) for task in tasks]
        assert answers == [0] + [None] * 99
        for task in tasks:
            assert not task.blocked
            assert process.load(A) & linux.FUTEX_TID_MASK == task.tid
            owners.append(task.tid)
            assert process.unlock(task) == 0
    assert owners == [task.tid for task in tasks] * 10


def test_pi_waiters(process):
    """PIWaiters_NoRandomSave: the bit appears with the first waiter."""
    one, two = process.threads(2)
    assert process.lock(one) == 0
    assert process.load(A) == one.tid
    assert process.lock(two) is None
    assert process.load(A) == one.tid | FUTEX_WAITERS


def test_pi_try_lock(process):
    """PITryLock_NoRandomSave: not twice, and not while another has it."""
    one, two = process.threads(2)
    assert process.trylock(one) == 0
    assert process.trylock(one) == -EDEADLK
    assert process.trylock(two) == -EAGAIN
    assert process.unlock(one) == 0
    assert process.trylock(two) == 0


def test_pi_try_lock_concurrency(process):
    """PITryLockConcurrency_NoRandomSave: of many, one."""
    tasks = process.threads(50)
    assert sorted(process.trylock(task) for task in tasks) == [-EAGAIN] * 49 + [0]


def test_robust_basic_set_get(process):
    """RobustFutexTest.BasicSetGet."""
    assert set_robust_list(process.main, HEAD, 24) == 0
    assert get_robust_list(process.main, 0, A, B) == 0
    assert (process.load(A), process.load(A + 4), process.load(B)) == (HEAD & 0xFFFF_FFFF, HEAD >> 32, 24)


def test_robust_get_from_other_tid(process):
    """RobustFutexTest.GetFromOtherTid: another thread's, by its id."""
    other = process.thread()
    assert set_robust_list(other, HEAD, 24) == 0
    assert get_robust_list(process.main, other.tid, A, B) == 0
    assert process.load(A) == HEAD & 0xFFFF_FFFF


def test_robust_invalid_size(process):
    """RobustFutexTest.InvalidSize."""
    for size in (0, 23, 25, 12, 2**32 + 24):
        assert set_robust_list(process.main, HEAD, size) == -EINVAL


def test_robust_pthread_mutex_attr(process):
    """RobustFutexTest.PthreadMutexAttr: three robust mutexes are left by one thread; the next finds its owner dead."""
    task = process.thread()
    links = RobustList(process, task, 3)
    for i in range(3):
        process.store(links.word(i), task.tid)
    task.exit()
    assert [process.load(links.word(i)) for i in range(3)] == [FUTEX_OWNER_DIED] * 3
