"""Signals that reach a thread in a blocking call: the handler runs, and the wait goes on or is left clean."""

import signal
import threading
import time

import pytest

from pyfutex import Waiter, WaiterState, WaitResult


class HandlerError(Exception):
    """What a handler of these tests raises."""


@pytest.fixture
def on_signal():
    """Install a handler of SIGUSR1 for the test: ``on_signal(call)``."""
    saved = signal.getsignal(signal.SIGUSR1)
    yield lambda call: signal.signal(signal.SIGUSR1, lambda number, frame: call())
    signal.signal(signal.SIGUSR1, saved)


@pytest.fixture
def interrupt_until(wait_until):
    """Signal the main thread until a predicate holds: one signal may come before the thread sleeps."""
    main = threading.main_thread().ident

    def interrupt(predicate):
        def signalled():
            if not predicate():
                signal.pthread_kill(main, signal.SIGUSR1)
            return predicate()

        wait_until(signalled)

    return interrupt


def handled_then_woken(call, manager, memory, on_signal, interrupt_until, spawn, wait_until):
    """Run `call`, which waits on address 0, in this thread; interrupt it three times and wake it."""
    handled = []
    on_signal(lambda: handled.append(len(manager)))

    def interrupt_and_wake():
        wait_until(lambda: len(manager) == 1)
        interrupt_until(lambda: len(handled) >= 3)
        wait_until(lambda: manager.wake(memory, 0) == 1)

    waker = spawn(interrupt_and_wake)
    outcome = call()
    waker.result()
    return outcome, handled


def test_wait_runs_the_handler_and_goes_on(manager, memory, on_signal, interrupt_until, spawn, wait_until):
    outcome, _ = handled_then_woken(
        lambda: manager.wait(memory, 0, 0), manager, memory, on_signal, interrupt_until, spawn, wait_until
    )
    assert outcome is WaitResult.WOKEN
    assert len(manager) == 0


def test_wait_is_not_queued_while_the_handler_runs(
    manager, memory, on_signal, interrupt_until, spawn, wait_until
):
    _, handled = handled_then_woken(
        lambda: manager.wait(memory, 0, 0), manager, memory, on_signal, interrupt_until, spawn, wait_until
    )
    assert handled[:3] == [0, 0, 0]


def test_wait_of_a_waiter_runs_the_handler_and_stays_queued(
    manager, memory, queue_up, on_signal, interrupt_until, spawn, wait_until
):
    w = queue_up()
    outcome, handled = handled_then_woken(
        w.wait, manager, memory, on_signal, interrupt_until, spawn, wait_until
    )
    assert outcome is WaitResult.WOKEN
    assert handled[:3] == [1, 1, 1]


def test_wait_compares_again_after_the_handler(
    manager, memory, on_signal, interrupt_until, spawn, wait_until
):
    on_signal(lambda: memory.store(0, 7))

    def interrupt():
        wait_until(lambda: len(manager) == 1)
        interrupt_until(lambda: memory.load(0) == 7)

    interrupter = spawn(interrupt)
    assert manager.wait(memory, 0, 0) is WaitResult.MISMATCH
    interrupter.result()
    assert len(manager) == 0


def test_wait_lets_the_handlers_exception_through_with_nothing_queued(
    manager, memory, on_signal, interrupt_until, spawn, wait_until
):
    raised = []

    def raise_once():
        if not raised:
            raised.append(True)
            raise HandlerError

    on_signal(raise_once)

    def interrupt():
        wait_until(lambda: len(manager) == 1)
        interrupt_until(lambda: raised)

    interrupter = spawn(interrupt)
    with pytest.raises(HandlerError):
        manager.wait(memory, 0, 0)
    assert len(manager) == 0
    assert manager.wake(memory, 0) == 0
    interrupter.result()


def test_wait_of_a_waiter_lets_the_exception_through_and_leaves_it_queued(
    manager, memory, queue_up, on_signal, interrupt_until, spawn
):
    entered, raised = [], []

    def raise_once_inside():
        if entered and not raised:
            raised.append(True)
            raise HandlerError

    def enter():
        entered.append(True)
        w.wait()

    on_signal(raise_once_inside)
    w = queue_up()
    interrupter = spawn(interrupt_until, lambda: raised)
    with pytest.raises(HandlerError):
        enter()
    interrupter.result()
    assert w.state is WaiterState.QUEUED
    assert manager.wake(memory, 0) == 1


def test_wait_keeps_its_deadline_through_signals(manager, memory, on_signal, spawn, wait_until):
    handled = []
    on_signal(lambda: handled.append(True))
    main = threading.main_thread().ident
    ended = []

    def interrupt():
        wait_until(lambda: len(manager) == 1)
        while not ended:
            signal.pthread_kill(main, signal.SIGUSR1)
            wait_until(lambda: ended or len(manager) == 1)

    interrupter = spawn(interrupt)
    start = time.monotonic()
    result = manager.wait(memory, 0, 0, 0.3)
    elapsed = time.monotonic() - start
    ended.append(True)
    interrupter.result()
    assert result is WaitResult.TIMEOUT
    assert 0.3 <= elapsed < 10
    assert handled


def test_wake_wait_delivers_its_wake_once_through_signals(
    manager, memory, queue_up, on_signal, interrupt_until, spawn, wait_until
):
    handled = []
    on_signal(lambda: handled.append(True))
    waiters = [queue_up(64) for _ in range(3)]

    def interrupt_and_wake():
        wait_until(lambda: manager.waiters(memory, 0))
        interrupt_until(lambda: len(handled) >= 3)
        wait_until(lambda: manager.wake(memory, 0) == 1)

    waker = spawn(interrupt_and_wake)
    assert manager.wake_wait(memory, 64, 0, 0) == (1, WaitResult.WOKEN)
    waker.result()
    assert [w.woken for w in waiters] == [True, False, False]


def test_lock_pi_runs_the_handler_and_never_raises_interrupted(
    manager, memory, on_signal, interrupt_until, spawn, wait_until
):
    handled = []
    on_signal(lambda: handled.append(True))
    assert manager.lock_pi(memory, 0, tid=1)

    def interrupt_and_unlock():
        wait_until(lambda: len(manager) == 1)
        interrupt_until(lambda: len(handled) >= 3)
        wait_until(lambda: len(manager) == 1)
        manager.unlock_pi(memory, 0, tid=1)

    unlocker = spawn(interrupt_and_unlock)
    assert manager.lock_pi(memory, 0, tid=2) is True
    unlocker.result()
    manager.unlock_pi(memory, 0, tid=2)


def test_a_handler_may_wake_the_word_it_interrupted(
    manager, memory, on_signal, interrupt_until, spawn, wait_until
):
    other = Waiter()
    assert manager.wait_prepare(other, memory, 0, 0) is None
    on_signal(lambda: manager.wake(memory, 0))

    def interrupt_and_wake():
        wait_until(lambda: len(manager) == 2)
        interrupt_until(lambda: other.woken)
        wait_until(lambda: manager.wake(memory, 0) == 1)

    waker = spawn(interrupt_and_wake)
    assert manager.wait(memory, 0, 0) is WaitResult.WOKEN
    waker.result()
