"""The locks of pyfutex.sync against those of Python: alone, contended by threads and processes, and handed over."""

from __future__ import annotations

import os
import resource
from contextlib import ExitStack
from statistics import median
from typing import TYPE_CHECKING

from contenders import REGISTRY, Kind
from measure import ALLOWED_CPUS, Contender, Plan, Row, interleave, percentile, pinned, python_loop, ratio_row
from places import page

from claims import contended, pingpong
from claims.forked import child

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


def lock(name: str) -> object:
    """A contender that is a lock."""
    return REGISTRY[Kind.LOCK][name].make().it


def alone(plan: Plan) -> Iterator[Row]:
    """Acquired and released, nobody else there; and the same by `with`."""
    names = (
        "sync.Lock",
        "sync.Lock-shared",
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
    yield row("with sync.Lock", "with threading.Lock", 1.05)
    yield row("sync.RLock", "threading.RLock", None)


def among(whom: str, n: int) -> dict[str, Contender]:
    """Ours and Python's, contended."""
    return {
        name: contended.AMONG[whom](REGISTRY[Kind.LOCK][name].make, n) for name in (OURS[whom], RIVAL[whom])
    }


def contention(plan: Plan) -> Iterator[Row]:
    """An acquisition where more and more want the lock."""
    for whom, counts in FULL.items():
        ours, theirs = OURS[whom], RIVAL[whom]
        for n, bound in counts:
            found = interleave(among(whom, n), plan.rounds(contended.ROUNDS), plan.size(contended.CALLS))
            note = f"{found[ours].minimum:.0f} ns against {found[theirs].minimum:.0f} ns"
            yield ratio_row(
                GROUP, f"{n} {whom}: {ours} / {theirs}", found[ours], found[theirs], bound, note=note
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
    yield from contention(plan)
    yield from hand_over(plan)
    yield from broadcast(plan)
