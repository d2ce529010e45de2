"""Signals of every kind that reach a thread in every call that blocks."""

import os
import signal
import threading
import time
import traceback

import pytest
from forking import os_fork, run_in_child
from life.asleep import asleep
from life.blocking import CALLS

CATCHABLE = [
    signal.SIGALRM,
    *sorted(signal.valid_signals() - {signal.SIGALRM, signal.SIGKILL, signal.SIGSTOP}),
]

# They go on in the kernel, so that Python's handlers run once the call is over.
RESTARTED_BY_THE_KERNEL = ["Kernel.lock_pi", "Kernel.wait_requeue_pi"]


def beside(function):
    """Run it in another thread of a child, which ends with it if it fails."""

    def run():
        try:
            function()
        except BaseException:
            traceback.print_exc()
            os._exit(2)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_every_signal_runs_its_handler_once_and_ends_nothing(name, wait_until):
    def check():
        blocked = CALLS[name]()
        me, tid = threading.main_thread(), threading.get_native_id()
        ran = []

        def handler(number, frame):
            ran.append(number)
            if number == signal.SIGALRM:
                signal.signal(number, signal.SIG_DFL)  # which ends a child that hangs

        for number in CATCHABLE:
            signal.signal(number, handler)

        def interrupt_and_end():
            for n, number in enumerate(CATCHABLE, 1):
                wait_until(lambda: asleep(tid))
                signal.pthread_kill(me.ident, number)
                if name not in RESTARTED_BY_THE_KERNEL:
                    wait_until(lambda: len(ran) == n)
            wait_until(lambda: asleep(tid))
            wait_until(blocked.end)

        thread = beside(interrupt_and_end)
        assert blocked.call(None) == blocked.ended
        thread.join()
        assert sorted(ran) == sorted(CATCHABLE)

    run_in_child(os_fork, check)


def test_signals_do_not_move_a_deadline(name, wait_until):
    if CALLS[name]().timed_out is None:
        pytest.skip("it takes no timeout")

    def check():
        blocked = CALLS[name]()
        me, tid = threading.main_thread(), threading.get_native_id()
        ran, over = [], []
        signal.signal(signal.SIGUSR1, lambda number, frame: ran.append(number))

        def interrupt():
            while not over:
                wait_until(lambda: over or asleep(tid))
                signal.pthread_kill(me.ident, signal.SIGUSR1)

        thread = beside(interrupt)
        begun = time.monotonic()
        assert blocked.times_out(0.1)
        assert time.monotonic() - begun >= 0.1
        over.append(True)
        thread.join()
        assert ran

    run_in_child(os_fork, check)


def told(pipe):
    """Wait until a test writes to a pipe."""
    return os.read(pipe, 1)


def test_a_stopped_process_goes_on_where_it_was(name, fork, wait_until):
    reading, writing = os.pipe()

    def body():
        blocked = CALLS[name]()
        ending = beside(lambda: told(reading) and wait_until(blocked.end))
        answer = blocked.call(None)
        ending.join()
        return answer == blocked.ended

    child = fork(body)
    for _ in range(2):
        wait_until(lambda: asleep(child.pid, child.pid))
        child.send(signal.SIGSTOP)
        wait_until(child.is_stopped)
        child.send(signal.SIGCONT)
    wait_until(lambda: asleep(child.pid, child.pid))
    child.send(signal.SIGSTOP)
    wait_until(child.is_stopped)
    os.write(writing, b".")
    child.send(signal.SIGCONT)
    wait_until(child.has_ended)
    os.close(reading)
    os.close(writing)
    assert child.status == 0


def test_a_deadline_passes_while_the_process_is_stopped(name, fork, wait_until):
    if CALLS[name]().timed_out is None:
        pytest.skip("it takes no timeout")
    child = fork(lambda: CALLS[name]().times_out(0.5))
    wait_until(lambda: asleep(child.pid, child.pid))
    child.send(signal.SIGSTOP)
    wait_until(child.is_stopped)
    past = time.monotonic() + 0.5
    wait_until(lambda: time.monotonic() > past)
    child.send(signal.SIGCONT)
    wait_until(child.has_ended)
    assert child.status == 0
