"""wait_prepare: the answer at once, or a queued waiter."""

import errno
import gc
import weakref

import pytest

from pyfutex import ANY, CompletionQueue, KeyKind, Manager, Mappable, Memory, Waiter, WaiterState


class Index:
    """An integer to `operator.index` alone."""

    def __init__(self, value):
        self.value = value

    def __index__(self):
        return self.value


def test_prepare_queues_where_the_word_holds_the_value(manager, memory):
    w = Waiter()
    assert manager.wait_prepare(w, memory, 0, 0) is None
    assert w.state is WaiterState.QUEUED
    assert len(manager) == 1


def test_prepare_answers_eagain_where_the_word_differs(manager, memory):
    w = Waiter()
    assert manager.wait_prepare(w, memory, 0, 1) == -errno.EAGAIN
    assert w.state is not WaiterState.QUEUED
    assert len(manager) == 0


@pytest.mark.parametrize("addr", [1, 2, 3, 4095])
def test_prepare_answers_einval_for_a_misaligned_address(manager, memory, addr):
    assert manager.wait_prepare(Waiter(), memory, addr, 0) == -errno.EINVAL


@pytest.mark.parametrize("addr", [-4, 4096, 2**64 - 4, 2**64, 2**100])
def test_prepare_answers_efault_outside_the_memory(manager, memory, addr):
    assert manager.wait_prepare(Waiter(), memory, addr, 0) == -errno.EFAULT


def test_prepare_answers_einval_for_an_empty_bitset(manager, memory):
    assert manager.wait_prepare(Waiter(), memory, 0, 0, bitset=0) == -errno.EINVAL
    assert len(manager) == 0


def test_prepare_answers_einval_before_eagain(manager, memory):
    assert manager.wait_prepare(Waiter(), memory, 0, 1, bitset=0) == -errno.EINVAL


@pytest.mark.parametrize("value", [-1, 2**32, 2**100])
def test_prepare_raises_for_values_of_more_than_32_bits(manager, memory, value):
    with pytest.raises(OverflowError):
        manager.wait_prepare(Waiter(), memory, 0, value)
    with pytest.raises(OverflowError):
        manager.wait_prepare(Waiter(), memory, 0, 0, bitset=value)
    assert len(manager) == 0


def test_prepare_takes_integers_by_index(manager, memory):
    memory.store(8, 5)
    w = Waiter()
    assert manager.wait_prepare(w, memory, Index(8), Index(5), bitset=Index(2)) is None
    assert manager.wake(memory, Index(8), Index(1), bitset=Index(2)) == 1


def test_prepare_raises_for_a_waiter_that_is_queued(manager, memory, queue_up):
    w = queue_up()
    with pytest.raises(RuntimeError):
        manager.wait_prepare(w, memory, 4, 0)
    with pytest.raises(RuntimeError):
        Manager().wait_prepare(w, memory, 4, 0)
    assert manager.wake(memory, 0) == 1


def test_prepare_takes_a_waiter_again_once_it_was_woken(manager, memory, queue_up):
    w = queue_up(0)
    manager.wake(memory, 0)
    assert manager.wait_prepare(w, memory, 4, 0) is None
    assert (w.state, w.woken, w.result) == (WaiterState.QUEUED, False, None)
    assert manager.wake(memory, 0) == 0
    assert manager.wake(memory, 4) == 1


def test_prepare_takes_a_waiter_again_once_it_was_cancelled(manager, memory, queue_up):
    w = queue_up(0)
    assert w.cancel()
    assert manager.wait_prepare(w, memory, 0, 0) is None
    assert manager.wake(memory, 0) == 1
    assert w.woken


def test_prepare_takes_a_waiter_again_after_a_refusal(manager, memory):
    w = Waiter()
    assert manager.wait_prepare(w, memory, 0, 1) == -errno.EAGAIN
    assert manager.wait_prepare(w, memory, 0, 0) is None
    assert w.cancel()


def test_prepare_takes_the_waiter_to_another_manager_once_it_is_free(manager, memory, queue_up):
    w = queue_up()
    manager.wake(memory, 0)
    other = Manager()
    assert other.wait_prepare(w, memory, 0, 0) is None
    assert manager.wake(memory, 0) == 0
    assert other.wake(memory, 0) == 1


def test_prepare_forgets_the_bitset_of_the_last_time(manager, memory, queue_up):
    w = queue_up(bitset=1)
    manager.wake(memory, 0)
    assert manager.wait_prepare(w, memory, 0, 0) is None
    assert manager.wake(memory, 0, bitset=2) == 1


def test_prepare_forgets_the_pi_owner_of_the_last_time(manager, memory):
    w = Waiter()
    memory.store(0, 77)
    assert manager.lock_pi_prepare(w, memory, 0, tid=5) is None
    manager.unlock_pi(memory, 0, tid=77)
    assert manager.wait_prepare(w, memory, 4, 0) is None
    [info] = manager.waiters(memory, 4)
    assert (info.kind, info.bitset) == ("PLAIN", ANY)
    assert manager.wake(memory, 4) == 1


def test_prepare_raises_for_a_waiter_whose_completion_nobody_fetched(manager, memory, queue_up):
    queue = CompletionQueue()
    w = queue_up(queue=queue)
    manager.wake(memory, 0)
    with pytest.raises(RuntimeError):
        manager.wait_prepare(w, memory, 0, 0)
    assert queue.drain() == [w]
    assert manager.wait_prepare(w, memory, 0, 0) is None


def test_the_queue_keeps_a_waiter_nobody_else_holds(manager, memory):
    woken = []
    assert manager.wait_prepare(Waiter(lambda w: woken.append(w.tag), tag="kept"), memory, 0, 0) is None
    gc.collect()
    assert manager.wake(memory, 0) == 1
    assert woken == ["kept"]


def test_a_queued_waiter_keeps_its_memory(manager):
    buffer = bytearray(64)
    w = Waiter()
    assert manager.wait_prepare(w, Memory(buffer), 0, 0) is None
    gc.collect()
    with pytest.raises(BufferError):
        buffer.extend(b"x")
    assert w.cancel()


def test_a_queued_waiter_keeps_its_manager(memory):
    owner = Manager()
    w = Waiter()
    assert owner.wait_prepare(w, memory, 0, 0) is None
    del owner
    gc.collect()
    assert w.state is WaiterState.QUEUED
    assert w.cancel()


def test_a_waiter_that_is_over_is_let_go(manager, memory):
    class Tag:
        pass

    tag = Tag()
    alive = weakref.ref(tag)
    w = Waiter(tag=tag)
    del tag
    assert manager.wait_prepare(w, memory, 0, 0) is None
    del w
    gc.collect()
    assert alive() is not None
    assert manager.wake(memory, 0) == 1
    gc.collect()
    assert alive() is None


@pytest.mark.parametrize(
    ("mappable", "private", "kind"),
    [
        (None, None, KeyKind.PRIVATE),
        (None, True, KeyKind.PRIVATE),
        (None, False, KeyKind.SHARED_PRIVATE),
        (Mappable("segment"), None, KeyKind.SHARED_MAPPABLE),
        (Mappable("segment"), False, KeyKind.SHARED_MAPPABLE),
        (Mappable("segment"), True, KeyKind.PRIVATE),
    ],
)
def test_prepare_chooses_the_kind_of_key(manager, queue_up, mappable, private, kind):
    mem = Memory(bytearray(64), mappable=mappable)
    w = queue_up(mem=mem, private=private)
    assert w.key.kind is kind
    assert [info.key.kind for info in manager.waiters()] == [kind]
