"""Vectors of waits over words that other threads wake, requeue and cancel: every count is kept, every one ends once."""

import mmap
import signal
from collections import Counter

import pytest
from stress.crew import scaled

from pyfutex import ALL, CompletionQueue, Mappable, Memory, Waiter, WaiterState

pytestmark = pytest.mark.stress


@pytest.fixture
def places():
    """Words of a private memory and of a shared one, as (memory, address)."""
    memories = [
        Memory(mmap.mmap(-1, mmap.PAGESIZE)),
        Memory(mmap.mmap(-1, mmap.PAGESIZE), mappable=Mappable("segment")),
    ]
    return [(memory, addr) for memory in memories for addr in (0, 1024, 2048)]


def items(rng, places, longest=6):
    """A random vector of words that hold 0, some of them perhaps more than once."""
    return [(*rng.choice(places), 0) for _ in range(rng.randint(1, longest))]


def wakes(manager, rng, places):
    """One random operation that wakes: how many entries it took."""
    mem, addr = rng.choice(places)
    if rng.random() < 0.3:
        mem2, addr2 = rng.choice(places)
        return manager.requeue(mem, addr, addr2, *rng.choice(((0, ALL), (1, ALL), (2, 1))), mem2=mem2).woken
    return manager.wake(mem, addr, rng.choice((1, 1, 2, ALL)))


def total(crew, side):
    """What the threads of one side counted."""
    sums = Counter()
    for name, n in crew.results:
        sums[name] += n
    return sums[side]


def test_every_vector_of_sleeping_threads_that_lost_an_entry_was_woken(manager, crew, places):
    """No word is listed twice and wakes take one at a time: a vector of one word is then counted once."""

    def wait(rng):
        woken = 0
        for _ in range(scaled(1500)):
            index = manager.waitv(items(rng, places, 1), rng.choice((5e-6, 1e-4, 4e-4)))
            assert index in (-1, 0)
            woken += index == 0
        return "waits", woken

    def wake(rng):
        taken = 0
        while not crew.stopping.is_set():
            taken += wakes(manager, rng, places)
        return "wakes", taken

    crew.add(wait, 4)
    crew.add(wake, 2)
    with crew:
        while len(crew.results) < 4 and crew.working():
            crew.stopping.wait(0.005)
    assert total(crew, "wakes") == total(crew, "waits")
    assert len(manager) == 0


def test_longer_vectors_end_once_and_never_more_often_than_entries_were_taken(manager, crew, places):
    def wait(rng):
        woken = 0
        for _ in range(scaled(1500)):
            vector = items(rng, places)
            index = manager.waitv(vector, rng.choice((5e-6, 1e-4, 4e-4)))
            assert -1 <= index < len(vector)
            woken += index >= 0
        return "waits", woken

    def wake(rng):
        taken = 0
        while not crew.stopping.is_set():
            taken += wakes(manager, rng, places)
        return "wakes", taken

    crew.add(wait, 4)
    crew.add(wake, 2)
    with crew:
        while len(crew.results) < 4 and crew.working():
            crew.stopping.wait(0.005)
    assert 0 < total(crew, "waits") <= total(crew, "wakes")
    assert len(manager) == 0


def test_nobody_is_lost(manager, crew, places):
    """Vectors without a time limit: waking words at random until all are woken must end."""
    rounds = scaled(1000)

    def wait(rng):
        return sum(manager.waitv(items(rng, places)) >= 0 for _ in range(rounds))

    def wake(rng):
        while not crew.stopping.is_set():
            wakes(manager, rng, places)
        return 0

    crew.add(wait, 4)
    crew.add(wake, 2)
    with crew:
        while len(crew.results) < 4 and crew.working():
            crew.stopping.wait(0.005)
    assert sum(crew.results) == 4 * rounds
    assert len(manager) == 0


def test_cancels_race_with_wakes_of_single_entries(manager, crew, places):
    """One entry a waiter: the wakes' counts are the waiters that were not cancelled, to the last one."""

    def cancel(rng):
        done = 0
        for _ in range(scaled(600)):
            waiters = [Waiter() for _ in range(12)]
            for w in waiters:
                assert manager.waitv_prepare(w, items(rng, places, 1)) is None
            for w in rng.sample(waiters, len(waiters)):
                cancelled = w.cancel() if rng.random() < 0.5 else not manager.wait_complete(w)
                assert w.state is (WaiterState.CANCELLED if cancelled else WaiterState.DONE)
                assert w.result == (None if cancelled else 0)
                done += not cancelled
                assert not w.cancel()
        return "waits", done

    def wake(rng):
        taken = 0
        while not crew.stopping.is_set():
            taken += wakes(manager, rng, places)
        return "wakes", taken

    crew.add(cancel, 3)
    crew.add(wake, 3)
    with crew:
        while len(crew.results) < 3 and crew.working():
            crew.stopping.wait(0.005)
    assert total(crew, "wakes") == total(crew, "waits")
    assert len(manager) == 0


def test_waiters_reused_with_other_lengths_are_told_once_each_life(manager, crew, places):
    """Callbacks, completion queues and descriptors of vectors of many words, cancelled and woken at the same time."""

    def live(rng):
        told = []
        completions = CompletionQueue()
        called, queued, polled = Waiter(lambda w: told.append(w.result)), Waiter(queue=completions), Waiter()
        polled.fileno()
        for _ in range(scaled(900)):
            told.clear()
            vectors = {w: items(rng, places, 40) for w in (called, queued, polled)}
            for w, vector in vectors.items():
                assert manager.waitv_prepare(w, vector) is None
            for w, vector in vectors.items():
                if w.cancel():
                    assert w.result is None
                else:
                    assert 0 <= w.result < len(vector)
                    w.wait()
            while queued.woken and not completions.drain():
                crew.stopping.wait(1e-5)
            while called.woken and not told:
                crew.stopping.wait(1e-5)
            assert told == ([called.result] if called.woken else [])
            assert completions.empty()

    def wake(rng):
        while not crew.stopping.is_set():
            wakes(manager, rng, places)

    crew.add(live, 3)
    crew.add(wake, 2)
    with crew:
        while len(crew.results) < 3 and crew.working():
            crew.stopping.wait(0.005)
    assert len(manager) == 0


def test_signals_do_not_cost_a_wake(manager, crew, places):
    """The main thread waits and is signalled all the time; what the waker counted it was woken for."""
    saved = signal.signal(signal.SIGALRM, lambda number, frame: None)
    signal.setitimer(signal.ITIMER_REAL, 1e-4, 1e-4)
    try:
        mem, addr = places[0]

        def wake(rng):
            taken = 0
            while not crew.stopping.is_set():
                taken += manager.wake(mem, addr)
            return "wakes", taken

        crew.add(wake)
        with crew:
            woken = sum(
                manager.waitv([(*places[1], 0), (mem, addr, 0)], 0.001) == 1 for _ in range(scaled(1000))
            )
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, saved)
    assert total(crew, "wakes") == woken
    assert len(manager) == 0
