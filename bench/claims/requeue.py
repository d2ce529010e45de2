"""Requeueing nobody, one and a thousand; and a condition that lets everybody go on. Figures without a bound."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from contenders import Kind, available
from measure import ALLOWED_CPUS, Contender, Plan, Row, pinned, python_loop, timed
from pyfutex_floor import cloop, engineloop, floor
from subjects import Measurements, Subject

import pyfutex
from claims.calls import new_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERDS = (1, 1000)
HERE, THERE = 64, 128
REQUEUE = f"m.requeue(mem, {HERE}, {THERE}, 0)"
LISTENERS = 20
POLL_SECONDS = 0.0002


def nobody() -> dict[str, Contender]:
    """Requeues that find nobody."""
    engine, mem = engineloop.Engine(), new_memory()
    return {
        "pyfutex.Manager": python_loop(REQUEUE, m=pyfutex.Manager(), mem=mem),
        "pyfutex.Kernel": python_loop(REQUEUE, m=pyfutex.Kernel(), mem=mem),
        "empty": python_loop(REQUEUE, m=floor.Manager(), mem=mem),
        "engine": timed(lambda n: engine.requeue_nobody(HERE, n)),
        "c-kernel": timed(lambda n: cloop.kernel("requeue", n)),
    }


class Herd:
    """`Waiter` objects of one word, moved to another word and back."""

    def __init__(self, size: int) -> None:
        self.manager, self.mem = pyfutex.Manager(), new_memory()
        self.size = size
        self.at, self.to = HERE, THERE
        for _ in range(size):
            if self.manager.wait_prepare(pyfutex.Waiter(), self.mem, HERE, 0) is not None:
                raise AssertionError("a waiter was not queued")

    def requeue(self, n: int) -> int:
        """Move n waiters, rounded up to whole herds. Returns the nanoseconds that n took."""
        manager, mem, at, to = self.manager, self.mem, self.at, self.to
        moves = -(-n // self.size)
        start = time.perf_counter_ns()
        for _ in range(moves):
            manager.requeue(mem, at, to, 0)
            at, to = to, at
        elapsed = time.perf_counter_ns() - start
        self.at, self.to = at, to
        if len(self.manager.waiters(mem, at)) != self.size:
            raise AssertionError("a requeue did not move the whole herd")
        return elapsed * n // (moves * self.size)

    def close(self) -> None:
        """Cancel everybody."""
        self.manager.close()


@contextmanager
def herd_of(size: int) -> Iterator[dict[str, Contender]]:
    """Requeues of a whole herd, counted by the waiter. In the kernel a waiter is a thread that sleeps."""
    herd, engine = Herd(size), engineloop.Herd(size)
    try:
        yield {
            "pyfutex.Manager": herd.requeue,
            "engine": timed(engine.requeue),
            "c-kernel": timed(cloop.KernelHerd(size).requeue),
        }
    finally:
        herd.close()


class Broadcast:
    """Threads that wait for a condition, are all told to go on, and take its lock one after the other.

    Parameters
    ----------
    condition : object
    rounds : int
        How often they are told.
    """

    def __init__(self, condition: Any, rounds: int) -> None:
        self.condition = condition
        self.rounds = rounds
        # All are changed under the condition's lock.
        self.waiting = 0
        self.passed = 0
        self.told = 0
        self.ended = 0
        self.all_passed = threading.Semaphore(0)

    def listen(self) -> None:
        """Wait for each round."""
        with self.condition:
            for i in range(self.rounds):
                self.waiting += 1
                while self.told == i:
                    self.condition.wait()
                self.passed += 1
                if self.passed == LISTENERS:
                    self.ended = time.perf_counter_ns()
                    self.all_passed.release()

    def tell(self) -> int:
        """Tell all of them, once they all wait. Returns the nanoseconds until the last had the lock."""
        while True:
            with self.condition:
                if self.waiting == LISTENERS:
                    self.waiting = self.passed = 0
                    start = time.perf_counter_ns()
                    self.told += 1
                    self.condition.notify_all()
                    break
            time.sleep(POLL_SECONDS)
        self.all_passed.acquire()
        return self.ended - start


def broadcasts(make: Callable[[], Any]) -> Contender:
    """A contender: n times everybody is told."""

    def contender(n: int) -> int:
        broadcast = Broadcast(make(), n)
        threads = [threading.Thread(target=broadcast.listen, daemon=True) for _ in range(LISTENERS)]
        for thread in threads:
            thread.start()
        elapsed = sum(broadcast.tell() for _ in range(n))
        for thread in threads:
            thread.join()
        return elapsed

    return contender


def notify_all() -> dict[str, Contender]:
    """Everybody's condition."""
    return {name: broadcasts(make) for name, make in available(Kind.CONDITION).items()}


def subject_of_nobody() -> Subject:
    """A requeue that finds nobody."""
    return Subject(name="requeue of 0", contenders=nobody, base="pyfutex.Manager", calls=2000)


def subject_of_herd(size: int) -> Subject:
    """A requeue of some waiters."""
    return Subject(
        name=f"requeue of {size:,}, each",
        contenders=partial(herd_of, size),
        base="pyfutex.Manager",
        calls=max(2000, 10 * size),
    )


def subject_of_broadcast() -> Subject:
    """Listeners that are all told to go on."""
    return Subject(
        name=f"notify_all, {LISTENERS} waiting: until all had the lock",
        contenders=notify_all,
        base="sync.Condition",
        calls=10,
        rounds=20,
    )


def measure(plan: Plan) -> Iterator[Row]:
    """Yield everybody against ours."""
    measurements = Measurements(plan)
    with pinned(ALLOWED_CPUS[-1]):
        yield from measurements.of(subject_of_nobody()).rows()
        for size in HERDS:
            yield from measurements.of(subject_of_herd(size)).rows()
    with pinned(*ALLOWED_CPUS[-2:]):
        yield from measurements.of(subject_of_broadcast()).rows()
