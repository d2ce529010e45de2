"""requeue: the first are woken, the next move behind those of the second word."""

import errno

import pytest
from expect import oserror

from pyfutex import ALL, InvalidArgument, Mappable, Memory, Requeued, Waiter, WaiterState, WaitResult


@pytest.fixture
def line(queue_up):
    """Queue waiters whose wake is logged: ``line(addr, names)`` returns the log they share."""
    log = []

    def queue(addr, names, **options):
        for name in names:
            queue_up(addr, on_wake=lambda w: log.append(w.tag), tag=name, **options)
        return log

    return queue


def test_requeue_wakes_one_and_moves_the_rest_by_default(manager, memory, line):
    log = line(0, "abc")
    assert manager.requeue(memory, 0, 4) == Requeued(1, 2)
    assert log == ["a"]
    assert manager.wake(memory, 0, ALL) == 0
    assert manager.wake(memory, 4, ALL) == 2
    assert log == ["a", "b", "c"]


def test_requeue_reports_both_counts_by_name(manager, memory, line):
    line(0, "abcde")
    outcome = manager.requeue(memory, 0, 4, 2, 2)
    assert (outcome.woken, outcome.requeued) == (2, 2)
    assert len(manager.waiters(memory, 0)) == 1


def test_requeue_of_nobody_is_nothing(manager, memory):
    assert manager.requeue(memory, 0, 4) == (0, 0)


def test_requeue_goes_behind_those_who_are_there(manager, memory, line):
    line(4, "xy")
    log = line(0, "ab")
    assert manager.requeue(memory, 0, 4, 0) == (0, 2)
    assert manager.wake(memory, 4, ALL) == 4
    assert log == ["x", "y", "a", "b"]


def test_requeue_goes_behind_whatever_bucket_the_words_hash_to(manager, memory, line):
    log = line(0, "a")
    expected = []
    for addr in range(4, 1024, 4):
        line(addr, [addr])
        assert manager.requeue(memory, addr - 4, addr, 0) == (0, addr // 4)
        expected.insert(0, addr)
    assert manager.wake(memory, 1020, ALL) == 256
    assert log == [*expected, "a"]


def test_requeue_takes_no_more_than_its_counts(manager, memory, line):
    log = line(0, "abcdef")
    assert manager.requeue(memory, 0, 4, 2, 3) == (2, 3)
    assert log == ["a", "b"]
    assert [info.waiter.tag for info in manager.waiters(memory, 4)] == ["c", "d", "e"]
    assert [info.waiter.tag for info in manager.waiters(memory, 0)] == ["f"]


def test_requeue_of_zero_and_zero_does_nothing(manager, memory, line):
    line(0, "ab")
    assert manager.requeue(memory, 0, 4, 0, 0) == (0, 0)
    assert len(manager.waiters(memory, 0)) == 2


def test_requeue_wakes_only_where_no_more_may_move(manager, memory, line):
    log = line(0, "abc")
    assert manager.requeue(memory, 0, 4, 2, 0) == (2, 0)
    assert log == ["a", "b"]


@pytest.mark.parametrize("n", [ALL, 2**32, 2**100])
def test_requeue_takes_any_larger_count_for_all(manager, memory, line, n):
    line(0, "abc")
    assert manager.requeue(memory, 0, 4, 0, n) == (0, 3)
    assert manager.requeue(memory, 4, 0, n, n) == (3, 0)


@pytest.mark.parametrize("counts", [(-1, 1), (1, -1), (-1, -1), (-(2**70), 0)])
def test_requeue_refuses_negative_counts(manager, memory, line, counts):
    line(0, "ab")
    with oserror(errno.EINVAL, InvalidArgument):
        manager.requeue(memory, 0, 4, *counts)
    assert len(manager.waiters(memory, 0)) == 2


def test_requeue_ignores_bitsets_and_keeps_them(manager, memory, queue_up):
    w = queue_up(0, bitset=0b01)
    assert manager.requeue(memory, 0, 4, 0) == (0, 1)
    assert manager.wake(memory, 4, bitset=0b10) == 0
    assert manager.wake(memory, 4, bitset=0b01) == 1
    assert w.woken


def test_requeue_wakes_whatever_the_bitset(manager, memory, queue_up):
    w = queue_up(0, bitset=1 << 31)
    assert manager.requeue(memory, 0, 4) == (1, 0)
    assert w.woken


def test_requeue_onto_the_same_word_counts_and_moves_nobody(manager, memory, line):
    log = line(0, "abcd")
    assert manager.requeue(memory, 0, 0, 1, ALL) == (1, 3)
    assert manager.requeue(memory, 0, 0, 0, 2) == (0, 2)
    assert manager.wake(memory, 0, ALL) == 3
    assert log == ["a", "b", "c", "d"]


def test_requeue_onto_the_same_word_among_strangers_ends(manager, memory, line):
    line(4, "xyz")
    line(0, "a")
    assert manager.requeue(memory, 0, 0, 0, ALL) == (0, 1)
    assert len(manager) == 4


def test_requeue_onto_the_same_key_through_another_memory_moves_nobody(manager, line):
    segment = Mappable("segment")
    buffer = bytearray(64)
    one, two = Memory(buffer, mappable=segment), Memory(buffer, 0x1000, mappable=segment)
    log = line(0, "abc", mem=one)
    assert manager.requeue(one, 0, 0x1000, 0, mem2=two) == (0, 3)
    assert manager.wake(one, 0, ALL) == 3
    assert log == ["a", "b", "c"]


def test_requeue_moves_to_a_second_memory(manager, memory, queue_up):
    other = Memory(bytearray(64))
    w = queue_up(0)
    assert manager.requeue(memory, 0, 8, 0, mem2=other) == (0, 1)
    assert manager.wake(memory, 8) == 0
    assert manager.wake(other, 8) == 1
    assert w.woken


def test_requeue_between_shared_words_of_two_mappables(manager, queue_up):
    one = Memory(bytearray(64), mappable=Mappable("one"))
    two = Memory(bytearray(64), mappable=Mappable("two"))
    w = queue_up(0, mem=one)
    assert manager.requeue(one, 0, 0, 0, mem2=two) == (0, 1)
    assert manager.wake(one, 0) == 0
    assert manager.wake(two, 0) == 1
    assert w.woken


def test_requeue_chooses_private_or_shared_for_each_memory(manager, memory, queue_up):
    shared = Memory(bytearray(64), mappable=Mappable())
    w = queue_up(0)
    assert manager.requeue(memory, 0, 0, 0, mem2=shared) == (0, 1)
    assert w.key.mappable is not None
    assert manager.requeue(shared, 0, 4, 0, mem2=memory) == (0, 1)
    assert manager.wake(memory, 4) == 1


def test_requeue_private_finds_no_shared_waiter(manager, memory, queue_up):
    w = queue_up(0, private=False)
    assert manager.requeue(memory, 0, 4, private=True) == (0, 0)
    assert manager.requeue(memory, 0, 4, private=False) == (1, 0)
    assert w.woken


def test_requeue_does_not_look_at_the_words(manager, memory, line):
    line(0, "a")
    memory.store(0, 99)
    assert manager.requeue(memory, 0, 4, 0) == (0, 1)


@pytest.mark.parametrize(("addr", "addr2"), [(1, 4), (0, 6), (2, 2)])
def test_requeue_refuses_misaligned_addresses(manager, memory, line, addr, addr2):
    line(0, "a")
    with oserror(errno.EINVAL, InvalidArgument):
        manager.requeue(memory, addr, addr2)
    assert len(manager.waiters(memory, 0)) == 1


@pytest.mark.parametrize(("addr", "addr2"), [(4096, 4), (0, 4096), (-4, 0), (0, -4)])
def test_requeue_refuses_addresses_outside(manager, memory, line, addr, addr2):
    line(0, "a")
    with oserror(errno.EFAULT):
        manager.requeue(memory, addr, addr2)
    assert len(manager.waiters(memory, 0)) == 1


@pytest.mark.parametrize("counts", [(1, ALL), (0, 1), (1, 0), (0, ALL)])
@pytest.mark.parametrize("addr2", [0, 4])
def test_requeue_refuses_pi_waiters_in_every_shape(manager, memory, counts, addr2):
    memory.store(0, 77)
    w = Waiter()
    assert manager.lock_pi_prepare(w, memory, 0, tid=5) is None
    with oserror(errno.EINVAL, InvalidArgument) as caught:
        manager.requeue(memory, 0, addr2, *counts)
    assert (caught.value.woken, caught.value.requeued) == (0, 0)
    assert w.state is WaiterState.QUEUED
    assert manager.requeue(memory, 0, addr2, 0, 0) == (0, 0)


def test_requeue_moves_sleeping_threads(manager, memory, spawn, wait_until):
    sleepers = [spawn(manager.wait, memory, 0, 0) for _ in range(4)]
    wait_until(lambda: len(manager) == 4)
    assert manager.requeue(memory, 0, 4, 1, ALL) == (1, 3)
    wait_until(lambda: sum(sleeper.done for sleeper in sleepers) == 1)
    assert manager.wake(memory, 4, ALL) == 3
    assert [sleeper.result() for sleeper in sleepers] == [WaitResult.WOKEN] * 4
