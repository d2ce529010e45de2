"""Semaphores under threads and processes: permits are neither lost nor made, and nobody is left asleep."""

import os
import random
import threading

import pytest
from stress.crew import Crew, scaled

from pyfutex import Memory, sync

pytestmark = [
    pytest.mark.stress,
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


def take_and_give(semaphore, rng, rounds, holding):
    """Take and give permits in every way; ``holding(change)`` notes how many the caller has."""
    for _ in range(rounds):
        way = rng.randrange(4)
        if way == 0:
            taken = semaphore.acquire(False)
        elif way == 1:
            taken = semaphore.acquire(timeout=rng.random() * 1e-4)
        else:
            taken = semaphore.acquire()
        if taken:
            holding(1)
            os.sched_yield()
            holding(-1)
            semaphore.release()


@pytest.mark.parametrize("permits", [1, 2, 5])
def test_threads_never_hold_more_than_there_are(rng, make, permits):
    semaphore = make(sync.BoundedSemaphore, value=permits)
    held, most, lock = 0, 0, threading.Lock()

    def holding(change):
        nonlocal held, most
        with lock:
            held += change
            most = max(most, held)

    crew = Crew(rng)
    crew.add(lambda rng: take_and_give(semaphore, rng, scaled(1000), holding), 6)
    with crew:
        pass
    assert 0 < most <= permits
    assert f"value={permits}/{permits}" in repr(semaphore)


def give(semaphore, rng, permits):
    """Release so many permits, a few at a time."""
    while permits:
        n = min(permits, rng.randint(1, 4))
        semaphore.release(n)
        permits -= n
    return True


def take(semaphore, permits):
    """Acquire so many permits."""
    return all(semaphore.acquire() for _ in range(permits))


def test_every_permit_that_threads_release_is_taken_once(rng, make):
    semaphore = make(sync.Semaphore, value=0)
    rounds, takers = scaled(2000), 4
    crew = Crew(rng)
    crew.add(lambda rng: give(semaphore, rng, rounds), takers)
    crew.add(lambda rng: take(semaphore, rounds), takers)
    with crew:
        pass
    assert crew.results == [True] * 2 * takers
    assert "value=0" in repr(semaphore)


def test_every_permit_that_processes_release_is_taken_once(rng, page, all_succeed):
    semaphore = sync.Semaphore.create(page, value=0)
    rounds = scaled(10000)
    seeds = rng.getrandbits(32), rng.getrandbits(32)
    all_succeed(
        *(lambda seed=seed: give(semaphore, random.Random(seed), rounds) for seed in seeds),
        *[lambda: take(semaphore, rounds)] * 2,
    )
    assert "value=0" in repr(semaphore)


@pytest.mark.parametrize("permits", [1, 3])
def test_processes_never_hold_more_than_there_are(rng, page, all_succeed, permits):
    semaphore = sync.BoundedSemaphore.create(page, value=permits)
    held, inside = Memory(page), 256

    def work(seed):
        # One number for all, so that no look at it is torn.
        def holding(change):
            before = held.fetch_add(inside, change)
            assert before + change <= permits

        take_and_give(semaphore, random.Random(seed), scaled(3000), holding)
        return True

    seeds = [rng.getrandbits(32) for _ in range(4)]
    all_succeed(*(lambda seed=seed: work(seed) for seed in seeds))
    assert f"value={permits}/{permits}" in repr(semaphore)
