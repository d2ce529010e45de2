"""Shared memory, and children that use it."""

import mmap
import signal

import pytest
from sync.children import forked


@pytest.fixture
def page():
    """Two pages of zeroes that forked children share."""
    return mmap.mmap(-1, 2 * mmap.PAGESIZE)


@pytest.fixture
def fork():
    """Run a function in a forked child: ``fork(body)`` gives its `Child`, whose status is 0 if the body answered True."""
    started = []

    def start(body):
        started.append(forked(body))
        return started[-1]

    yield start
    for child in started:
        if not child.has_ended():
            child.kill()


@pytest.fixture
def handle():
    """Install a handler of SIGUSR1 for the time of the test: ``handle(function)``."""
    saved = signal.getsignal(signal.SIGUSR1)
    yield lambda function: signal.signal(signal.SIGUSR1, lambda number, frame: function())
    signal.signal(signal.SIGUSR1, saved)
