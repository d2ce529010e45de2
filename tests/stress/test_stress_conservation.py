"""Every wake that was counted ends exactly one wait, whatever timeout, cancel or signal raced with it."""

import random
import signal
import threading
from collections import Counter

import pytest
from stress.crew import scaled

from pyfutex import ALL, Waiter, WaiterState, WaitResult

pytestmark = pytest.mark.stress

WORDS = [0, 4, 64, 2048]
BITSETS = [1, 2, 3, 0xFFFF_FFFF]


def test_wakes_equal_woken_waits_under_racing_timeouts(manager, target, crew):
    def wait(rng):
        woken = 0
        for _ in range(scaled(1500)):
            timeout = rng.choice((1e-6, 20e-6, 60e-6, 200e-6))
            result = manager.wait(target, rng.choice(WORDS), 0, timeout, bitset=rng.choice(BITSETS))
            woken += result is WaitResult.WOKEN
        return "waits", woken

    def wake(rng):
        taken = 0
        while not crew.stopping.is_set():
            taken += manager.wake(
                target, rng.choice(WORDS), rng.choice((1, 2, ALL)), bitset=rng.choice(BITSETS)
            )
        return "wakes", taken

    crew.add(wait, 4)
    crew.add(wake, 2)
    with crew:
        while len(crew.results) < 4 and crew.working():
            crew.stopping.wait(0.005)
    sums = Counter()
    for side, n in crew.results:
        sums[side] += n
    assert sums["wakes"] == sums["waits"] > 0
    assert len(manager) == 0


def test_wakes_equal_waiters_done_when_cancelled_meanwhile(manager, target, crew):
    def prepare_and_give_up(rng):
        ends = Counter()
        for _ in range(scaled(300)):
            waiters = [Waiter() for _ in range(8)]
            for w in waiters:
                assert manager.wait_prepare(w, target, rng.choice(WORDS), 0) is None
            for w in rng.sample(waiters, len(waiters)):
                if rng.random() < 0.3:
                    w.wait(rng.choice((0, 1e-6, 50e-6)))
                cancelled = w.cancel()
                assert w.state is (WaiterState.CANCELLED if cancelled else WaiterState.DONE)
                assert w.woken is not cancelled
                ends[not cancelled] += 1
        return "done", ends[True]

    def wake(rng):
        taken = 0
        while not crew.stopping.is_set():
            taken += manager.wake(target, rng.choice(WORDS), rng.randint(1, 6))
        return "wakes", taken

    crew.add(prepare_and_give_up, 3)
    crew.add(wake, 2)
    with crew:
        while len(crew.results) < 3 and crew.working():
            crew.stopping.wait(0.005)
    sums = Counter()
    for side, n in crew.results:
        sums[side] += n
    assert sums["wakes"] == sums["done"]
    assert len(manager) == 0


@pytest.fixture
def signals():
    """Count SIGUSR1 in a handler that does not raise."""
    seen = Counter()

    def count(number, frame):
        seen[number] += 1

    before = signal.signal(signal.SIGUSR1, count)
    yield seen
    signal.signal(signal.SIGUSR1, before)


def test_signals_during_waits_lose_no_wake(manager, target, crew, signals):
    main = threading.main_thread().ident

    def wait(rng):
        return "waits", sum(
            manager.wait(target, 0, 0, rng.choice((50e-6, 500e-6))) is WaitResult.WOKEN
            for _ in range(scaled(500))
        )

    def wake(rng):
        taken = 0
        while not crew.stopping.is_set():
            taken += manager.wake(target, 0, rng.choice((1, 2)))
            signal.pthread_kill(rng.choice([main, *crew.idents()]), signal.SIGUSR1)
        return "wakes", taken

    crew.add(wait, 2)
    crew.add(wake)
    with crew:
        mine = wait(random.Random(0))[1]
        while len(crew.results) < 2 and crew.working():
            crew.stopping.wait(0.005)
    sums = Counter(waits=mine)
    for side, n in crew.results:
        sums[side] += n
    assert sums["wakes"] == sums["waits"]
    assert signals[signal.SIGUSR1] > 0
    assert len(manager) == 0


def test_wake_wait_ring_loses_nobody(manager, memory, crew):
    """A token goes round a ring: each thread wakes the next and waits for its own turn, in one call."""
    n_threads, turns = 4, scaled(1500)
    end = n_threads * turns

    def ring(me):
        def body(rng):
            for turn in range(me, end, n_threads):
                while (seen := memory.load(4 * me)) != turn + 1:
                    manager.wait(memory, 4 * me, seen)
                following = (me + 1) % n_threads
                memory.store(4 * following, turn + 2)
                manager.wake_wait(
                    memory, 4 * following, 4 * me, turn + 1, None if turn + n_threads < end else 0
                )

        return body

    for me in range(n_threads):
        crew.add(ring(me))
    memory.store(0, 1)
    with crew:
        crew.join()
    assert memory.load(0) == end + 1
    assert len(manager) == 0
