"""Kernel: what a signal does to a thread that sleeps in a call."""

import signal
import threading
import time

import pytest
from differential import kernel as oracle
from unit.kernel_features import needs

from pyfutex import Kernel, WaitResult


@pytest.fixture
def signals(wait_until):
    """Count the runs of a handler of SIGUSR1; ``signals.until(n, tid)`` sends it to the sleeping main thread."""
    runs = []
    saved = signal.signal(signal.SIGUSR1, lambda number, frame: runs.append(number))
    main = threading.main_thread()

    def send_until(n):
        calls = oracle.SYS_FUTEX, oracle.SYS_FUTEX_WAIT, oracle.SYS_FUTEX_WAITV
        while len(runs) < n:
            wait_until(lambda: oracle.sleeps_in_call(main.native_id, *calls))
            before = len(runs)
            signal.pthread_kill(main.ident, signal.SIGUSR1)
            wait_until(lambda: len(runs) > before)

    yield send_until
    signal.signal(signal.SIGUSR1, saved)


def test_a_wait_runs_handlers_and_goes_on(kernel, memory, signals, spawn, wait_until):
    def interrupt_and_wake():
        signals(3)
        wait_until(lambda: kernel.wake(memory, 0) == 1)

    waker = spawn(interrupt_and_wake)
    assert kernel.wait(memory, 0, 0) is WaitResult.WOKEN
    waker.result()


def test_a_signal_does_not_move_the_deadline(kernel, memory, signals, spawn):
    start = time.monotonic()
    sender = spawn(signals, 2)
    assert kernel.wait(memory, 0, 0, 0.3) is WaitResult.TIMEOUT
    assert time.monotonic() - start >= 0.3
    sender.result()


@needs["waitv"]
def test_a_waitv_runs_handlers_and_compares_again(memory, signals, spawn):
    kernel = Kernel()

    def interrupt_and_change():
        signals(2)
        memory.store(4, 1)
        signals(3)

    changer = spawn(interrupt_and_change)
    assert kernel.waitv([(memory, 0, 0), (memory, 4, 0)]) == -2
    changer.result()


def test_an_exception_of_a_handler_leaves_nothing_queued(kernel, memory, spawn, wait_until):
    class HandlerError(Exception):
        pass

    def handler(number, frame):
        raise HandlerError

    saved = signal.signal(signal.SIGUSR1, handler)
    main = threading.main_thread()

    def interrupt():
        calls = oracle.SYS_FUTEX, oracle.SYS_FUTEX_WAIT
        wait_until(lambda: oracle.sleeps_in_call(main.native_id, *calls))
        signal.pthread_kill(main.ident, signal.SIGUSR1)

    try:
        sender = spawn(interrupt)
        with pytest.raises(HandlerError):
            kernel.wait(memory, 0, 0)
        sender.result()
    finally:
        signal.signal(signal.SIGUSR1, saved)
    assert kernel.wake(memory, 0) == 0
