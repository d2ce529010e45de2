"""waitv_prepare: one waiter queued on several words, and every way in which that ends."""

import asyncio
import errno
import gc
import os
import select
import weakref

import pytest
from model import CMP_EQ, OP_SET, encode_op

from pyfutex import (
    ALL,
    AddressSpace,
    CompletionQueue,
    InvalidArgument,
    KeyKind,
    Manager,
    Mappable,
    Memory,
    Target,
    Waiter,
    WaiterState,
    WaitItem,
    WaitResult,
)


class LoadTarget(Target):
    """A target whose load is the given call."""

    def __init__(self, call):
        self.call = call

    def load(self, addr, size=4, /):
        return self.call(addr)


class LoadError(Exception):
    """What a load of these tests raises."""


@pytest.fixture
def queue_vector(manager, memory):
    """Queue a new `Waiter` on words of value 0: ``queue_vector(addr, ..., on_wake=, queue=)``."""

    def queue(*addrs, on_wake=None, queue=None, mem=memory):
        w = Waiter(on_wake, queue=queue)
        assert manager.waitv_prepare(w, [(mem, addr, 0) for addr in addrs]) is None
        assert w.state is WaiterState.QUEUED
        return w

    return queue


def test_a_vector_and_a_waiter_of_the_same_word_are_both_told(manager, memory, queue_up, queue_vector):
    called = []
    waiters = [queue_up(0, on_wake=called.append), queue_vector(0, 4, on_wake=called.append)]
    assert manager.wake(memory, 0, ALL) == 2
    assert called == waiters


def test_each_item_is_queued(manager, memory, queue_vector):
    w = queue_vector(0, 4, 0)
    assert len(manager) == 3
    assert [info.waiter for info in manager.waiters()] == [w, w, w]
    assert {(info.kind, info.tid) for info in manager.waiters()} == {("PLAIN", 0)}
    assert len(manager.waiters(memory, 0)) == 2
    assert (w.result, w.key, w.woken) == (None, None, False)


@pytest.mark.parametrize("index", range(4))
def test_result_is_the_index_of_the_item_that_was_woken(manager, memory, queue_vector, index):
    w = queue_vector(0, 4, 8, 12)
    assert manager.wake(memory, 4 * index) == 1
    assert (w.state, w.result) == (WaiterState.DONE, index)
    assert w.key.offset == memory.host_address + 4 * index
    assert len(manager) == 0
    assert [manager.wake(memory, addr, ALL) for addr in (0, 4, 8, 12)] == [0, 0, 0, 0]


def test_every_entry_that_a_wake_takes_counts_and_the_last_one_is_the_result(manager, memory, queue_vector):
    w = queue_vector(0, 4, 0, 0, 8)
    assert manager.wake(memory, 0, 10) == 3
    assert w.result == 3


def test_one_wake_of_a_word_listed_twice_takes_one_entry(manager, memory, queue_vector):
    w = queue_vector(0, 0)
    assert manager.wake(memory, 0) == 1
    assert w.result == 0
    assert len(manager) == 0


def test_entries_are_woken_in_their_order_among_plain_waiters(manager, memory, queue_up, queue_vector):
    before, w, after = queue_up(0), queue_vector(4, 0), queue_up(0)
    assert manager.wake(memory, 0, 2) == 2
    assert (before.woken, w.result, after.woken) == (True, 1, False)


def test_one_wake_may_take_entries_of_many_vectors(manager, memory, queue_vector):
    vectors = [queue_vector(4 * i + 4, 0, 4 * i + 8) for i in range(50)]
    assert manager.wake(memory, 0, ALL) == 50
    assert [w.result for w in vectors] == [1] * 50
    assert len(manager) == 0


def test_a_bitset_wake_reaches_entries(manager, memory, queue_vector):
    w = queue_vector(0, 4)
    assert manager.wake(memory, 4, bitset=1 << 31) == 1
    assert w.result == 1


def test_requeue_moves_an_entry_and_its_new_key_is_told(manager, memory, queue_vector):
    w = queue_vector(0, 4)
    assert manager.requeue(memory, 4, 64, 0) == (0, 1)
    assert manager.wake(memory, 4) == 0
    assert manager.wake(memory, 64) == 1
    assert w.result == 1
    assert w.key.offset == memory.host_address + 64
    assert len(manager) == 0


def test_requeue_wakes_entries(manager, memory, queue_vector):
    w = queue_vector(0, 4)
    assert manager.requeue(memory, 4, 64) == (1, 0)
    assert w.result == 1


def test_cmp_requeue_wakes_one_vector_and_moves_another(manager, memory, queue_vector):
    first, second = queue_vector(0, 4), queue_vector(8, 4)
    assert manager.cmp_requeue(memory, 4, 0, 0) == (1, 1)
    assert first.result == 1
    assert manager.wake(memory, 0) == 1
    assert second.result == 1


def test_wake_op_takes_entries_of_both_words(manager, memory, queue_vector):
    w = queue_vector(0, 4, 8)
    assert manager.wake_op(memory, 0, 4, encode_op(OP_SET, 1, CMP_EQ, 0)) == 2
    assert w.result == 1
    assert len(manager) == 0


def test_unlock_pi_refuses_where_an_entry_waits(manager, memory, queue_vector):
    memory.store(64, 0)
    w = queue_vector(0, 64)
    memory.store(64, 7)
    with pytest.raises(ValueError, match="kind"):
        manager.unlock_pi(memory, 64, tid=7)
    assert w.cancel()


def test_cancel_takes_every_entry_out(manager, memory, queue_vector):
    w = queue_vector(0, 4, 0)
    assert w.cancel() is True
    assert (w.state, w.result, w.key) == (WaiterState.CANCELLED, None, None)
    assert len(manager) == 0
    assert w.cancel() is False
    assert manager.wake(memory, 0, ALL) == 0


def test_cancel_finds_an_entry_that_was_requeued(manager, memory, queue_vector):
    w = queue_vector(0, 4)
    manager.requeue(memory, 4, 64, 0)
    assert w.cancel() is True
    assert len(manager) == 0


def test_wait_complete_tells_whether_it_was_woken(manager, memory, queue_vector):
    w = queue_vector(0, 4)
    assert manager.wait_complete(w) is False
    assert len(manager) == 0
    w = queue_vector(0, 4)
    manager.wake(memory, 4)
    assert manager.wait_complete(w) is True
    assert w.result == 1


def test_on_wake_is_called_once_with_the_result_there(manager, memory, queue_vector):
    seen = []
    queue_vector(0, 4, 0, on_wake=lambda w: seen.append((w.result, len(manager))))
    assert manager.wake(memory, 0, ALL) == 2
    assert seen == [(2, 0)]


def test_a_completion_queue_gets_it_once(manager, memory, queue_vector):
    completions = CompletionQueue()
    w = queue_vector(0, 4, 0, queue=completions)
    manager.wake(memory, 0, ALL)
    assert completions.drain() == [w]
    assert w.result == 2


def test_fileno_becomes_readable(manager, memory, queue_vector):
    w = queue_vector(0, 4)
    descriptor = w.fileno()
    assert select.select([descriptor], [], [], 0)[0] == []
    manager.wake(memory, 4)
    assert select.select([descriptor], [], [], 0)[0] == [descriptor]


def test_fileno_is_rung_whichever_entry_it_was_set_under(manager, memory, queue_vector):
    w = queue_vector(0, 4)
    manager.requeue(memory, 0, 64, 0)
    descriptor = w.fileno()
    manager.wake(memory, 64)
    assert select.select([descriptor], [], [], 0)[0] == [descriptor]


def test_fileno_asked_for_after_the_wake_is_readable(manager, memory, queue_vector):
    w = queue_vector(0, 4)
    manager.wake(memory, 0)
    assert select.select([w], [], [], 0)[0] == [w]


def test_wait_sleeps_until_an_entry_is_woken(manager, memory, queue_vector, spawn, wait_until):
    w = queue_vector(0, 4)
    sleeper = spawn(w.wait)
    wait_until(lambda: any(info.queued_for > 0 for info in manager.waiters()))
    assert manager.wake(memory, 4) == 1
    assert sleeper.result() is WaitResult.WOKEN
    assert w.result == 1


def test_wait_times_out_and_it_stays_queued(manager, memory, queue_vector):
    w = queue_vector(0, 4)
    assert w.wait(0.01) is WaitResult.TIMEOUT
    assert len(manager) == 2
    assert manager.wake(memory, 0) == 1


def test_await_ends_with_the_wake(manager, memory, queue_vector):
    async def waits():
        w = queue_vector(0, 4)
        asyncio.get_running_loop().call_soon(manager.wake, memory, 4)
        return await w, w.result

    assert asyncio.run(waits()) == (WaitResult.WOKEN, 1)


def test_a_cancelled_await_takes_every_entry_out(manager, queue_vector):
    async def gives_up():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await queue_vector(0, 4)

    asyncio.run(gives_up())
    assert len(manager) == 0


def test_a_word_that_differs_is_eagain_and_nothing_stays_queued(manager, memory):
    memory.store(8, 1)
    w = Waiter()
    assert manager.waitv_prepare(w, [(memory, 0, 0), (memory, 4, 0), (memory, 8, 0)]) == -errno.EAGAIN
    assert (w.state, len(manager)) == (WaiterState.IDLE, 0)


@pytest.mark.parametrize(
    ("addr", "number"),
    [(2, errno.EINVAL), (4096, errno.EFAULT), (-4, errno.EFAULT), (2**64, errno.EFAULT)],
)
def test_a_bad_address_is_an_errno_and_nothing_stays_queued(manager, memory, addr, number):
    w = Waiter()
    assert manager.waitv_prepare(w, [(memory, 0, 0), (memory, addr, 0)]) == -number
    assert (w.state, len(manager)) == (WaiterState.IDLE, 0)


def test_a_bad_address_comes_before_a_word_that_differs(manager, memory):
    assert manager.waitv_prepare(Waiter(), [(memory, 0, 1), (memory, 2, 0)]) == -errno.EINVAL


def test_no_items_are_einval(manager):
    assert manager.waitv_prepare(Waiter(), []) == -errno.EINVAL


@pytest.mark.parametrize("number", [31, 32, 33, 128, 129, 1000])
def test_any_number_of_items(manager, memory, queue_vector, number):
    w = queue_vector(*range(0, 4 * number, 4))
    assert len(manager) == number
    assert manager.wake(memory, 4 * number - 4) == 1
    assert w.result == number - 1
    assert len(manager) == 0


@pytest.mark.parametrize("size", [0, 3, 16, -4])
def test_other_sizes_are_refused(manager, memory, size):
    with pytest.raises(InvalidArgument):
        manager.waitv_prepare(Waiter(), [WaitItem(memory, 0, 0, size=size)])


@pytest.mark.parametrize("item", [None, 5, "abc", [0, 0, 0], (), (1, 2), (1, 2, 3), (1, 2, 3, None, 4, 6)])
def test_what_is_no_item_is_a_type_error(manager, memory, item):
    w = Waiter()
    with pytest.raises(TypeError):
        manager.waitv_prepare(w, [(memory, 0, 0), item])
    assert (w.state, len(manager)) == (WaiterState.IDLE, 0)


@pytest.mark.parametrize("value", [-1, 2**32])
def test_a_value_of_more_than_32_bits_is_an_overflow(manager, memory, value):
    with pytest.raises(OverflowError):
        manager.waitv_prepare(Waiter(), [(memory, 0, value)])


def test_items_may_come_from_any_iterable_and_as_wait_items(manager, memory):
    w = Waiter()
    items = (WaitItem(memory, addr, 0, private=True) for addr in (0, 4))
    assert manager.waitv_prepare(w, items) is None
    assert manager.wake(memory, 4, private=True) == 1


def test_a_queued_waiter_is_refused(manager, memory, queue_vector):
    w = queue_vector(0, 4)
    with pytest.raises(RuntimeError):
        manager.waitv_prepare(w, [(memory, 8, 0)])
    with pytest.raises(RuntimeError):
        manager.wait_prepare(w, memory, 8, 0)
    assert w.cancel()


def test_private_and_shared_words_of_several_memories_mix(manager, memory):
    space = AddressSpace()
    space.map(0x1000, bytearray(64))
    segment = Memory(bytearray(64), mappable=Mappable("segment"))
    items = [(memory, 0, 0, False), (memory, 0, 0, True), (segment, 4, 0), (space, 0x1008, 0)]
    w = Waiter()
    assert manager.waitv_prepare(w, items) is None
    kinds = {info.key.kind for info in manager.waiters(memory, 0)}
    assert kinds == {KeyKind.PRIVATE, KeyKind.SHARED_PRIVATE}
    assert len(manager) == 4
    assert manager.fork().wake(segment, 4) == 1
    assert w.result == 2
    assert len(manager) == 0


def test_a_waiter_serves_vectors_of_any_length_and_plain_waits_in_turn(manager, memory):
    w = Waiter()
    for n in (2, 128, 3, 1, 40):
        assert manager.waitv_prepare(w, [(memory, 4 * i, 0) for i in range(n)]) is None
        assert manager.wake(memory, 4 * (n - 1)) == 1
        assert w.result == n - 1
        assert manager.wait_prepare(w, memory, 8, 0) is None
        assert manager.wake(memory, 8) == 1
        assert w.result == 0
    assert len(manager) == 0


def test_close_cancels_a_vector_as_a_whole(manager, queue_vector):
    w = queue_vector(0, 4, 0)
    manager.close()
    assert (w.state, len(manager)) == (WaiterState.CANCELLED, 0)


def test_the_queue_keeps_the_waiter_and_its_memories(manager):
    buffers = [bytearray(64), bytearray(64)]
    woken = []
    items = [(Memory(buffer), 0, 0) for buffer in buffers]
    probe = Memory(buffers[1])
    assert manager.waitv_prepare(Waiter(lambda w: woken.append(w.result)), items) is None
    del items
    gc.collect()
    for buffer in buffers:
        with pytest.raises(BufferError):
            buffer.extend(b"x")
    assert manager.wake(probe, 0) == 1
    assert woken == [1]


def test_a_waiter_that_is_over_is_let_go(manager, memory):
    class Tag:
        pass

    tag = Tag()
    alive = weakref.ref(tag)
    for end in (lambda: manager.wake(memory, 4), manager.close):
        assert manager.waitv_prepare(Waiter(tag=tag), [(memory, 0, 0), (memory, 4, 0)]) is None
        gc.collect()
        end()
    del tag
    gc.collect()
    assert alive() is None


def test_the_child_of_a_fork_finds_it_cancelled(manager, memory, queue_vector):
    w = queue_vector(0, 4)
    pid = os.fork()
    if pid == 0:
        fine = w.state is WaiterState.CANCELLED and len(manager) == 0 and manager.wake(memory, 0, ALL) == 0
        fine = fine and manager.waitv_prepare(w, [(memory, 0, 0), (memory, 4, 0)]) is None
        fine = fine and manager.wake(memory, 4) == 1 and w.result == 1
        os._exit(0 if fine else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert manager.wake(memory, 4) == 1
    assert w.result == 1


# --- words of targets that only Python can read ---


def test_a_python_target_is_loaded_once_its_entry_is_queued(manager, memory):
    queued = []
    target = LoadTarget(lambda addr: queued.append(len(manager)) or 0)
    w = Waiter()
    assert manager.waitv_prepare(w, [(memory, 0, 0), (target, 64, 0)]) is None
    assert queued == [2]
    assert manager.wake(target, 64) == 1
    assert w.result == 1


def test_a_python_word_that_differs_is_eagain_and_nothing_stays_queued(manager, memory):
    target = LoadTarget(lambda addr: 5)
    w = Waiter()
    assert manager.waitv_prepare(w, [(memory, 0, 0), (target, 64, 0), (memory, 4, 0)]) == -errno.EAGAIN
    assert (w.state, len(manager)) == (WaiterState.IDLE, 0)


@pytest.mark.parametrize("seen", [0, 5])
def test_a_wake_during_the_load_wins_whatever_the_load_says(manager, memory, seen):
    woken, told = [], []

    def load(addr):
        woken.append(manager.wake(memory, 0, ALL))
        return seen

    w = Waiter(lambda w: told.append(w.result))
    assert manager.waitv_prepare(w, [(memory, 0, 0), (LoadTarget(load), 64, 0), (memory, 4, 0)]) is None
    assert (woken, told, w.state, w.result) == ([1], [0], WaiterState.DONE, 0)
    assert len(manager) == 0


def test_during_the_load_the_waiter_is_neither_queued_nor_free(manager, memory):
    w = Waiter()

    def load(addr):
        assert w.state is WaiterState.IDLE
        assert w.cancel() is False
        manager.close()
        with pytest.raises(RuntimeError):
            manager.wait_prepare(w, memory, 8, 0)
        return 0

    assert manager.waitv_prepare(w, [(memory, 0, 0), (LoadTarget(load), 64, 0)]) is None
    assert len(manager) == 2
    assert w.cancel()


def test_a_load_that_raises_leaves_nothing_queued(manager, memory):
    def load(addr):
        raise LoadError

    w = Waiter()
    with pytest.raises(LoadError):
        manager.waitv_prepare(w, [(memory, 0, 0), (LoadTarget(load), 64, 0)])
    assert (w.state, len(manager)) == (WaiterState.IDLE, 0)


def test_a_load_that_raises_after_a_wake_gives_the_wake_on(manager, memory, queue_up):
    def load(addr):
        next_in_line.append(queue_up(0))
        assert manager.wake(memory, 0) == 1
        raise LoadError

    next_in_line = []
    w = Waiter()
    with pytest.raises(LoadError):
        manager.waitv_prepare(w, [(memory, 0, 0), (LoadTarget(load), 64, 0)])
    assert w.woken
    assert next_in_line[0].woken
    assert len(manager) == 0


def test_a_manager_of_another_family_cannot_complete_it(manager, memory, queue_vector):
    w = queue_vector(0, 4)
    with pytest.raises(ValueError, match="misaligned"):
        Manager().wait_complete(w)
    assert w.cancel()
