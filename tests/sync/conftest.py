"""Primitives in an object and in shared memory, threads and processes that sleep on them."""

import mmap
import os
import signal
import struct
from functools import partial

import pytest
from sync.children import forked
from sync.participants import kill
from sync.sleeping import inside, sleeps_on, within

from pyfutex import sync

WORD_AT = 16


@pytest.fixture
def page():
    """Two pages of zeroes that forked children share."""
    return mmap.mmap(-1, 2 * mmap.PAGESIZE)


@pytest.fixture
def word(page):
    """The word of a primitive that lies at the beginning of the page."""
    return lambda: struct.unpack_from("I", page, WORD_AT)[0]


@pytest.fixture(params=["private", "shared"])
def make(request, page):
    """Make a primitive, in an object and in shared memory: ``make(sync.Semaphore, value=2)``."""

    def make_one(kind, **parameters):
        if request.param == "private":
            return kind(**parameters)
        return kind.create(page, **parameters)

    return make_one


@pytest.fixture(params=[False, True], ids=["plain", "pi"])
def pi(request):
    """Whether a lock has priority inheritance."""
    return request.param


@pytest.fixture
def asleep(page, wait_until):
    """Wait until threads sleep on a primitive: ``asleep(primitive, running, ...)``."""

    def wait(primitive, *running):
        areas = inside(primitive), within(page)
        wait_until(lambda: all(sleeps_on(each.tid, *areas) for each in running))

    return wait


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
def all_succeed(fork, wait_until):
    """Run functions in a forked child each, all at once; all have to answer True."""

    def run(*bodies):
        started = [fork(body) for body in bodies]
        wait_until(lambda: all(child.has_ended() for child in started))
        assert [child.status for child in started] == [0] * len(bodies)

    return run


@pytest.fixture
def at_once(page, all_succeed):
    """As `all_succeed`, but they begin together, on processors of their own where there are so many."""

    def run(*bodies):
        missing = sync.Latch.create(page, mmap.PAGESIZE, count=len(bodies))

        def begin(body):
            missing.count_down()
            while missing.count:
                pass
            return body()

        all_succeed(*(partial(begin, body) for body in bodies))

    return run


@pytest.fixture
def handle():
    """Install a handler of SIGUSR1 for the time of the test: ``handle(function)``."""
    saved = signal.getsignal(signal.SIGUSR1)
    yield lambda function: signal.signal(signal.SIGUSR1, lambda number, frame: function())
    signal.signal(signal.SIGUSR1, saved)


@pytest.fixture
def interrupt(page, wait_until):
    """Send a signal to a thread as soon as it sleeps on a primitive: ``interrupt(primitive, thread, number)``."""

    def send(primitive, thread, number=signal.SIGUSR1):
        areas = inside(primitive), within(page)
        wait_until(lambda: sleeps_on(thread.native_id, *areas))
        signal.pthread_kill(thread.ident, number)

    return send


@pytest.fixture
def schedulers():
    """A C library that lets one be chosen: musl does not."""
    try:
        os.sched_getscheduler(0)
    except OSError as error:
        pytest.skip(f"this C library chooses no scheduler: {error.strerror}")


@pytest.fixture
def one_processor(schedulers):
    """Keep the test, and the processes it starts, on one processor."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


@pytest.fixture(params=["fork", "spawn", "forkserver"])
def context(request):
    """The context of each start method."""
    return sync.get_context(request.param)


@pytest.fixture
def start(context):
    """Start a process of the context: ``start(function, *arguments)``; it is killed in the end."""
    started = []

    def run(function, *arguments):
        process = context.Process(target=function, args=arguments, daemon=True)
        started.append(process)
        process.start()
        return process

    yield run
    for process in started:
        kill(process)
