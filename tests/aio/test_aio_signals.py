"""A signal handler that raises ends a blocking call; a wake that it hides goes to the next thread."""

import signal
import threading

import pytest
from aio.loopturns import asleep

from pyfutex import aio


class Interrupted(Exception):
    """What the handler raises."""


def condition_wait(condition):
    """Wait once, under the lock."""
    with condition:
        return condition.wait_blocking()


def locked():
    """A lock that somebody holds."""
    lock = aio.Lock()
    lock.acquire_blocking()
    return lock


# What is made, the call that blocks, and the one that wakes it.
BLOCKING = {
    "Lock": (locked, aio.Lock.acquire_blocking, aio.Lock.release),
    "Semaphore": (lambda: aio.Semaphore(0), aio.Semaphore.acquire_blocking, aio.Semaphore.release),
    "Condition": (aio.Condition, condition_wait, lambda condition: condition._word.wake()),
}


@pytest.fixture
def handle():
    """Install a handler of SIGUSR1 for the length of a test."""
    before = signal.getsignal(signal.SIGUSR1)
    yield lambda handler: signal.signal(signal.SIGUSR1, handler)
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("name", BLOCKING)
def test_a_wake_that_a_handler_hides_goes_to_the_next(handle, spawn, wait_until, name):
    """The handler itself makes the wake, so that the call that it ends has been woken."""
    make, block, wake = BLOCKING[name]
    primitive = make()
    main_thread = threading.get_ident()
    others = []

    def wake_and_raise(*_):
        wake(primitive)
        raise Interrupted

    def interrupt():
        wait_until(lambda: asleep(primitive) == 1)
        others.append(spawn(block, primitive))
        wait_until(lambda: asleep(primitive) == 2)
        signal.pthread_kill(main_thread, signal.SIGUSR1)

    handle(wake_and_raise)
    interrupting = spawn(interrupt)
    with pytest.raises(Interrupted):
        block(primitive)
    interrupting.result()
    assert others[0].result() is True
