"""wake_op: change the second word, wake on the first, and on the second if its old value passes."""

import errno

import pytest
from expect import oserror
from model import (
    CMP_EQ,
    CMP_GE,
    CMP_GT,
    CMP_LE,
    CMP_LT,
    CMP_NE,
    OP_ADD,
    OP_ANDN,
    OP_OR,
    OP_SET,
    OP_SHIFT,
    OP_XOR,
    apply_op,
    compare_op,
    encode_op,
)

from pyfutex import ALL, InvalidArgument, Mappable, Memory, Waiter, WaiterState

ALWAYS = (CMP_GE, 0x800)
NEVER = (CMP_LT, 0x800)
HARMLESS = encode_op(OP_ADD, 0, *ALWAYS)


def test_wake_op_wakes_on_both_words(manager, memory, queue_up):
    first, second = queue_up(0), queue_up(4)
    assert manager.wake_op(memory, 0, 4, HARMLESS) == 2
    assert first.woken
    assert second.woken


def test_wake_op_leaves_the_second_word_where_the_comparison_fails(manager, memory, queue_up):
    first, second = queue_up(0), queue_up(4)
    assert manager.wake_op(memory, 0, 4, encode_op(OP_ADD, 1, *NEVER)) == 1
    assert (first.woken, second.woken) == (True, False)
    assert memory.load(4) == 1


def test_wake_op_with_nobody_waiting_changes_the_word(manager, memory):
    assert manager.wake_op(memory, 0, 4, encode_op(OP_SET, 42, *ALWAYS)) == 0
    assert (memory.load(0), memory.load(4)) == (0, 42)


def test_wake_op_wakes_one_on_each_by_default(manager, memory, queue_up):
    for addr in (0, 0, 4, 4):
        queue_up(addr)
    assert manager.wake_op(memory, 0, 4, HARMLESS) == 2
    assert (len(manager.waiters(memory, 0)), len(manager.waiters(memory, 4))) == (1, 1)


@pytest.mark.parametrize(
    ("counts", "woken"), [((0, 0), (0, 0)), ((2, 1), (2, 1)), ((0, 3), (0, 3)), ((ALL, 2**100), (3, 3))]
)
def test_wake_op_wakes_as_many_as_asked(manager, memory, queue_up, counts, woken):
    for addr in (0, 0, 0, 4, 4, 4):
        queue_up(addr)
    assert manager.wake_op(memory, 0, 4, HARMLESS, *counts) == sum(woken)
    assert len(manager.waiters(memory, 0)) == 3 - woken[0]
    assert len(manager.waiters(memory, 4)) == 3 - woken[1]


def test_wake_op_wakes_the_first_word_before_the_second(manager, memory, queue_up):
    log = []
    for addr, name in [(4, "second"), (0, "first")]:
        queue_up(addr, on_wake=lambda w: log.append(w.tag), tag=name)
    manager.wake_op(memory, 0, 4, HARMLESS)
    assert log == ["first", "second"]


def test_wake_op_on_one_word_wakes_both_shares(manager, memory, queue_up):
    log = []
    for name in "abc":
        queue_up(0, on_wake=lambda w: log.append(w.tag), tag=name)
    assert manager.wake_op(memory, 0, 0, HARMLESS) == 2
    assert log == ["a", "b"]


def test_wake_op_on_one_word_wakes_the_first_share_where_the_comparison_fails(manager, memory, queue_up):
    for _ in range(3):
        queue_up(0)
    assert manager.wake_op(memory, 0, 0, encode_op(OP_ADD, 1, *NEVER)) == 1


def test_wake_op_ignores_bitsets(manager, memory, queue_up):
    queue_up(0, bitset=1)
    queue_up(4, bitset=1 << 31)
    assert manager.wake_op(memory, 0, 4, HARMLESS) == 2


@pytest.mark.parametrize(
    ("op", "operand", "old", "new"),
    [
        (OP_SET, 42, 7, 42),
        (OP_ADD, 5, 7, 12),
        (OP_OR, 0b1100, 0b1010, 0b1110),
        (OP_ANDN, 0b1100, 0b1010, 0b0010),
        (OP_XOR, 0b1100, 0b1010, 0b0110),
    ],
)
def test_wake_op_has_five_operations(manager, memory, op, operand, old, new):
    memory.store(4, old)
    manager.wake_op(memory, 0, 4, encode_op(op, operand, *ALWAYS))
    assert memory.load(4) == new


@pytest.mark.parametrize("op", [OP_SET, OP_ADD, OP_OR, OP_ANDN, OP_XOR])
@pytest.mark.parametrize("shift", [0, 5, 31, 0x20, 0x3F, 0x800, 0xFE1])
def test_wake_op_shifts_its_operand_by_five_bits_of_it(manager, memory, op, shift):
    old = 0xA5A5_5A5A
    memory.store(4, old)
    encoded = encode_op(op | OP_SHIFT, shift, *ALWAYS)
    manager.wake_op(memory, 0, 4, encoded)
    assert memory.load(4) == apply_op(encoded, old)


@pytest.mark.parametrize(
    ("op", "operand", "old", "new"),
    [
        (OP_SET, 0xFFF, 7, 0xFFFF_FFFF),
        (OP_SET, 0x800, 7, 0xFFFF_F800),
        (OP_SET, 0x7FF, 7, 0x7FF),
        (OP_ADD, 0xFFF, 7, 6),
        (OP_OR, 0xFFE, 1, 0xFFFF_FFFF),
        (OP_ANDN, 0xFFE, 7, 1),
        (OP_XOR, 0xFFF, 0, 0xFFFF_FFFF),
    ],
)
def test_wake_op_extends_the_sign_of_its_operand(manager, memory, op, operand, old, new):
    memory.store(4, old)
    manager.wake_op(memory, 0, 4, encode_op(op, operand, *ALWAYS))
    assert memory.load(4) == new


@pytest.mark.parametrize(
    ("operand", "old", "new"),
    [(1, 0xFFFF_FFFF, 0), (0xFFF, 0, 0xFFFF_FFFF), (0x7FF, 0xFFFF_FFFF, 0x7FE)],
)
def test_wake_op_add_wraps_around(manager, memory, operand, old, new):
    memory.store(4, old)
    manager.wake_op(memory, 0, 4, encode_op(OP_ADD, operand, *ALWAYS))
    assert memory.load(4) == new


@pytest.mark.parametrize("cmp", [CMP_EQ, CMP_NE, CMP_LT, CMP_LE, CMP_GT, CMP_GE])
@pytest.mark.parametrize("old", [0, 1, 2, 0xFFE, 0xFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF])
@pytest.mark.parametrize("cmparg", [0, 1, 0x7FF, 0x800, 0xFFF])
def test_wake_op_has_six_signed_comparisons(manager, memory, queue_up, cmp, old, cmparg):
    memory.store(4, old)
    w = queue_up(4, old)
    encoded = encode_op(OP_SET, 3, cmp, cmparg)
    passes = compare_op(encoded, old)
    assert manager.wake_op(memory, 0, 4, encoded) == int(passes)
    assert w.woken is passes


@pytest.mark.parametrize(
    ("cmp", "cmparg", "old", "passes"),
    [
        (CMP_LT, 0, 0xFFFF_FFFF, True),
        (CMP_LE, 0, 0x8000_0000, True),
        (CMP_EQ, 0xFFF, 0xFFF, False),
        (CMP_EQ, 0xFFF, 0xFFFF_FFFF, True),
        (CMP_GT, 0xFFF, 0, True),
    ],
)
def test_wake_op_compares_as_the_kernel_was_seen_to(manager, memory, queue_up, cmp, cmparg, old, passes):
    memory.store(4, old)
    queue_up(4, old)
    assert manager.wake_op(memory, 0, 4, encode_op(OP_ADD, 0, cmp, cmparg)) == int(passes)


def test_wake_op_compares_the_value_before_the_change(manager, memory, queue_up):
    queue_up(4)
    assert manager.wake_op(memory, 0, 4, encode_op(OP_SET, 5, CMP_EQ, 5)) == 0
    assert manager.wake_op(memory, 0, 4, encode_op(OP_SET, 6, CMP_EQ, 5)) == 1


@pytest.mark.parametrize("op", [5, 6, 7, 13, 14, 15])
def test_wake_op_of_an_unknown_operation_changes_and_wakes_nothing(manager, memory, queue_up, op):
    memory.store(4, 7)
    waiters = [queue_up(0), queue_up(4, 7)]
    with oserror(errno.ENOSYS):
        manager.wake_op(memory, 0, 4, encode_op(op, 1, *ALWAYS))
    assert memory.load(4) == 7
    assert [w.state for w in waiters] == [WaiterState.QUEUED] * 2


@pytest.mark.parametrize("cmp", range(6, 16))
def test_wake_op_of_an_unknown_comparison_changes_the_word_and_wakes_nobody(manager, memory, queue_up, cmp):
    memory.store(4, 7)
    waiters = [queue_up(0), queue_up(4, 7)]
    with oserror(errno.ENOSYS):
        manager.wake_op(memory, 0, 4, encode_op(OP_ADD, 1, cmp, 0))
    assert memory.load(4) == 8
    assert [w.state for w in waiters] == [WaiterState.QUEUED] * 2


def test_wake_op_of_an_unknown_operation_and_comparison_changes_nothing(manager, memory):
    memory.store(4, 7)
    with oserror(errno.ENOSYS):
        manager.wake_op(memory, 0, 4, encode_op(7, 1, 15, 0))
    assert memory.load(4) == 7


@pytest.mark.parametrize("counts", [(-1, 1), (1, -1), (-(2**70), 0)])
def test_wake_op_refuses_negative_counts_and_changes_nothing(manager, memory, counts):
    with oserror(errno.EINVAL, InvalidArgument):
        manager.wake_op(memory, 0, 4, encode_op(OP_SET, 1, *ALWAYS), *counts)
    assert memory.load(4) == 0


@pytest.mark.parametrize(("addr", "addr2"), [(1, 4), (0, 6), (3, 3)])
def test_wake_op_refuses_misaligned_addresses_and_changes_nothing(manager, memory, addr, addr2):
    with oserror(errno.EINVAL, InvalidArgument):
        manager.wake_op(memory, addr, addr2, encode_op(OP_SET, 1, *ALWAYS))
    assert memory.load(4) == 0


@pytest.mark.parametrize(("addr", "addr2"), [(4096, 4), (0, 4096), (-4, 4), (0, -4)])
def test_wake_op_refuses_addresses_outside_and_changes_nothing(manager, memory, addr, addr2):
    with oserror(errno.EFAULT):
        manager.wake_op(memory, addr, addr2, encode_op(OP_SET, 1, *ALWAYS))
    assert memory.load(4) == 0


def test_wake_op_that_meets_a_pi_waiter_first_has_changed_the_word(manager, memory, queue_up):
    memory.store(0, 77)
    pi = Waiter()
    assert manager.lock_pi_prepare(pi, memory, 0, tid=5) is None
    plain = queue_up(4)
    with oserror(errno.EINVAL, InvalidArgument) as caught:
        manager.wake_op(memory, 0, 4, encode_op(OP_SET, 9, *ALWAYS))
    assert caught.value.woken == 0
    assert memory.load(4) == 9
    assert [pi.state, plain.state] == [WaiterState.QUEUED] * 2


def test_wake_op_that_meets_a_pi_waiter_second_keeps_its_first_wakes(manager, memory, queue_up):
    plain = [queue_up(0) for _ in range(3)]
    memory.store(4, 77)
    pi = Waiter()
    assert manager.lock_pi_prepare(pi, memory, 4, tid=5) is None
    with oserror(errno.EINVAL, InvalidArgument) as caught:
        manager.wake_op(memory, 0, 4, encode_op(OP_ADD, 0, CMP_NE, 0), 2, 1)
    assert caught.value.woken == 2
    assert [w.woken for w in plain] == [True, True, False]
    assert pi.state is WaiterState.QUEUED


def test_wake_op_works_in_a_second_memory(manager, memory, queue_up):
    other = Memory(bytearray(64), mappable=Mappable())
    queue_up(0)
    queue_up(8, mem=other)
    assert manager.wake_op(memory, 0, 8, encode_op(OP_SET, 5, *ALWAYS), mem2=other) == 2
    assert (memory.load(8), other.load(8)) == (0, 5)


def test_wake_op_between_two_shared_words(manager, queue_up):
    one = Memory(bytearray(64), mappable=Mappable())
    two = Memory(bytearray(64), mappable=Mappable())
    queue_up(0, mem=one)
    queue_up(0, mem=two)
    assert manager.wake_op(one, 0, 0, HARMLESS, mem2=two) == 2


def test_wake_op_private_finds_no_shared_waiter(manager, memory, queue_up):
    queue_up(0, private=False)
    queue_up(4, private=False)
    assert manager.wake_op(memory, 0, 4, HARMLESS) == 0
    assert manager.wake_op(memory, 0, 4, HARMLESS, private=False) == 2
