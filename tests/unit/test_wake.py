"""wake: how many, which, in which order, and what it never touches."""

import errno

import pytest
from expect import oserror

from pyfutex import ALL, ANY, InvalidArgument, Mappable, Memory, Waiter, WaiterState


def states(waiters):
    return [w.state for w in waiters]


def test_wake_with_nobody_waiting_wakes_nobody(manager, memory):
    assert manager.wake(memory, 0) == 0


def test_wake_ends_one_waiter(manager, memory, queue_up):
    w = queue_up()
    assert manager.wake(memory, 0) == 1
    assert (w.state, w.woken, w.result) == (WaiterState.DONE, True, 0)
    assert len(manager) == 0


def test_wake_wakes_one_by_default(manager, memory, queue_up):
    waiters = [queue_up() for _ in range(3)]
    assert manager.wake(memory, 0) == 1
    assert states(waiters) == [WaiterState.DONE, WaiterState.QUEUED, WaiterState.QUEUED]


def test_wake_is_first_come_first_woken(manager, memory, queue_up):
    woken = []
    for name in range(5):
        queue_up(on_wake=lambda w: woken.append(w.tag), tag=name)
    assert [manager.wake(memory, 0, n) for n in (2, 1, 5)] == [2, 1, 2]
    assert woken == [0, 1, 2, 3, 4]


def test_wake_n_of_more_leaves_the_rest_queued(manager, memory, queue_up):
    waiters = [queue_up() for _ in range(3)]
    assert manager.wake(memory, 0, 2) == 2
    assert states(waiters) == [WaiterState.DONE, WaiterState.DONE, WaiterState.QUEUED]
    assert len(manager) == 1


def test_wake_zero_wakes_nobody(manager, memory, queue_up):
    w = queue_up()
    assert manager.wake(memory, 0, 0) == 0
    assert w.state is WaiterState.QUEUED


@pytest.mark.parametrize("n", [ALL, ALL + 1, 2**32, 2**64, 2**100])
def test_wake_all_and_any_larger_count_wake_everybody(manager, memory, queue_up, n):
    waiters = [queue_up() for _ in range(4)]
    assert manager.wake(memory, 0, n) == 4
    assert all(w.woken for w in waiters)


@pytest.mark.parametrize("n", [-1, -(2**31), -(2**70)])
def test_wake_refuses_a_negative_count(manager, memory, queue_up, n):
    w = queue_up()
    with oserror(errno.EINVAL, InvalidArgument):
        manager.wake(memory, 0, n)
    assert w.state is WaiterState.QUEUED


def test_wake_does_not_look_at_the_word(manager, memory, queue_up):
    w = queue_up()
    memory.store(0, 12345)
    assert manager.wake(memory, 0) == 1
    assert w.woken


def test_wake_of_another_word_wakes_nobody(manager, memory, queue_up):
    w = queue_up(0)
    assert manager.wake(memory, 4, ALL) == 0
    assert w.state is WaiterState.QUEUED


def test_wake_finds_each_of_many_words(manager, memory, queue_up):
    waiters = {addr: queue_up(addr) for addr in range(0, memory.nbytes, 4)}
    assert len(manager) == len(waiters)
    for addr in reversed(waiters):
        assert manager.wake(memory, addr, ALL) == 1
        assert waiters[addr].woken
    assert len(manager) == 0


@pytest.mark.parametrize(
    ("queued", "asked", "woken"), [(0b01, 0b10, 0), (0b01, 0b01, 1), (0b11, 0b10, 1), (ANY, 1 << 31, 1)]
)
def test_wake_asks_for_a_common_bit(manager, memory, queue_up, queued, asked, woken):
    w = queue_up(bitset=queued)
    assert manager.wake(memory, 0, bitset=asked) == woken
    assert w.woken is bool(woken)


def test_wake_passes_over_waiters_of_other_bits_without_counting_them(manager, memory, queue_up):
    other = queue_up(bitset=0b01)
    first = queue_up(bitset=0b10)
    second = queue_up(bitset=0b10)
    assert manager.wake(memory, 0, 1, bitset=0b10) == 1
    assert states([other, first, second]) == [WaiterState.QUEUED, WaiterState.DONE, WaiterState.QUEUED]


def test_wake_refuses_an_empty_bitset(manager, memory, queue_up):
    w = queue_up()
    with oserror(errno.EINVAL, InvalidArgument):
        manager.wake(memory, 0, bitset=0)
    assert w.state is WaiterState.QUEUED


def test_wake_refuses_an_empty_bitset_even_for_nobody(manager, memory):
    with oserror(errno.EINVAL, InvalidArgument):
        manager.wake(memory, 0, 0, bitset=0)


@pytest.mark.parametrize("bitset", [-1, 2**32, 2**64])
def test_wake_refuses_a_bitset_of_more_than_32_bits(manager, memory, bitset):
    with pytest.raises(OverflowError):
        manager.wake(memory, 0, bitset=bitset)


def test_wake_private_and_shared_never_match(manager, memory, queue_up):
    private = queue_up(private=True)
    shared = queue_up(private=False)
    assert manager.wake(memory, 0, ALL, private=False) == 1
    assert states([private, shared]) == [WaiterState.QUEUED, WaiterState.DONE]
    assert manager.wake(memory, 0, ALL, private=True) == 1
    assert private.woken


def test_wake_is_private_by_default_without_a_mappable(manager, memory, queue_up):
    queue_up(private=True)
    assert manager.wake(memory, 0) == 1


def test_wake_is_shared_by_default_with_a_mappable(manager, queue_up):
    shared = Memory(bytearray(64), mappable=Mappable("segment"))
    queue_up(mem=shared)
    assert manager.wake(shared, 0, private=True) == 0
    assert manager.wake(shared, 0, private=False) == 1


def test_wake_meets_waiters_of_another_memory_over_the_same_bytes(manager, queue_up):
    buffer = bytearray(64)
    whole = Memory(buffer)
    tail = Memory(memoryview(buffer)[16:])
    w = queue_up(20, mem=whole)
    assert manager.wake(tail, 4) == 1
    assert w.woken


def test_wake_never_confuses_two_memories(manager, queue_up):
    first, second = Memory(bytearray(64)), Memory(bytearray(64))
    w = queue_up(mem=first)
    assert manager.wake(second, 0, ALL) == 0
    assert w.state is WaiterState.QUEUED


def test_wake_never_confuses_two_memories_of_the_same_base(manager, queue_up):
    first, second = Memory(bytearray(64), 0x1000), Memory(bytearray(64), 0x1000)
    w = queue_up(0x1000, mem=first)
    assert manager.wake(second, 0x1000, ALL) == 0
    assert manager.wake(first, 0x1000, ALL) == 1
    assert w.woken


def test_wake_of_another_manager_wakes_nobody(memory, manager, queue_up):
    w = queue_up()
    assert type(manager)().wake(memory, 0, ALL) == 0
    assert w.state is WaiterState.QUEUED


def test_wake_of_a_mappable_meets_it_at_any_offset_it_is_mapped_at(manager, queue_up):
    segment = Mappable("segment")
    buffer = bytearray(128)
    whole = Memory(buffer, mappable=segment)
    tail = Memory(memoryview(buffer)[64:], 0x7000, mappable=segment, offset=64)
    w = queue_up(68, mem=whole)
    assert manager.wake(tail, 0x7004) == 1
    assert w.woken


def test_wake_that_meets_a_pi_waiter_wakes_nobody(manager, memory, queue_up):
    memory.store(4, 77)
    pi = Waiter()
    assert manager.lock_pi_prepare(pi, memory, 4, tid=5) is None
    plain = queue_up(0)
    assert manager.requeue(memory, 0, 4, 0, 1) == (0, 1)
    with oserror(errno.EINVAL, InvalidArgument) as caught:
        manager.wake(memory, 4, ALL)
    assert caught.value.woken == 0
    assert states([pi, plain]) == [WaiterState.QUEUED, WaiterState.QUEUED]
    assert manager.wake(memory, 4, 0) == 0


def test_wake_keeps_its_count_when_on_wake_raises(manager, memory, queue_up, monkeypatch):
    unraisable = []
    monkeypatch.setattr("sys.unraisablehook", lambda report: unraisable.append(report.exc_type))

    def fail(w):
        raise LookupError(w)

    waiters = [queue_up(on_wake=fail) for _ in range(3)]
    assert manager.wake(memory, 0, ALL) == 3
    assert unraisable == [LookupError] * 3
    assert all(w.woken for w in waiters)


def test_wake_may_be_called_from_on_wake(manager, memory, queue_up):
    second = queue_up(4)
    queue_up(0, on_wake=lambda w: manager.wake(memory, 4))
    assert manager.wake(memory, 0) == 1
    assert second.woken
