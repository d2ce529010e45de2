"""Fixtures of every suite: a manager, a page of memory, threads to run in, and a watchdog over each test.

Nothing here synchronises through pyfutex, so that a broken manager cannot hide itself: threads are joined by
`threading`, and a test waits for a state it can see (`wait_until`) instead of sleeping.
"""

import faulthandler
import gc
import mmap
import os
import random
import secrets
import signal
import threading
import time
from functools import partial

import fuzzing
import pytest
from forking import c_fork, os_fork, run_in_child
from hypothesis import settings
from patience import WATCHDOG_SECONDS

from pyfutex import Manager, Memory, Waiter, WaiterState

WAIT_UNTIL_SECONDS = WATCHDOG_SECONDS / 3
PAGE = mmap.PAGESIZE

SEED_VARIABLE = "PYFUTEX_TEST_SEED"
PERTURB_VARIABLE = "PYFUTEX_PERTURB"  # read by a build with -Dperturb=true
run_seed = int(os.environ.get(SEED_VARIABLE) or secrets.randbits(32))
stderr_copy = pytest.StashKey[int]()


def pytest_configure(config):
    """Keep a descriptor of the real standard error, where the watchdog writes past pytest's capture.

    Hypothesis makes the same examples in every run of the suite; a longer fuzz makes new ones.
    """
    config.stash[stderr_copy] = os.dup(2)
    # A shell ignores it for what it runs in the background; tests of Ctrl-C, and their children, would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    settings.register_profile("suite", derandomize=True)
    if fuzzing.FACTOR <= 1:
        settings.load_profile("suite")


def pytest_unconfigure(config):
    """Give that descriptor back."""
    os.close(config.stash[stderr_copy])
    del config.stash[stderr_copy]


def pytest_report_header():
    """Name the seed of this run, with which a failed randomised test is run again; and that of its delays, if it has any."""
    names = {SEED_VARIABLE: run_seed, PERTURB_VARIABLE: os.environ.get(PERTURB_VARIABLE)}
    return [f"{name}={value}" for name, value in names.items() if value is not None]


def pytest_collection_finish():
    """Leave ten thousand tests and their modules out of every collection: a test that collects looks at its own objects."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def watchdog_seconds(request):
    """How long a test may take; a directory whose tests take longer overrides this."""
    return WATCHDOG_SECONDS * (5 if request.node.get_closest_marker("stress") else 1)


@pytest.fixture(autouse=True)
def watchdog(request, watchdog_seconds):
    """Dump every stack and end the process if the test is still running after its time."""
    faulthandler.dump_traceback_later(watchdog_seconds, exit=True, file=request.config.stash[stderr_copy])
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def rng(request):
    """A random generator of this test alone; its seed is printed, so that a failure shows it."""
    seed = f"{run_seed}:{request.node.nodeid}"
    print(f"{SEED_VARIABLE}={run_seed}")
    return random.Random(seed)


@pytest.fixture
def manager():
    """A manager with nobody queued, closed when the test is over."""
    made = Manager()
    yield made
    made.close()


@pytest.fixture
def memory():
    """A page of zeroes in an anonymous mapping, whose addresses are offsets and whose keys are private."""
    return Memory(mmap.mmap(-1, PAGE))


@pytest.fixture
def queue_up(manager, memory):
    """Queue a new `Waiter` and hand it back: ``queue_up(addr, val, on_wake=, queue=, tag=, mem=, in_manager=, ...)``."""

    def queue(
        addr=0, val=0, *, on_wake=None, queue=None, tag=None, mem=memory, in_manager=manager, **options
    ):
        w = Waiter(on_wake, queue=queue, tag=tag)
        assert in_manager.wait_prepare(w, mem, addr, val, **options) is None
        assert w.state is WaiterState.QUEUED
        return w

    return queue


class Running:
    """One call in a thread of its own.

    Attributes
    ----------
    tid : int
        Native id of the thread.
    """

    def __init__(self, call, args, kwargs):
        self._call = call
        self._args = args
        self._kwargs = kwargs
        self._value = None
        self._exception = None
        self._collected = False
        self._thread = threading.Thread(target=self._body, daemon=True)
        self._thread.start()
        self.tid = self._thread.native_id

    def _body(self):
        try:
            self._value = self._call(*self._args, **self._kwargs)
        except BaseException as error:
            self._exception = error

    @property
    def done(self):
        """Whether the call has returned or raised."""
        return not self._thread.is_alive()

    def result(self, timeout=WAIT_UNTIL_SECONDS):
        """Join the thread and return what the call returned, or raise what it raised.

        Parameters
        ----------
        timeout : float, seconds
            How long to wait for the thread to end; an AssertionError after that.
        """
        self._thread.join(timeout)
        assert self.done, f"{self._call} is still running after {timeout} s"
        self._collected = True
        if self._exception is not None:
            raise self._exception
        return self._value

    def uncollected_exception(self):
        """The exception nobody has asked for, or None."""
        return None if self._collected else self._exception


@pytest.fixture
def spawn():
    """Run a call in a thread: ``spawn(call, *args, **kwargs)`` gives its `Running`; all are joined in the end."""
    started = []

    def start(call, *args, **kwargs):
        running = Running(call, args, kwargs)
        started.append(running)
        return running

    yield start
    for running in started:
        running._thread.join(WAIT_UNTIL_SECONDS)
    assert all(running.done for running in started), "a spawned thread outlived its test"
    for running in started:
        error = running.uncollected_exception()
        if error is not None:
            raise error


@pytest.fixture
def wait_until():
    """Give the processor away until an observable state holds: ``wait_until(predicate)`` returns its true value."""

    def wait(predicate, timeout=WAIT_UNTIL_SECONDS):
        give_up = time.monotonic() + timeout
        while not (seen := predicate()):
            assert time.monotonic() < give_up, f"{predicate} did not hold within {timeout} s"
            os.sched_yield()
        return seen

    return wait


@pytest.fixture(params=[os_fork, c_fork])
def in_child(request):
    """Run a function in a forked child: ``in_child(check)`` fails with the child's traceback if it raises."""
    return partial(run_in_child, request.param)
