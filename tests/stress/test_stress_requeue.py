"""Waiters moved about by several threads at once, among private and shared words, end exactly once each."""

import mmap
from collections import Counter

import pytest
from stress.crew import scaled

from pyfutex import ALL, Mappable, Memory, Waiter, WaiterState, WaitResult

pytestmark = pytest.mark.stress


@pytest.fixture
def places():
    """Words of two private memories and two shared ones, as (memory, address)."""
    memories = [
        Memory(mmap.mmap(-1, mmap.PAGESIZE)),
        Memory(mmap.mmap(-1, mmap.PAGESIZE), 0x10000),
        Memory(mmap.mmap(-1, mmap.PAGESIZE), mappable=Mappable("one")),
        Memory(mmap.mmap(-1, mmap.PAGESIZE), mappable=Mappable("two"), offset=1 << 40),
    ]
    return [(memory, (memory.base or 0) + addr) for memory in memories for addr in (0, 1024)]


def requeue_at_random(manager, rng, places):
    """One random requeue: how many it woke."""
    (mem, addr), (mem2, addr2) = rng.choice(places), rng.choice(places)
    counts = rng.choice(((0, ALL), (1, ALL), (0, 3), (2, 1), (0, 50)))
    if rng.random() < 0.5:
        return manager.requeue(mem, addr, addr2, *counts, mem2=mem2).woken
    answer = manager.cmp_requeue(mem, addr, addr2, mem.load(addr), *counts, mem2=mem2)
    return 0 if answer is None else answer.woken


def test_storm_among_private_and_shared_words(manager, crew, places):
    def wait(rng):
        woken = 0
        for _ in range(scaled(1500)):
            mem, addr = rng.choice(places)
            woken += manager.wait(mem, addr, 0, rng.choice((5e-6, 100e-6, 400e-6))) is WaitResult.WOKEN
        return "waits", woken

    def move(rng):
        taken = 0
        while not crew.stopping.is_set():
            taken += requeue_at_random(manager, rng, places)
            if rng.random() < 0.3:
                taken += manager.wake(*rng.choice(places), rng.choice((1, 2)))
        return "wakes", taken

    crew.add(wait, 5)
    crew.add(move, 2)
    with crew:
        while len(crew.results) < 5 and crew.working():
            crew.stopping.wait(0.005)
    sums = Counter()
    for side, n in crew.results:
        sums[side] += n
    assert sums["wakes"] == sums["waits"]
    assert len(manager) == 0


def test_nobody_is_lost_in_transit(manager, crew, places):
    """Waiters without a time limit, moved about all the time: waking every word until all are woken must end."""
    n_waiters = scaled(1500)

    def wait(rng):
        return sum(manager.wait(*rng.choice(places), 0) is WaitResult.WOKEN for _ in range(n_waiters // 5))

    def move(rng):
        taken = 0
        while not crew.stopping.is_set():
            taken += requeue_at_random(manager, rng, places)
            taken += manager.wake(*rng.choice(places))
        return -taken

    crew.add(wait, 5)
    crew.add(move, 2)
    with crew:
        while len(crew.results) < 5 and crew.working():
            crew.stopping.wait(0.005)
    assert sum(crew.results) == 0
    assert sum(n for n in crew.results if n > 0) == n_waiters // 5 * 5
    assert len(manager) == 0


def test_waiters_cancelled_while_others_requeue_them(manager, crew, places):
    def cancel(rng):
        done = 0
        for _ in range(scaled(250)):
            waiters = [Waiter() for _ in range(12)]
            for w in waiters:
                assert manager.wait_prepare(w, *rng.choice(places), 0) is None
            crew.stopping.wait(rng.choice((0, 0, 1e-5)))
            for w in rng.sample(waiters, len(waiters)):
                cancelled = w.cancel() if rng.random() < 0.5 else not manager.wait_complete(w)
                assert w.state is (WaiterState.CANCELLED if cancelled else WaiterState.DONE)
                done += not cancelled
                assert not w.cancel()
        return "waits", done

    def move(rng):
        taken = 0
        while not crew.stopping.is_set():
            taken += requeue_at_random(manager, rng, places)
        return "wakes", taken

    crew.add(cancel, 3)
    crew.add(move, 3)
    with crew:
        while len(crew.results) < 3 and crew.working():
            crew.stopping.wait(0.005)
    sums = Counter()
    for side, n in crew.results:
        sums[side] += n
    assert sums["wakes"] == sums["waits"]
    assert len(manager) == 0


def test_waiters_of_forked_managers_meet_on_shared_words(manager, crew, places):
    family = [manager, manager.fork(), manager.fork()]
    shared = [place for place in places if place[0].shared_key(place[1]).mappable is not None]
    assert shared

    def wait(rng):
        m = rng.choice(family)
        return sum(m.wait(*rng.choice(shared), 0) is WaitResult.WOKEN for _ in range(scaled(200)))

    def move(rng):
        taken = 0
        while not crew.stopping.is_set():
            m = rng.choice(family)
            taken += requeue_at_random(m, rng, shared)
            taken += m.wake(*rng.choice(shared), 2)
        return -taken

    crew.add(wait, 4)
    crew.add(move, 2)
    with crew:
        while len(crew.results) < 4 and crew.working():
            crew.stopping.wait(0.005)
    assert sum(crew.results) == 0
    for m in family[1:]:
        m.close()
