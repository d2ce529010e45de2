"""Section 1 of the table: FUTEX_WAKE_OP."""

from errno import EFAULT, EINVAL, ENOSYS

import pytest
from semantics.process import ANY, INT_MIN, UNMAPPED, A, B, woken

from pyfutex.linux import (
    FUTEX_OP,
    FUTEX_OP_ADD,
    FUTEX_OP_ANDN,
    FUTEX_OP_CMP_EQ,
    FUTEX_OP_CMP_GE,
    FUTEX_OP_CMP_GT,
    FUTEX_OP_CMP_LE,
    FUTEX_OP_CMP_LT,
    FUTEX_OP_CMP_NE,
    FUTEX_OP_OPARG_SHIFT,
    FUTEX_OP_OR,
    FUTEX_OP_SET,
    FUTEX_OP_XOR,
)

PRIVATE = 128
WAKE_OP = 5
SHIFT = FUTEX_OP_OPARG_SHIFT
NEVER = FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_NE, 0)
ALWAYS = FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_EQ, 0)


@pytest.mark.parametrize(
    ("n", "n2", "op", "expected", "first", "second"),
    [
        (1, 1, ALWAYS, 2, [0], [0]),
        (2, 1, ALWAYS, 3, [0, 1], [0]),
        (1, 1, NEVER, 1, [0], []),
        (0, 0, ALWAYS, 2, [0], [0]),
        (-1, INT_MIN, ALWAYS, 2, [0], [0]),
        (0, 0, NEVER, 1, [0], []),
        (9, 9, ALWAYS, 4, [0, 1], [0, 1]),
    ],
)
def test_row_wake_op_returns_how_many_of_both(process, n, n2, op, expected, first, second):
    """[L E2] A count of none or less is one, for each word."""
    on_a, on_b = process.sleepers(2, A), process.sleepers(2, B)
    assert process.wake_op(n, n2, op) == expected
    assert (woken(on_a), woken(on_b)) == (first, second)


@pytest.mark.parametrize(
    ("op", "oparg", "before", "after"),
    [
        (FUTEX_OP_SET, 5, 9, 5),
        (FUTEX_OP_SET, 0xFFF, 0, ANY),
        (FUTEX_OP_SET, 0x800, 0, 0xFFFF_F800),
        (FUTEX_OP_ADD, 3, 4, 7),
        (FUTEX_OP_ADD, 0xFFF, 4, 3),
        (FUTEX_OP_ADD, 1, ANY, 0),
        (FUTEX_OP_OR, 6, 1, 7),
        (FUTEX_OP_ANDN, 6, 7, 1),
        (FUTEX_OP_XOR, 6, 5, 3),
        (FUTEX_OP_SET | SHIFT, 4, 0, 16),
        (FUTEX_OP_SET | SHIFT, 0x20, 0, 1),
        (FUTEX_OP_SET | SHIFT, 0x3F, 0, 1 << 31),
        (FUTEX_OP_SET | SHIFT, 0x800, 0, 1),
        (FUTEX_OP_SET | SHIFT, 0xFE1, 0, 2),
        (FUTEX_OP_ADD | SHIFT, 31, 1 << 31, 0),
        (FUTEX_OP_ANDN | SHIFT, 0, 3, 2),
    ],
)
def test_row_wake_op_operand(registers, op, oparg, before, after):
    """The operand is extended by its sign, and a shift is taken modulo 32."""
    r = registers
    kernels, ours = r.both(r.a, WAKE_OP | PRIVATE, 1, 1, r.b, FUTEX_OP(op, oparg, 0, 0), b=before)
    assert ours == (0, 0, after)
    assert ours == kernels


@pytest.mark.parametrize(
    ("cmp", "cmparg", "old", "holds"),
    [
        (FUTEX_OP_CMP_EQ, 5, 5, True),
        (FUTEX_OP_CMP_EQ, 0xFFF, 0xFFF, False),
        (FUTEX_OP_CMP_EQ, 0xFFF, ANY, True),
        (FUTEX_OP_CMP_NE, 5, 5, False),
        (FUTEX_OP_CMP_LT, 0, ANY, True),
        (FUTEX_OP_CMP_LT, 0, 1, False),
        (FUTEX_OP_CMP_LE, 0, 1 << 31, True),
        (FUTEX_OP_CMP_LE, 1, 1, True),
        (FUTEX_OP_CMP_GT, 0, ANY, False),
        (FUTEX_OP_CMP_GT, 0x800, 0, True),
        (FUTEX_OP_CMP_GE, 0, 1 << 31, False),
        (FUTEX_OP_CMP_GE, 0xFFE, ANY, True),
    ],
)
def test_row_wake_op_compares_with_a_sign(process, cmp, cmparg, old, holds):
    process.store(B, old)
    (task,) = process.sleepers(1, B)
    assert process.wake_op(1, 1, FUTEX_OP(FUTEX_OP_ADD, 0, cmp, cmparg)) == int(holds)
    assert task.blocked != holds


def test_row_wake_op_compares_the_old_value(process):
    process.sleepers(1, B)
    assert process.wake_op(1, 1, FUTEX_OP(FUTEX_OP_SET, 7, FUTEX_OP_CMP_EQ, 0)) == 1
    assert process.load(B) == 7


@pytest.mark.parametrize("op", [5, 6, 7, 13, 15])
def test_row_wake_op_a_bad_operation_touches_nothing(registers, process, op):
    encoded = FUTEX_OP(op, 3, 0, 0)
    kernels, ours = registers.both(registers.a, WAKE_OP | PRIVATE, 1, 1, registers.b, encoded, b=9)
    assert ours == kernels == (-ENOSYS, 0, 9)
    tasks = process.sleepers(1)
    assert process.wake_op(1, 1, encoded) == -ENOSYS
    assert woken(tasks) == []


@pytest.mark.parametrize("cmp", [6, 7, 10, 15])
def test_row_wake_op_a_bad_comparison_has_stored_and_wakes_nobody(registers, process, cmp):
    """[L E7]"""
    encoded = FUTEX_OP(FUTEX_OP_ADD, 3, cmp, 0)
    kernels, ours = registers.both(registers.a, WAKE_OP | PRIVATE, 1, 1, registers.b, encoded, b=9)
    assert ours == kernels == (-ENOSYS, 0, 12)
    tasks = process.sleepers(1)
    assert process.wake_op(1, 1, encoded) == -ENOSYS
    assert woken(tasks) == []
    assert process.load(B) == 3


def test_row_wake_op_meets_a_pi_waiter_after_it_has_stored(process):
    """[L C4]"""
    owner, locker = process.threads(2)
    process.lock(owner)
    process.lock(locker)
    assert process.wake_op(1, 1, FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 0)) == -EINVAL
    assert process.load(B) == 3
    assert locker.blocked


def test_row_wake_op_on_one_word(process):
    tasks = process.sleepers(4)
    assert process.wake_op(1, 2, ALWAYS, A, A) == 3
    assert woken(tasks) == [0, 1, 2]


def test_row_wake_op_on_one_word_that_it_changes(process):
    tasks = process.sleepers(3)
    assert process.wake_op(1, 1, FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 0), A, A) == 2
    assert process.load(A) == 1
    assert woken(tasks) == [0, 1]


def test_row_wake_op_faults(process):
    assert process.wake_op(1, 1, ALWAYS, A, UNMAPPED) == -EFAULT
    assert process.wake_op(1, 1, ALWAYS, A, B + 1) == -EINVAL
    assert process.wake_op(1, 1, ALWAYS, A + 1, B) == -EINVAL
    expected = 0 if process.layout == "private" else -EFAULT
    assert process.wake_op(1, 1, ALWAYS, UNMAPPED, B) == expected
