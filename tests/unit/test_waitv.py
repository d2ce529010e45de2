"""waitv: a thread that sleeps on several words."""

import errno
import signal
import threading
import time

import pytest
from expect import oserror

from pyfutex import ALL, InvalidArgument, Memory, Target, WaitItem, WaitResult


class DictTarget(Target):
    """Words in a dict."""

    def __init__(self, words):
        self.words = words

    def load(self, addr, size=4, /):
        return self.words[addr]


def words(memory, *addrs):
    """Items for words that hold 0."""
    return [WaitItem(memory, addr, 0) for addr in addrs]


@pytest.mark.parametrize("index", range(3))
def test_returns_the_index_that_was_woken(manager, memory, spawn, wait_until, index):
    sleeper = spawn(manager.waitv, words(memory, 0, 4, 8))
    wait_until(lambda: len(manager) == 3)
    assert manager.wake(memory, 4 * index) == 1
    assert sleeper.result() == index
    assert len(manager) == 0


def test_returns_the_last_index_of_several(manager, memory, spawn, wait_until):
    sleeper = spawn(manager.waitv, words(memory, 0, 0, 4, 0))
    wait_until(lambda: len(manager) == 4)
    assert manager.wake(memory, 0, 10) == 3
    assert sleeper.result() == 3


def test_the_thread_is_listed_without_a_waiter(manager, memory, spawn, wait_until):
    sleeper = spawn(manager.waitv, words(memory, 0, 4))
    wait_until(lambda: any(info.queued_for > 0 for info in manager.waiters()))
    assert [info.waiter for info in manager.waiters()] == [None, None]
    with pytest.raises(RuntimeError):
        manager.close()
    manager.wake(memory, 0)
    assert sleeper.result() == 0


def test_times_out_with_nothing_queued(manager, memory):
    start = time.monotonic()
    assert manager.waitv(words(memory, 0, 4), 0.05) == -1
    assert time.monotonic() - start >= 0.05
    assert len(manager) == 0


@pytest.mark.parametrize("clock", [time.CLOCK_MONOTONIC, time.CLOCK_REALTIME])
def test_takes_a_deadline_on_either_clock(manager, memory, clock):
    deadline = time.clock_gettime(clock) + 0.02
    assert manager.waitv(words(memory, 0, 4), deadline=deadline, clock=clock) == -1
    assert time.clock_gettime(clock) >= deadline
    assert manager.waitv(words(memory, 0, 4), deadline=0, clock=clock) == -1


def test_a_word_that_differs_comes_before_the_timeout(manager, memory):
    assert manager.waitv([(memory, 0, 0), (memory, 4, 1)], 0) == -2
    assert len(manager) == 0


def test_no_items_are_einval(manager):
    with oserror(errno.EINVAL, InvalidArgument):
        manager.waitv([])


def test_a_thread_sleeps_on_a_thousand_words(manager, spawn, wait_until):
    memory = Memory(bytearray(4000))
    sleeper = spawn(manager.waitv, [(memory, addr, 0) for addr in range(0, 4000, 4)])
    wait_until(lambda: len(manager) == 1000)
    assert manager.wake(memory, 3996) == 1
    assert sleeper.result() == 999
    assert len(manager) == 0


def test_bad_addresses_raise_with_nothing_queued(manager, memory):
    with oserror(errno.EINVAL, InvalidArgument):
        manager.waitv([(memory, 0, 0), (memory, 1, 0)])
    with oserror(errno.EFAULT):
        manager.waitv([(memory, 0, 0), (memory, 4096, 0)])
    assert len(manager) == 0


def test_arguments_are_checked(manager, memory):
    with pytest.raises(TypeError):
        manager.waitv(None)
    with pytest.raises(TypeError):
        manager.waitv([(memory, 0)])
    with oserror(errno.EINVAL, InvalidArgument):
        manager.waitv([WaitItem(memory, 0, 0, size=3)])
    with pytest.raises(ValueError, match="negative"):
        manager.waitv(words(memory, 0), -1)


def test_a_python_target_among_the_items(manager, memory, spawn, wait_until):
    target = DictTarget({64: 0})
    items = [(memory, 0, 0), (target, 64, 0), (memory, 4, 0)]
    sleeper = spawn(manager.waitv, items)
    wait_until(lambda: len(manager) == 3)
    wait_until(lambda: manager.wake(target, 64) == 1)
    assert sleeper.result() == 1
    target.words[64] = 1
    assert manager.waitv(items, 0) == -2
    with pytest.raises(KeyError):
        manager.waitv([(memory, 0, 0), (target, 68, 0)])
    assert len(manager) == 0


def test_wake_wait_hands_over_to_a_vector(manager, memory, spawn, wait_until):
    sleeper = spawn(manager.waitv, words(memory, 0, 4))
    wait_until(lambda: len(manager) == 2)
    assert manager.wake_wait(memory, 4, 64, 0, 0.01) == (1, WaitResult.TIMEOUT)
    assert sleeper.result() == 1


def test_a_futex_wakes_a_vector(manager, memory, spawn, wait_until):
    sleeper = spawn(manager.waitv, words(memory, 0, 4))
    wait_until(lambda: len(manager) == 2)
    assert manager.futex(memory, 4).wake() == 1
    assert sleeper.result() == 1


def test_items_are_read_once(manager, memory, spawn, wait_until):
    items = iter(words(memory, 0, 4))
    sleeper = spawn(manager.waitv, items)
    wait_until(lambda: len(manager) == 2)
    manager.wake(memory, 4)
    assert sleeper.result() == 1


def test_a_vector_is_not_kept_by_the_memory_it_waited_on(manager, spawn, wait_until):
    memory = Memory(bytearray(64))
    for _ in range(3):
        assert manager.waitv(words(memory, 0, 4), 0.001) == -1
    assert manager.wake(memory, 0, ALL) == 0


@pytest.fixture
def on_signal():
    """Install a handler of SIGUSR1 for the test: ``on_signal(call)``."""
    saved = signal.getsignal(signal.SIGUSR1)
    yield lambda call: signal.signal(signal.SIGUSR1, lambda number, frame: call())
    signal.signal(signal.SIGUSR1, saved)


def test_a_signal_runs_its_handler_with_nothing_queued_and_the_wait_goes_on(
    manager, memory, on_signal, spawn, wait_until
):
    handled = []
    on_signal(lambda: handled.append(len(manager)))
    main = threading.main_thread().ident

    def interrupt_and_wake():
        wait_until(lambda: len(manager) == 2)

        def interrupted():
            if len(handled) < 3:
                signal.pthread_kill(main, signal.SIGUSR1)
            return len(handled) >= 3

        wait_until(interrupted)
        wait_until(lambda: manager.wake(memory, 4) == 1)

    waker = spawn(interrupt_and_wake)
    assert manager.waitv(iter(words(memory, 0, 4))) == 1
    waker.result()
    assert handled[:3] == [0, 0, 0]


def test_a_handler_that_raises_leaves_nothing_queued(manager, memory, on_signal, spawn, wait_until):
    raised = []

    def raise_once():
        if not raised:
            raised.append(True)
            raise KeyError

    on_signal(raise_once)
    main = threading.main_thread().ident

    def interrupt():
        wait_until(lambda: len(manager) == 2)

        def interrupted():
            if not raised:
                signal.pthread_kill(main, signal.SIGUSR1)
            return raised

        wait_until(interrupted)

    interrupter = spawn(interrupt)
    with pytest.raises(KeyError):
        manager.waitv(words(memory, 0, 4))
    assert len(manager) == 0
    interrupter.result()
