"""Locks built from the API keep a plain counter exact; a PI lock has one owner at a time."""

import threading
from collections import deque

import pytest
from stress.crew import scaled
from stress.locks import Condition, Mutex

pytestmark = pytest.mark.stress

MUTEX, NOT_EMPTY, NOT_FULL, LOCK = 0, 64, 128, 256
WAITERS = 0x8000_0000
TID_MASK = 0x3FFF_FFFF


class Counter:
    """A number whose increment can be torn by another thread."""

    def __init__(self):
        self.value = 0
        self.inside = 0

    def increment(self):
        """Read, be alone, write."""
        self.inside += 1
        assert self.inside == 1, "two threads in a critical section"
        value = self.value
        for _ in range(3):
            threading.get_ident()
        self.value = value + 1
        self.inside -= 1


def test_mutex_protects_a_plain_counter(manager, target, crew):
    mutex, counter = Mutex(manager, target, MUTEX), Counter()
    n_threads, rounds = 4, scaled(2500)

    def body(rng):
        for _ in range(rounds):
            with mutex:
                counter.increment()

    crew.add(body, n_threads)
    with crew:
        crew.join()
    assert counter.value == n_threads * rounds
    assert target.load(MUTEX) == 0
    assert len(manager) == 0


def test_condition_with_requeue_carries_every_item_once(manager, target, crew):
    mutex = Mutex(manager, target, MUTEX)
    not_empty, not_full = Condition(mutex, NOT_EMPTY), Condition(mutex, NOT_FULL)
    items, capacity, per_producer, n_each = deque(), 3, scaled(700), 3
    got = [0] * (per_producer * n_each)

    def produce(first):
        def body(rng):
            for i in range(first, len(got), n_each):
                with mutex:
                    while len(items) >= capacity:
                        not_full.wait()
                    items.append(i)
                    if rng.random() < 0.5:
                        not_empty.notify_all()
                    else:
                        not_empty.notify()

        return body

    def consume(rng):
        for _ in range(per_producer):
            with mutex:
                while not items:
                    not_empty.wait()
                got[items.popleft()] += 1
                not_full.notify_all()

    for first in range(n_each):
        crew.add(produce(first))
    crew.add(consume, n_each)
    with crew:
        crew.join()
    assert got == [1] * len(got)
    assert len(manager) == 0


def test_broadcast_reaches_everybody(manager, target, crew):
    """A barrier of a condition: each generation, the last to come broadcasts, and nobody is left behind."""
    mutex = Mutex(manager, target, MUTEX)
    gate = Condition(mutex, NOT_EMPTY)
    n_threads, generations = 6, scaled(250)
    state = {"arrived": 0, "generation": 0}

    def body(rng):
        for generation in range(generations):
            with mutex:
                assert state["generation"] == generation
                state["arrived"] += 1
                if state["arrived"] == n_threads:
                    state["arrived"] = 0
                    state["generation"] += 1
                    gate.notify_all()
                while state["generation"] == generation:
                    gate.wait()

    crew.add(body, n_threads)
    with crew:
        crew.join()
    assert state == {"arrived": 0, "generation": generations}
    assert gate.requeued > 0


def test_pi_lock_has_one_owner_at_a_time(manager, target, crew):
    counter = Counter()
    n_threads, rounds = 4, scaled(1200)

    def body(rng):
        tid = threading.get_native_id()
        taken = 0
        while taken < rounds:
            way = rng.random()
            if way < 0.3:
                got = target.compare_and_swap(LOCK, 0, tid) == 0
            elif way < 0.4:
                got = manager.trylock_pi(target, LOCK)
            elif way < 0.6:
                got = manager.lock_pi(target, LOCK, rng.choice((0, 1e-6, 50e-6, 1e-3)))
            else:
                got = manager.lock_pi(target, LOCK)
            if got:
                assert target.load(LOCK) & TID_MASK == tid
                counter.increment()
                taken += 1
                if target.compare_and_swap(LOCK, tid, 0) != tid:
                    manager.unlock_pi(target, LOCK)

    crew.add(body, n_threads)
    with crew:
        crew.join()
    assert counter.value == n_threads * rounds
    assert target.load(LOCK) == 0
    assert len(manager) == 0


def test_plain_wakes_on_a_contended_pi_lock_never_make_an_owner(manager, target, crew):
    counter = Counter()
    n_threads, rounds = 3, scaled(800)

    def body(rng):
        for _ in range(rounds):
            assert manager.lock_pi(target, LOCK)
            assert target.load(LOCK) & TID_MASK == threading.get_native_id()
            counter.increment()
            manager.unlock_pi(target, LOCK)

    def disturb(rng):
        counted = set()
        while not crew.stopping.is_set():
            try:
                assert manager.wake(target, LOCK, 10) == 0
                assert manager.requeue(target, LOCK, MUTEX, 1, 1) == (0, 0)
            except OSError as error:
                counted.add(error.woken)
        return counted

    crew.add(body, n_threads)
    crew.add(disturb)
    with crew:
        while len(crew.results) < n_threads and crew.working():
            crew.stopping.wait(0.005)
    assert [counted for counted in crew.results if counted is not None] in ([{0}], [set()])
    assert counter.value == n_threads * rounds
    assert target.load(LOCK) == 0
    assert len(manager) == 0
