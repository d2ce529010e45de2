"""close: every queued waiter is cancelled; a sleeping thread is refused."""

import gc
import pickle
import weakref

import pytest

from pyfutex import CompletionQueue, Manager, Mappable, Memory, Waiter, WaiterState, WaitResult


def test_close_cancels_every_queued_waiter(memory):
    manager = Manager()
    shared = Memory(bytearray(64), mappable=Mappable())
    waiters = [Waiter() for _ in range(4)]
    for w, (mem, options) in zip(
        waiters, [(memory, {}), (memory, {}), (memory, {"private": False}), (shared, {})], strict=True
    ):
        assert manager.wait_prepare(w, mem, 0, 0, **options) is None
    assert manager.close() is None
    assert [w.state for w in waiters] == [WaiterState.CANCELLED] * 4
    assert len(manager) == 0


def test_close_cancels_pi_waiters(memory):
    manager = Manager()
    memory.store(0, 9)
    w = Waiter()
    assert manager.lock_pi_prepare(w, memory, 0, tid=7) is None
    manager.close()
    assert w.state is WaiterState.CANCELLED


def test_close_calls_no_callback(memory):
    manager, called, completions = Manager(), [], CompletionQueue()
    for w in (Waiter(called.append), Waiter(queue=completions)):
        assert manager.wait_prepare(w, memory, 0, 0) is None
    manager.close()
    assert called == []
    assert completions.empty()


def test_close_leaves_woken_waiters_woken(memory):
    manager, w = Manager(), Waiter()
    assert manager.wait_prepare(w, memory, 0, 0) is None
    manager.wake(memory, 0)
    manager.close()
    assert (w.state, w.result) == (WaiterState.DONE, 0)


def test_close_may_be_repeated():
    manager = Manager()
    manager.close()
    manager.close()


def test_close_refuses_while_a_thread_sleeps_and_cancels_nothing(
    manager, memory, queue_up, spawn, wait_until
):
    w = queue_up(64)
    sleeper = spawn(manager.wait, memory, 0, 0)
    wait_until(lambda: len(manager) == 2)
    with pytest.raises(RuntimeError):
        manager.close()
    assert w.state is WaiterState.QUEUED
    assert manager.wake(memory, 0) == 1
    assert sleeper.result() is WaitResult.WOKEN
    manager.close()
    assert w.state is WaiterState.CANCELLED


def test_close_refuses_while_a_thread_waits_for_a_lock(manager, memory, spawn, wait_until):
    manager.lock_pi(memory, 0, tid=1)
    sleeper = spawn(manager.lock_pi, memory, 0, tid=2)
    wait_until(lambda: len(manager) == 1)
    with pytest.raises(RuntimeError):
        manager.close()
    manager.unlock_pi(memory, 0, tid=1)
    assert sleeper.result() is True


def test_with_closes_the_manager(memory):
    w = Waiter()
    with Manager() as manager:
        assert isinstance(manager, Manager)
        assert manager.wait_prepare(w, memory, 0, 0) is None
    assert w.state is WaiterState.CANCELLED


def test_with_closes_the_manager_after_an_exception(memory):
    w = Waiter()
    with pytest.raises(LookupError):
        with Manager() as manager:
            assert manager.wait_prepare(w, memory, 0, 0) is None
            raise LookupError
    assert w.state is WaiterState.CANCELLED


def test_close_lets_the_waiters_go(memory):
    class Tag:
        pass

    manager, tag = Manager(), Tag()
    alive = weakref.ref(tag)
    assert manager.wait_prepare(Waiter(tag=tag), memory, 0, 0) is None
    del tag
    gc.collect()
    assert alive() is not None
    manager.close()
    gc.collect()
    assert alive() is None


def test_close_lets_the_memory_go():
    manager, buffer = Manager(), bytearray(64)
    assert manager.wait_prepare(Waiter(), Memory(buffer), 0, 0) is None
    manager.close()
    gc.collect()
    buffer.extend(b"x")


def test_a_manager_that_is_empty_is_collected():
    buffer = bytearray(64)
    manager, mem = Manager(), Memory(buffer)
    w = Waiter()
    assert manager.wait_prepare(w, mem, 0, 0) is None
    manager.wake(mem, 0)
    del manager, mem, w
    gc.collect()
    buffer.extend(b"x")


def test_a_manager_cannot_be_pickled(manager, queue_up):
    with pytest.raises(TypeError):
        pickle.dumps(manager)
    queue_up()
    with pytest.raises(TypeError):
        pickle.dumps(manager)
