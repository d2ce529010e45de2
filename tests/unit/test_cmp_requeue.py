"""cmp_requeue: requeue, if the first word still holds a value."""

import errno

import pytest
from expect import oserror

from pyfutex import ALL, InvalidArgument, Mappable, Memory, Requeued, Waiter, WaiterState


def test_cmp_requeue_requeues_where_the_word_holds_the_value(manager, memory, queue_up):
    memory.store(0, 7)
    first, second = queue_up(0, 7), queue_up(0, 7)
    assert manager.cmp_requeue(memory, 0, 4, 7) == Requeued(1, 1)
    assert (first.woken, second.woken) == (True, False)
    assert manager.wake(memory, 4) == 1


def test_cmp_requeue_answers_none_where_the_word_differs(manager, memory, queue_up):
    w = queue_up(0)
    assert manager.cmp_requeue(memory, 0, 4, 1) is None
    assert w.state is WaiterState.QUEUED
    assert len(manager.waiters(memory, 0)) == 1


def test_cmp_requeue_compares_the_first_word_alone(manager, memory, queue_up):
    memory.store(4, 9)
    queue_up(0)
    assert manager.cmp_requeue(memory, 0, 4, 9) is None
    assert manager.cmp_requeue(memory, 0, 4, 0) == (1, 0)


def test_cmp_requeue_compares_with_nobody_waiting(manager, memory):
    assert manager.cmp_requeue(memory, 0, 4, 1) is None
    assert manager.cmp_requeue(memory, 0, 4, 0) == (0, 0)


def test_cmp_requeue_compares_even_with_nothing_to_do(manager, memory, queue_up):
    queue_up(0)
    assert manager.cmp_requeue(memory, 0, 4, 1, 0, 0) is None
    assert manager.cmp_requeue(memory, 0, 4, 0, 0, 0) == (0, 0)


def test_cmp_requeue_compares_all_32_bits(manager, memory, queue_up):
    memory.store(0, 0xFFFF_FFFF)
    queue_up(0, 0xFFFF_FFFF)
    assert manager.cmp_requeue(memory, 0, 4, 0x7FFF_FFFF) is None
    assert manager.cmp_requeue(memory, 0, 4, 0xFFFF_FFFF) == (1, 0)


@pytest.mark.parametrize("val", [-1, 2**32, 2**100])
def test_cmp_requeue_refuses_values_of_more_than_32_bits(manager, memory, val):
    with pytest.raises(OverflowError):
        manager.cmp_requeue(memory, 0, 4, val)


@pytest.mark.parametrize("n", [ALL, 2**32, 2**100])
def test_cmp_requeue_takes_any_larger_count_for_all(manager, memory, queue_up, n):
    for _ in range(3):
        queue_up(0)
    assert manager.cmp_requeue(memory, 0, 4, 0, 0, n) == (0, 3)
    assert manager.cmp_requeue(memory, 4, 0, 0, n, n) == (3, 0)


@pytest.mark.parametrize("counts", [(-1, 1), (1, -1), (-(2**70), 0)])
def test_cmp_requeue_refuses_negative_counts_before_it_compares(manager, memory, counts):
    with oserror(errno.EINVAL, InvalidArgument):
        manager.cmp_requeue(memory, 0, 4, 1, *counts)


def test_cmp_requeue_onto_the_same_word_keeps_the_order(manager, memory, queue_up):
    log = []
    for name in "abcd":
        queue_up(0, on_wake=lambda w: log.append(w.tag), tag=name)
    assert manager.cmp_requeue(memory, 0, 0, 0, 1, ALL) == (1, 3)
    manager.wake(memory, 0, ALL)
    assert log == ["a", "b", "c", "d"]


@pytest.mark.parametrize(("addr", "addr2"), [(1, 4), (0, 6)])
def test_cmp_requeue_refuses_misaligned_addresses_before_it_compares(manager, memory, addr, addr2):
    with oserror(errno.EINVAL, InvalidArgument):
        manager.cmp_requeue(memory, addr, addr2, 1)


@pytest.mark.parametrize(("addr", "addr2"), [(4096, 4), (0, 4096), (-4, 0)])
def test_cmp_requeue_refuses_addresses_outside_before_it_compares(manager, memory, addr, addr2):
    with oserror(errno.EFAULT):
        manager.cmp_requeue(memory, addr, addr2, 1)


def test_cmp_requeue_compares_before_it_meets_a_pi_waiter(manager, memory):
    memory.store(0, 77)
    w = Waiter()
    assert manager.lock_pi_prepare(w, memory, 0, tid=5) is None
    assert manager.cmp_requeue(memory, 0, 4, 77) is None
    with oserror(errno.EINVAL, InvalidArgument) as caught:
        manager.cmp_requeue(memory, 0, 4, memory.load(0))
    assert (caught.value.woken, caught.value.requeued) == (0, 0)
    assert w.state is WaiterState.QUEUED


def test_cmp_requeue_moves_to_a_second_memory(manager, memory, queue_up):
    other = Memory(bytearray(64), mappable=Mappable())
    w = queue_up(0)
    assert manager.cmp_requeue(memory, 0, 8, 0, 0, mem2=other) == (0, 1)
    assert manager.wake(other, 8) == 1
    assert w.woken


def test_cmp_requeue_private_finds_no_shared_waiter(manager, memory, queue_up):
    queue_up(0, private=False)
    assert manager.cmp_requeue(memory, 0, 4, 0) == (0, 0)
    assert manager.cmp_requeue(memory, 0, 4, 0, private=False) == (1, 0)
