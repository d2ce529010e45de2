"""Waiter: its states, what it tells, how it is ended."""

import errno
import pickle
import time

import pytest
from expect import oserror
from sync.sleeping import sleeps

from pyfutex import (
    CLOCK_REALTIME,
    InvalidArgument,
    Key,
    KeyKind,
    Manager,
    Mappable,
    Memory,
    Waiter,
    WaiterState,
    WaitResult,
)


def test_a_new_waiter_is_idle():
    w = Waiter()
    assert (w.state, w.woken, w.result, w.key) == (WaiterState.IDLE, False, None, None)


def test_a_queued_waiter_has_no_result(queue_up):
    w = queue_up()
    assert (w.state, w.woken, w.result) == (WaiterState.QUEUED, False, None)


def test_a_woken_waiter_is_done(manager, memory, queue_up):
    w = queue_up()
    manager.wake(memory, 0)
    assert (w.state, w.woken, w.result) == (WaiterState.DONE, True, 0)


def test_a_cancelled_waiter_is_cancelled(queue_up):
    w = queue_up()
    assert w.cancel() is True
    assert (w.state, w.woken) == (WaiterState.CANCELLED, False)


def test_waiter_states_are_numbered_as_documented():
    assert [(state.name, state.value) for state in WaiterState] == [
        ("IDLE", 0),
        ("QUEUED", 1),
        ("DONE", 2),
        ("CANCELLED", 3),
    ]


def test_state_is_a_member_of_the_enum(queue_up):
    assert isinstance(queue_up().state, WaiterState)


def test_cancel_of_a_woken_waiter_changes_nothing(manager, memory, queue_up):
    w = queue_up()
    manager.wake(memory, 0)
    assert w.cancel() is False
    assert (w.state, w.result) == (WaiterState.DONE, 0)


def test_cancel_of_an_idle_waiter_is_false():
    w = Waiter()
    assert w.cancel() is False
    assert w.state is WaiterState.IDLE


def test_cancel_twice_is_true_once(queue_up):
    w = queue_up()
    assert [w.cancel(), w.cancel()] == [True, False]


def test_cancel_takes_the_waiter_itself_and_not_a_neighbour(manager, memory, queue_up):
    waiters = [queue_up() for _ in range(4)]
    assert waiters[2].cancel()
    assert waiters[0].cancel()
    assert manager.wake(memory, 0, 9) == 2
    assert [w.woken for w in waiters] == [False, True, False, True]


def test_cancel_finds_the_waiter_where_requeues_took_it(manager, memory, queue_up):
    w = queue_up(0)
    neighbour = queue_up(64)
    for source, target in [(0, 8), (8, 64)]:
        assert manager.requeue(memory, source, target, 0, 1) == (0, 1)
    assert w.cancel()
    assert manager.wake(memory, 64, 9) == 1
    assert neighbour.woken


def test_a_cancelled_waiter_is_not_woken(manager, memory, queue_up):
    called = []
    w = queue_up(on_wake=called.append)
    w.cancel()
    assert manager.wake(memory, 0) == 0
    assert called == []


def test_wait_complete_tells_that_it_was_woken(manager, memory, queue_up):
    w = queue_up()
    manager.wake(memory, 0)
    assert manager.wait_complete(w) is True
    assert w.state is WaiterState.DONE


def test_wait_complete_takes_a_queued_waiter_out(manager, memory, queue_up):
    w = queue_up()
    assert manager.wait_complete(w) is False
    assert w.state is WaiterState.CANCELLED
    assert manager.wake(memory, 0) == 0


def test_wait_complete_of_an_idle_waiter_is_false(manager):
    assert manager.wait_complete(Waiter()) is False


def test_wait_complete_refuses_a_waiter_of_a_stranger(memory, queue_up):
    w = queue_up()
    with oserror(errno.EINVAL, InvalidArgument):
        Manager().wait_complete(w)
    assert w.state is WaiterState.QUEUED


def test_wait_complete_accepts_a_waiter_of_a_relative(manager, queue_up):
    mem = Memory(bytearray(64), mappable=Mappable())
    w = queue_up(mem=mem)
    child = manager.fork()
    assert child.wait_complete(w) is False
    assert w.state is WaiterState.CANCELLED


def test_key_tells_where_the_waiter_is_queued(queue_up):
    segment = Mappable("segment")
    mem = Memory(bytearray(64), mappable=segment, offset=4096)
    w = queue_up(8, mem=mem)
    assert w.key == Key(KeyKind.SHARED_MAPPABLE, 4104, segment)


def test_key_is_the_new_one_after_a_requeue(manager, queue_up):
    segment = Mappable("segment")
    mem = Memory(bytearray(64), mappable=segment)
    w = queue_up(8, mem=mem)
    manager.requeue(mem, 8, 16, 0, 1)
    assert w.key.offset == 16
    manager.wake(mem, 16)
    assert w.key.offset == 16


def test_key_of_a_private_waiter_is_a_host_address(memory, queue_up):
    w = queue_up(8)
    assert (w.key.kind, w.key.mappable, w.key.offset) == (KeyKind.PRIVATE, None, memory.host_address + 8)


def test_key_of_a_private_waiter_in_a_memory_with_base_is_its_address(queue_up):
    w = queue_up(0x1008, mem=Memory(bytearray(64), 0x1000))
    assert (w.key.kind, w.key.offset) == (KeyKind.PRIVATE, 0x1008)


def test_tag_is_the_callers_own():
    w = Waiter(tag="first")
    assert w.tag == "first"
    w.tag = ("second",)
    assert w.tag == ("second",)
    assert Waiter().tag is None


def test_wait_of_a_woken_waiter_returns_at_once(manager, memory, queue_up):
    w = queue_up()
    manager.wake(memory, 0)
    assert w.wait() is WaitResult.WOKEN
    assert w.wait(0) is WaitResult.WOKEN


def test_wait_sleeps_until_it_is_woken(manager, memory, queue_up, spawn):
    w = queue_up()
    sleeper = spawn(w.wait)
    assert manager.wake(memory, 0) == 1
    assert sleeper.result() is WaitResult.WOKEN


def test_wait_that_times_out_leaves_the_waiter_queued(manager, memory, queue_up):
    w = queue_up()
    assert w.wait(0) is WaitResult.TIMEOUT
    assert w.wait(0.01) is WaitResult.TIMEOUT
    assert w.state is WaiterState.QUEUED
    assert manager.wake(memory, 0) == 1
    assert w.wait() is WaitResult.WOKEN


def test_wait_of_a_waiter_takes_a_deadline_on_either_clock(queue_up):
    w = queue_up()
    assert w.wait(deadline=time.monotonic() + 0.01) is WaitResult.TIMEOUT
    assert w.wait(deadline=time.time() + 0.01, clock=CLOCK_REALTIME) is WaitResult.TIMEOUT
    assert w.state is WaiterState.QUEUED


def test_wait_of_a_waiter_refuses_a_timeout_together_with_a_deadline(queue_up):
    with pytest.raises(TypeError):
        queue_up().wait(1, deadline=1)


def test_wait_of_a_waiter_follows_a_requeue(manager, memory, queue_up, spawn):
    w = queue_up()
    sleeper = spawn(w.wait)
    manager.requeue(memory, 0, 64, 0, 1)
    assert manager.wake(memory, 64) == 1
    assert sleeper.result() is WaitResult.WOKEN


def test_wait_ends_when_the_waiter_is_cancelled_by_another_thread(queue_up, spawn):
    w = queue_up()
    sleeper = spawn(w.wait)
    assert w.cancel()
    with pytest.raises(RuntimeError, match="cancelled"):
        sleeper.result()
    assert w.state is WaiterState.CANCELLED


def test_on_wake_is_called_with_the_waiter_once(manager, memory, queue_up):
    seen = []
    w = queue_up(on_wake=lambda waiter: seen.append((waiter, waiter.state, waiter.result)))
    manager.wake(memory, 0)
    assert seen == [(w, WaiterState.DONE, 0)]


def test_on_wake_may_queue_its_waiter_again(manager, memory, queue_up):
    w = queue_up(on_wake=lambda waiter: manager.wait_prepare(waiter, memory, 0, 0))
    assert manager.wake(memory, 0) == 1
    assert w.state is WaiterState.QUEUED
    assert manager.wake(memory, 0) == 1


def test_on_wake_sees_every_waiter_of_its_wake_done(manager, memory, queue_up):
    seen = []
    waiters = [queue_up(on_wake=lambda w: seen.append([x.woken for x in waiters])) for _ in range(3)]
    manager.wake(memory, 0, 3)
    assert seen == [[True] * 3] * 3


def test_on_wake_may_cancel_a_sibling(manager, memory, queue_up):
    answers = []
    siblings = []
    siblings.append(queue_up(on_wake=lambda w: answers.append(siblings[1].cancel())))
    siblings.append(queue_up())
    assert manager.wake(memory, 0, 2) == 2
    assert answers == [False]


def test_a_waiter_cannot_be_pickled(queue_up):
    for w in (Waiter(), queue_up()):
        with pytest.raises(TypeError):
            pickle.dumps(w)


def test_two_threads_do_not_sleep_on_one_waiter(manager, memory, queue_up, spawn, wait_until):
    w = queue_up()
    sleeper = spawn(w.wait)
    wait_until(lambda: sleeps("self", sleeper.tid))
    with pytest.raises(RuntimeError, match="another thread sleeps"):
        w.wait()
    assert manager.wake(memory, 0) == 1
    assert sleeper.result() is WaitResult.WOKEN
