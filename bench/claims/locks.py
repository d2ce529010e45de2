"""The locks of pyfutex.sync against those of Python: alone, contended by threads and processes, and handed over."""

from __future__ import annotations

import os
import resource
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from statistics import median
from time import perf_counter_ns
from typing import TYPE_CHECKING

from contenders import REGISTRY, Kind
from measure import (
    ALLOWED_CPUS,
    NS_PER_MS,
    Contender,
    Plan,
    Row,
    Series,
    interleave,
    percentile,
    pinned,
    python_loop,
    ratio_row,
)
from places import page

from claims import contended, pingpong
from claims.forked import child
from pyfutex import sync

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GROUP = "sync"
PAIR_CALLS, PAIR_ROUNDS = 4000, 100
FULL = {
    "threads": ((2, 0.6), (4, 0.6), (8, 0.6)),
    "processes": ((2, 0.55), (4, 0.75), (8, 1.0)),
}
RIVAL = {"threads": "threading.Lock", "processes": "multiprocessing.Lock"}
OURS = {"threads": "sync.Lock", "processes": "sync.Lock-shared"}
LISTENERS = 64
SHARE_MS = 150


def lock(name: str) -> object:
    """A contender that is a lock."""
    return REGISTRY[Kind.LOCK][name].make().it


def alone(plan: Plan) -> Iterator[Row]:
    """Acquired and released, nobody else there; and the same by `with`."""
    names = (
        "sync.Lock",
        "sync.Lock-shared",
        "sync.Lock-pi",
        "sync.RLock",
        "threading.Lock",
        "threading.RLock",
        "multiprocessing.Lock",
    )
    loops: dict[str, Contender] = {}
    for name in names:
        it = lock(name)
        loops[name] = python_loop("it.acquire(); it.release()", it=it)
        loops[f"with {name}"] = python_loop("with it: pass", it=it)
    found = interleave(loops, plan.rounds(PAIR_ROUNDS), plan.size(PAIR_CALLS))

    def row(ours: str, theirs: str, bound: float | None) -> Row:
        note = f"{found[ours].minimum:.1f} ns against {found[theirs].minimum:.1f} ns"
        return ratio_row(GROUP, f"{ours} / {theirs}", found[ours], found[theirs], bound, note=note)

    yield row("sync.Lock", "threading.Lock", 0.6)
    yield row("sync.Lock", "multiprocessing.Lock", 0.95)
    yield row("sync.Lock-shared", "multiprocessing.Lock", None)
    yield row("sync.Lock-shared", "sync.Lock", 1.15)
    yield row("sync.Lock-pi", "sync.Lock-shared", None)
    yield row("with sync.Lock", "with threading.Lock", 1.05)
    yield row("sync.RLock", "threading.RLock", None)


def counters(plan: Plan) -> Iterator[Row]:
    """Semaphores and events, nobody else there."""
    loops = {
        "sync.Semaphore": python_loop("it.acquire(); it.release()", it=sync.Semaphore()),
        "threading.Semaphore": python_loop("it.acquire(); it.release()", it=threading.Semaphore()),
        "sync.Event": python_loop("it.set(); it.clear()", it=sync.Event()),
        "threading.Event": python_loop("it.set(); it.clear()", it=threading.Event()),
    }
    found = interleave(loops, plan.rounds(PAIR_ROUNDS), plan.size(PAIR_CALLS))
    for kind, what in (("Semaphore", "acquire + release"), ("Event", "set + clear")):
        ours, theirs = found[f"sync.{kind}"], found[f"threading.{kind}"]
        note = f"{ours.minimum:.1f} ns against {theirs.minimum:.1f} ns"
        yield ratio_row(GROUP, f"sync.{kind} / threading.{kind}, {what}", ours, theirs, 0.06, note=note)


def among_threads(plan: Plan) -> Iterator[Row]:
    """An acquisition where more and more threads want the lock.

    The interpreter runs one at a time, so what they do under the lock adds up, and is taken off.
    """
    ours, theirs = OURS["threads"], RIVAL["threads"]
    for n, bound in FULL["threads"]:
        contenders = {
            name: contended.among_threads(REGISTRY[Kind.LOCK][name].make, n) for name in (ours, theirs)
        }
        found = interleave(
            contenders | {"unguarded": contended.unguarded},
            plan.rounds(contended.ROUNDS),
            plan.size(contended.CALLS),
        )
        floor = found["unguarded"].minimum
        note = f"{found[ours].minimum:.0f} ns against {found[theirs].minimum:.0f} ns, less {floor:.0f} ns without a lock"
        locked = {
            name: Series(tuple(taken - floor for taken in found[name].per_op)) for name in (ours, theirs)
        }
        yield ratio_row(
            GROUP, f"{n} threads: {ours} / {theirs}", locked[ours], locked[theirs], bound, note=note
        )


def hand_over(plan: Plan) -> Iterator[Row]:
    """Turns under a condition, both players on one core."""
    cpus = ALLOWED_CPUS[-1], ALLOWED_CPUS[-1]
    for whom, ours, theirs, bound in (
        ("threads", "sync.Condition", "threading.Condition", 0.5),
        ("processes", "sync.Condition-shared", "multiprocessing.Condition", 0.6),
    ):
        games = {name: pingpong.PLAY[whom](pingpong.PAIRS[name][0], cpus) for name in (ours, theirs)}
        found = interleave(games, plan.rounds(pingpong.ROUNDS), plan.size(pingpong.TRIPS))
        note = f"{found[ours].minimum / 1000:.1f} us against {found[theirs].minimum / 1000:.1f} us"
        yield ratio_row(
            GROUP,
            f"round trip of two {whom}, packed: {ours} / {theirs}",
            found[ours],
            found[theirs],
            bound,
            note=note,
        )


@dataclass(frozen=True)
class Shares:
    """What came of processes on one lock: the smallest share of the largest, and the longest wait."""

    evenness: float
    longest_ms: float


def share_out(make: Callable[[], object], n: int, duration_ms: float) -> Shares:
    """Let so many processes take a lock again and again for a time."""
    lock, counts = make().it, memoryview(page(shared=True)).cast("q")
    ends, counter = 0, 1  # places in counts; then, for each party: ready, turns, longest wait

    def take_part(party: int) -> None:
        ready, turns, longest = (2 + 3 * party + i for i in range(3))
        counts[ready] = 1
        while not counts[ends]:
            os.sched_yield()
        done = worst = now = 0
        while now < counts[ends]:
            start = perf_counter_ns()
            lock.acquire()
            now = perf_counter_ns()
            counts[counter] = contended.successor(counts[counter])
            lock.release()
            done += 1
            worst = max(worst, now - start)
        counts[turns], counts[longest] = done, worst

    with ExitStack() as children:
        for party in range(n):
            children.enter_context(child(partial(take_part, party)))
        while not all(counts[2 + 3 * party] for party in range(n)):
            os.sched_yield()
        counts[ends] = perf_counter_ns() + int(duration_ms * NS_PER_MS)
    turns = [counts[3 + 3 * party] for party in range(n)]
    return Shares(
        evenness=min(turns) / max(turns),
        longest_ms=max(counts[4 + 3 * party] for party in range(n)) / NS_PER_MS,
    )


def among_processes(plan: Plan) -> Iterator[Row]:
    """An acquisition where more and more processes want the lock; how evenly they get it, and how long one waits at most.

    What they do under the lock and between two turns counts, too, and is little.
    """
    ours, theirs = OURS["processes"], RIVAL["processes"]
    for n, bound in FULL["processes"]:
        taken = interleave(
            {name: contended.among_processes(REGISTRY[Kind.LOCK][name].make, n) for name in (ours, theirs)},
            plan.rounds(contended.ROUNDS),
            plan.size(contended.CALLS_OF_PROCESSES),
        )
        note = f"{taken[ours].minimum:.0f} ns against {taken[theirs].minimum:.0f} ns"
        yield ratio_row(
            GROUP, f"{n} processes: {ours} / {theirs}", taken[ours], taken[theirs], bound, note=note
        )
        found: dict[str, list[Shares]] = {ours: [], theirs: []}
        for _round in range(plan.rounds(10)):
            for name, all_of_it in found.items():
                all_of_it.append(
                    share_out(REGISTRY[Kind.LOCK][name].make, n, SHARE_MS / (10 if plan.smoke else 1))
                )
        evenness = {name: [each.evenness for each in all_of_it] for name, all_of_it in found.items()}
        yield Row(
            group=GROUP,
            name=f"{n} processes: smallest share / largest, {ours}",
            best=max(evenness[ours]),
            median=median(evenness[ours]),
            low=percentile(evenness[ours], 0.1),
            high=percentile(evenness[ours], 0.9),
            bound=0.5,
            at_least=True,
            note=f"{theirs} {median(evenness[theirs]):.2f}",
        )
        waits = {
            name: Series(tuple(each.longest_ms for each in all_of_it)) for name, all_of_it in found.items()
        }
        note = f"medians {waits[ours].median:.1f} ms against {waits[theirs].median:.1f} ms"
        yield ratio_row(
            GROUP,
            f"{n} processes: longest wait, {ours} / {theirs}",
            waits[ours],
            waits[theirs],
            3.0,
            note=note,
        )


def voluntary_switches() -> int:
    """How often this process has given its core away."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw


def switches_of_a_broadcast(make: Callable[[], object]) -> int:
    """Processes that wait for a condition and are all told to go on: how often they sleep, all together."""
    condition, counts = make(), memoryview(page(shared=True)).cast("q")
    ready, told, total = 0, 1, 2  # places in counts; all are changed under the lock

    def listen() -> None:
        with condition:
            counts[ready] += 1
            before = voluntary_switches()
            while not counts[told]:
                condition.wait()
        slept = voluntary_switches() - before
        with condition:
            counts[total] += slept

    with ExitStack() as children:
        for _ in range(LISTENERS):
            children.enter_context(child(listen))
        while True:
            with condition:
                if counts[ready] == LISTENERS:
                    counts[told] = 1
                    condition.notify_all()
                    break
            os.sched_yield()
    return counts[total]


def broadcast(plan: Plan) -> Iterator[Row]:
    """Whether those who are notified run into the lock."""
    for name, bound in (("sync.Condition-shared", LISTENERS + 2), ("multiprocessing.Condition", None)):
        make = REGISTRY[Kind.CONDITION][name].make
        slept = [float(switches_of_a_broadcast(make)) for _ in range(plan.rounds(10))]
        yield Row(
            group=GROUP,
            name=f"notify_all, {LISTENERS} processes: {name}, sleeps",
            best=min(slept),
            median=median(slept),
            low=percentile(slept, 0.1),
            high=percentile(slept, 0.9),
            bound=bound,
            unit="",
        )


def measure(plan: Plan) -> Iterator[Row]:
    """Yield all of it."""
    with pinned(ALLOWED_CPUS[-1]):
        yield from alone(plan)
        yield from counters(plan)
    yield from among_threads(plan)
    yield from among_processes(plan)
    yield from hand_over(plan)
    yield from broadcast(plan)
