"""The table grows to hundreds of thousands of keys, and the process forks, while everybody goes on."""

import ctypes
import mmap
import os
import signal
import sys
import traceback
from collections import Counter

import pytest
from stress.crew import scaled

from pyfutex import ALL, Manager, Mappable, Memory, Waiter, WaiterState, WaitResult

pytestmark = [
    pytest.mark.stress,
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]

BUSY = [0, 64, 128, 192]
FIRST = 4096  # the filling threads' words begin here


@pytest.fixture(params=["private", "shared"])
def field(request):
    """Memory of many words; `n_words` of them from FIRST on."""
    n_words = scaled(120_000)
    view = mmap.mmap(-1, FIRST + 4 * n_words)
    mappable = Mappable("field") if request.param == "shared" else None
    memory = Memory(view, mappable=mappable)
    return memory, n_words


def add_busy_threads(crew, manager, memory):
    """Threads that wait, wake and requeue on a few words until the crew stops."""

    def wait(rng):
        woken = 0
        while not crew.stopping.is_set():
            timeout = rng.choice((10e-6, 200e-6))
            woken += manager.wait(memory, rng.choice(BUSY), 0, timeout) is WaitResult.WOKEN
        return "waits", woken

    def wake(rng):
        taken = 0
        while not crew.stopping.is_set():
            taken += manager.wake(memory, rng.choice(BUSY), 2)
            taken += manager.requeue(memory, rng.choice(BUSY), rng.choice(BUSY), 0, ALL).woken
        return "wakes", taken

    crew.add(wait, 3)
    crew.add(wake, 1)


def check_busy_threads(crew):
    sums = Counter()
    for side, n in crew.results:
        sums[side] += n
    assert sums["wakes"] == sums["waits"]


def test_table_grows_while_everybody_waits_and_wakes(manager, field, crew):
    memory, n_words = field
    add_busy_threads(crew, manager, memory)
    with crew:
        waiters = []
        for i in range(n_words):
            waiters.append(Waiter())
            assert manager.wait_prepare(waiters[-1], memory, FIRST + 4 * i, 0) is None
        assert manager.stats()["growths"] > 5
        order = list(range(n_words))
        for i in order[::3]:
            assert manager.wake(memory, FIRST + 4 * i, ALL) == 1
        for i in order[1::3]:
            assert waiters[i].cancel()
        for i in order[2::3]:
            result = manager.requeue(memory, FIRST + 4 * i, FIRST + 4 * (i - i % 300), 0, 1)
            assert result == (0, 1)
        moved = sum(manager.wake(memory, FIRST + 4 * i, ALL) for i in range(0, n_words, 300))
        assert moved == len(order[2::3])
    states = Counter(w.state for w in waiters)
    assert states == {
        WaiterState.DONE: len(order[::3]) + len(order[2::3]),
        WaiterState.CANCELLED: len(order[1::3]),
    }
    check_busy_threads(crew)
    assert len(manager) == 0


def test_two_threads_fill_and_empty_the_table(manager, field, crew):
    memory, n_words = field
    n_words //= 4
    add_busy_threads(crew, manager, memory)

    def fill(first):
        def body(rng):
            done = 0
            for _ in range(2):
                waiters = {}
                for i in range(first, n_words, 2):
                    waiters[i] = Waiter()
                    assert manager.wait_prepare(waiters[i], memory, FIRST + 4 * i, 0) is None
                for i, w in waiters.items():
                    if rng.random() < 0.5:
                        done += manager.wake(memory, FIRST + 4 * i)
                    else:
                        assert w.cancel()
                done -= sum(w.woken for w in waiters.values())
            return "balance", done

        return body

    crew.add(fill(0))
    crew.add(fill(1))
    with crew:
        while sum(side == "balance" for side, _ in crew.results) < 2 and crew.working():
            crew.stopping.wait(0.01)
    assert sum(n for side, n in crew.results if side == "balance") == 0
    check_busy_threads(crew)
    assert len(manager) == 0


def in_child(check):
    """Fork, run `check` in the child, and return its exit status: 0 if it raised nothing and ended in time."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        status = 1
        try:
            check()
            status = 0
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
            sys.__stderr__.flush()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_fork_while_everybody_waits_wakes_and_grows(manager, field, crew):
    memory, n_words = field
    n_words //= 8
    add_busy_threads(crew, manager, memory)

    def fill(rng):
        while not crew.stopping.is_set():
            waiters = [Waiter() for _ in range(n_words)]
            for i, w in enumerate(waiters):
                manager.wait_prepare(w, memory, FIRST + 4 * i, 0)
            for w in waiters:
                w.cancel()
        return "none", 0

    def check():
        assert len(manager) == 0
        assert standing.state is WaiterState.CANCELLED
        assert not standing.cancel()
        for addr in BUSY:
            assert manager.wake(memory, addr, ALL) == 0
        mine = [Waiter() for _ in range(500)]
        for i, w in enumerate(mine):
            assert manager.wait_prepare(w, memory, FIRST + 4 * i, 0) is None
        assert len(manager) == 500
        assert manager.requeue(memory, FIRST, FIRST + 4, 0, 1) == (0, 1)
        assert manager.wait(memory, 256, 0, 0.001) is WaitResult.TIMEOUT
        assert sum(manager.wake(memory, FIRST + 4 * i, ALL) for i in range(500)) == 500
        assert all(w.woken for w in mine)
        assert manager.wait_prepare(standing, memory, 512, 0) is None
        assert standing.cancel()
        with Manager() as another:
            assert another.wait(memory, 0, 0, 1e-4) is WaitResult.TIMEOUT

    standing = Waiter()
    assert manager.wait_prepare(standing, memory, 512, 0) is None
    crew.add(fill)
    with crew:
        for _ in range(scaled(12)):
            assert in_child(check) == 0
    assert standing.cancel()
    check_busy_threads(crew)
    assert len(manager) == 0


def test_fork_from_c_starts_over_too(manager, memory):
    """A fork that Python does not know of."""
    standing = Waiter()
    assert manager.wait_prepare(standing, memory, 0, 0) is None
    fork = ctypes.PyDLL(None).fork
    pid = fork()
    if pid == 0:
        empty = len(manager) == 0 and manager.wake(memory, 0) == 0 and standing.state is WaiterState.CANCELLED
        os._exit(0 if empty else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert manager.wake(memory, 0) == 1
    assert standing.woken
