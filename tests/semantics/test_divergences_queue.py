"""Section 2 of the table, rows 1 to 14: queues, counts and conservation, where the seed and Linux part.

Each docstring says what the seed does.
"""

from errno import EINVAL, ENOSYS, ETIMEDOUT

import pytest
from semantics.process import ANY, INT_MAX, A, B, Process, expire, order, results, woken

import pyfutex
from pyfutex import linux
from pyfutex.linux import FUTEX_CMP_REQUEUE, FUTEX_WAKE_OP, futex

CMP_EQ, CMP_LT, CMP_GT = 0, 2, 4
OP_SET, OP_ADD, OP_SHIFT = 0, 1, 8


def operation(op, oparg, cmp=CMP_EQ, cmparg=0):
    """FUTEX_OP's encoding."""
    return (op & 15) << 28 | (cmp & 15) << 24 | (oparg & 0xFFF) << 12 | (cmparg & 0xFFF)


def test_divergence_01_two_shared_keys_are_locked(shared):
    """Two shared keys: the seed takes no lock at all. Here every pair of buckets goes through one function, by address."""
    tasks = shared.sleepers(3)
    assert shared.cmp_requeue(1, INT_MAX, 0) == 3
    assert woken(tasks) == [0]
    assert order(shared, tasks[1:], B) == [0, 1]


def test_divergence_02_requeue_onto_itself_ends_and_keeps_the_order(process):
    """Onto the same key the seed pushes each waiter to the tail and meets it again, up to 2**31 times."""
    tasks = process.sleepers(4)
    assert process.requeue(1, INT_MAX, A, A) == 4
    assert woken(tasks) == [0]
    assert order(process, tasks[1:]) == [0, 1, 2]


def test_divergence_03_requeued_waiters_stand_last(process):
    """The seed moves to the tail, Linux keeps the place if the hash has it so. Here: the tail, always."""
    resident = process.sleepers(2, B)
    moved = process.sleepers(2, A)
    assert process.requeue(0, INT_MAX) == 2
    assert order(process, resident + moved, B) == [0, 1, 2, 3]


def test_divergence_04_requeue_counts_the_moved_too(process):
    """The seed answers the woken alone."""
    process.sleepers(10)
    assert process.requeue(3, 7) == 10
    process.sleepers(10)
    assert process.cmp_requeue(3, 7, 0) == 10


@pytest.mark.parametrize("counts", [(-1, 1), (1, -1), (-1, -1), (-(2**31), 0)])
def test_divergence_05_negative_counts_are_invalid(process, counts):
    """The seed does nothing and answers 0."""
    tasks = process.sleepers(2)
    assert process.requeue(*counts) == -EINVAL
    assert process.cmp_requeue(*counts, 0) == -EINVAL
    assert results(tasks) == [None, None]


def test_divergence_06_wake_op_extends_signs(process):
    """The seed takes both operands as they are, 0 to 4095."""
    process.wake_op(0, 0, operation(OP_SET, 0xFFF))
    assert process.load(B) == 0xFFFF_FFFF
    process.wake_op(0, 0, operation(OP_ADD, 0xFFF))
    assert process.load(B) == 0xFFFF_FFFE
    tasks = process.sleepers(1, B)
    assert process.wake_op(0, 1, operation(OP_ADD, 0, CMP_EQ, 0xFFE)) == 1
    assert woken(tasks) == [0]


@pytest.mark.parametrize(("shift", "bit"), [(32, 1), (0x3F, 1 << 31), (0x800, 1), (0xFE1, 2), (31, 1 << 31)])
def test_divergence_07_wake_op_shifts_modulo_32(process, shift, bit):
    """From 32 on the seed shifts to 0."""
    process.wake_op(0, 0, operation(OP_SET | OP_SHIFT, shift))
    assert process.load(B) == bit


def test_divergence_08_wake_op_compares_signed(process):
    """The seed compares unsigned."""
    process.store(B, 0xFFFF_FFFF)
    tasks = process.sleepers(1, B)
    assert process.wake_op(0, 1, operation(OP_ADD, 0, CMP_LT, 0)) == 1
    assert woken(tasks) == [0]
    process.sleepers(1, B)
    assert process.wake_op(0, 1, operation(OP_ADD, 0, CMP_GT, 0)) == 0


def test_divergence_09_wake_op_wakes_one_for_each_count_below_1(process):
    """The seed clamps the first count alone."""
    process.sleepers(2, A)
    process.sleepers(2, B)
    assert process.wake_op(0, 0, operation(OP_ADD, 0)) == 2
    assert process.wake_op(-1, -1, operation(OP_ADD, 0)) == 2


def test_divergence_10_counts_are_clamped_in_the_system_call_alone(process):
    """In the seed's package a count of 0 wakes nobody, its system call clamps. So here: Manager is strict, futex clamps."""
    tasks = process.sleepers(2)
    manager, mem = process.manager, process.mem
    private = process.layout == "private"
    assert manager.wake(mem, A, 0, private=private) == 0
    with pytest.raises(pyfutex.InvalidArgument):
        manager.wake(mem, A, -1, private=private)
    assert process.wake(0) == 1
    assert process.wake(-1) == 1
    assert woken(tasks) == [0, 1]


def test_divergence_11_woken_wins_over_the_timeout(process):
    """In the seed a waiter whose timer fires after it was taken reports the timeout: the wake is lost."""
    task = process.thread()
    assert process.wait(task, timeout=process.after(1)) is None
    assert process.wake() == 1
    assert task.interrupt(ETIMEDOUT) in (0, None)
    assert task.result(0) == 0


def test_divergence_12_the_lock_that_was_handed_over_is_owned(process):
    """In the seed a timeout that races the hand-over leaves a lock that nobody knows to own."""
    one, two = process.threads(2)
    assert process.lock(one) == 0
    assert process.lock(two) is None
    assert process.unlock(one) == 0
    assert two.interrupt() in (0, None)
    assert two.result(0) == 0
    assert process.load(A) & linux.FUTEX_TID_MASK == two.tid


@pytest.mark.parametrize("earlier", [False, True], ids=["fresh", "used"])
def test_divergence_13_wake_on_a_lock_waiter_is_invalid(process, earlier):
    """The seed lets FUTEX_WAKE end a LOCK_PI, without the lock, once the task has waited before."""
    one, two = process.threads(2)
    if earlier:
        assert process.wait(two, B) is None
        assert process.wake(1, B) == 1
    assert process.lock(one) == 0
    assert process.lock(two) is None
    assert process.wake() == -EINVAL
    assert two.blocked


def test_divergence_14_requeue_of_a_lock_waiter_is_invalid(process):
    """The seed moves it away, and unlock does not find it again."""
    one, two = process.threads(2)
    assert process.lock(one) == 0
    assert process.lock(two) is None
    assert process.requeue(1, 1) == -EINVAL
    assert process.requeue(0, 1) == -EINVAL
    assert process.requeue(0, 0) == 0
    assert process.unlock(one) == 0
    assert two.result(0) == 0


def test_the_table_of_wake_op_is_that_of_the_kernel(registers):
    """Rows 6 to 8 once more, with the running kernel as the judge."""
    for op in range(16):
        for cmp in range(16):
            for oparg, cmparg, old in ((0xFFF, 0, 1), (33, 0xFFE, 0x8000_0000), (0x7FF, 0x7FF, 0x7FF)):
                code = operation(op, oparg, cmp, cmparg)
                kernels, ours = registers.both(
                    registers.a, FUTEX_WAKE_OP | linux.FUTEX_PRIVATE_FLAG, 1, 1, registers.b, code, b=old
                )
                assert ours == kernels, hex(code)
                assert ours[0] in (0, -ENOSYS)


def test_conservation_of_a_whole_process(process):
    """Rows 11 and 12 as a law: what the wakes count is what the waits end with."""
    tasks = process.sleepers(7)
    for task in tasks[::3]:
        assert task.interrupt() < 0
    counted = process.wake(2) + process.requeue(1, 1) - 1
    counted += process.wake(INT_MAX) + process.wake(INT_MAX, B)
    ended = [task.result(0) for task in tasks]
    assert ended.count(0) == counted == 4


def test_deadlines_that_are_cancelled_leave_nothing(process):
    """Row 11 from the other side: a wait that timed out takes no wake with it."""
    first, second = process.threads(2)
    assert process.wait(first, timeout=process.after(1)) is None
    assert process.wait(second) is None
    assert expire(first) == -ETIMEDOUT
    assert process.wake() == 1
    assert second.result(0) == 0


def test_a_requeued_waiter_is_removed_by_identity(process):
    """A waiter that times out after it was moved leaves the queue that it is in, not the one it came from."""
    mover, stayer = process.threads(2)
    assert process.wait(mover, timeout=process.after(1)) is None
    assert process.wait(stayer, B) is None
    assert process.requeue(0, 1) == 1
    assert expire(mover) < 0
    assert process.wake(INT_MAX, B) == 1
    assert stayer.result(0) == 0


def test_wake_of_an_unknown_bitset_and_compare_with_a_wrong_value():
    """Arguments of both halves of CMP_REQUEUE are checked before the word is."""
    process = Process()
    assert futex(process.main, A, FUTEX_CMP_REQUEUE | 128, -1, 1, B, 99) == -EINVAL
    assert process.wake_bitset(1, 0) == -EINVAL
    assert process.wake_bitset(1, ANY) == 0
