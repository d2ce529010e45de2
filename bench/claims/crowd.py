"""Unrelated waiters queued elsewhere: what a wake that finds nobody costs then."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from measure import ALLOWED_CPUS, Plan, Row, Series, interleave, pinned, python_loop, ratio_row, timed
from pyfutex_floor import cloop, engineloop

import pyfutex
from claims.calls import WAKE, new_memory
from claims.loops import MINIMAL_LOOP_NS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GROUP = "unrelated waiters"
CROWDS = (100_000, 1_000_000)
STRIDES = (4, 64, 4092, 4096)
PROBES = 64
STRIDE_FROM_PYTHON = 64
SETTLE_STEP = 10_000


class PythonCrowd:
    """A `Manager` on which `size` `Waiter` objects are queued, each on a word of its own, 64 bytes apart.

    Attributes
    ----------
    manager : pyfutex.Manager
    mem : pyfutex.Memory
        The words of the waiters, and as many again, twice, on which nobody waits.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.manager = pyfutex.Manager()
        self.mem = new_memory((3 * size + PROBES) * STRIDE_FROM_PYTHON)
        self.waiters = [pyfutex.Waiter() for _ in range(size)]
        for i, waiter in enumerate(self.waiters):
            if self.manager.wait_prepare(waiter, self.mem, i * STRIDE_FROM_PYTHON, 0) is not None:
                raise AssertionError("a waiter was not queued")
        self.settle()

    def probe(self, i: int) -> int:
        """Address of the i-th word on which nobody waits."""
        return (self.size + i) * STRIDE_FROM_PYTHON

    def settle(self) -> None:
        """Queue and cancel one more waiter on other words until the table has grown."""
        extra, used = pyfutex.Waiter(), 0
        while self.manager.stats()["migrating"]:
            for _ in range(SETTLE_STEP):
                addr = self.probe(PROBES + used % (2 * self.size))
                self.manager.wait_prepare(extra, self.mem, addr, 0)
                extra.cancel()
                used += 1

    def close(self) -> None:
        """Cancel everybody."""
        self.manager.close()


def by_word(
    name: str, bound: float, unit: str, figure: Callable[[int], tuple[float, float]], probes: int
) -> Row:
    """A row of one figure a word, of minima and of medians; its spread is that over the words."""
    figures = [figure(i) for i in range(probes)]
    best = [by_minima for by_minima, _ in figures]
    return Row(
        group=GROUP,
        name=name,
        best=statistics.median(best),
        median=statistics.median(by_medians for _, by_medians in figures),
        low=min(best),
        high=max(best),
        bound=bound,
        unit=unit,
        note=f"over {probes} words",
    )


def one_word(plan: Plan, label: str, crowd: engineloop.Crowd, empty: engineloop.Engine) -> Row:
    """On one word again and again: nanoseconds more than with nobody queued."""
    minimal = cloop.MinimalWake(1)

    def figure(i: int) -> tuple[float, float]:
        offset = crowd.probe_offset(i)
        contenders = {
            "crowd": timed(lambda n: crowd.wake_words(offset, 1, n)),
            "none": timed(lambda n: empty.wake_words(offset, 1, n)),
            "minimal": timed(minimal.run),
        }
        times = interleave(contenders, plan.rounds(5), plan.size(5000))

        def more(of: Callable[[Series], float]) -> float:
            return (of(times["crowd"]) - of(times["none"])) / of(times["minimal"]) * MINIMAL_LOOP_NS

        return more(lambda s: s.minimum), more(lambda s: s.median)

    return by_word(f"{label}: one word, more than none", 8.0, "ns", figure, 4 if plan.smoke else PROBES)


def random_words(plan: Plan, label: str, crowd: engineloop.Crowd, chase: cloop.Chase) -> Row:
    """On words drawn at random: in steps of a pointer chase over as much memory."""
    seeds = iter(range(1, 1_000_000, 2))
    contenders = {
        "random": timed(
            lambda n: crowd.wake_random(crowd.probe_offset(0), crowd.stride, crowd.size, n, next(seeds))
        ),
        "chase": timed(chase.run),
    }
    times = interleave(contenders, plan.rounds(20), plan.size(20_000))
    return ratio_row(GROUP, f"{label}: random words / chase step", times["random"], times["chase"], 1.5)


def from_python(plan: Plan, size: int) -> Row:
    """From Python, on one word again and again: times the figure with nobody queued."""
    crowd, empty = PythonCrowd(size), pyfutex.Manager()
    statement = WAKE.replace("64", "addr")

    def figure(i: int) -> tuple[float, float]:
        addr = crowd.probe(i)
        contenders = {
            "crowd": python_loop(statement, m=crowd.manager, mem=crowd.mem, addr=addr),
            "none": python_loop(statement, m=empty, mem=crowd.mem, addr=addr),
        }
        times = interleave(contenders, plan.rounds(10), plan.size(2000))
        return times["crowd"].minimum / times["none"].minimum, times["crowd"].median / times["none"].median

    row = by_word(f"{size:,}, from Python: one word / none", 1.15, "x", figure, 4 if plan.smoke else PROBES)
    crowd.close()
    return row


def from_engine(plan: Plan, size: int) -> Iterator[Row]:
    """Every kind of key and every stride, without the GIL."""
    chase = None
    for shared in (False, True):
        empty = engineloop.Engine(shared=shared)
        for stride in STRIDES:
            label = f"{size:,} {'shared' if shared else 'private'}, stride {stride}"
            crowd = engineloop.Crowd(size, stride=stride, shared=shared)
            crowd.fill()
            crowd.settle()
            if chase is None:
                chase = cloop.Chase(size * engineloop.WAITER_SIZE + crowd.table_bytes)
            yield one_word(plan, label, crowd, empty)
            yield random_words(plan, label, crowd, chase)


def measure(plan: Plan) -> Iterator[Row]:
    """Yield the cost of a wake that finds nobody in a crowd, for every kind of key and stride, then from Python."""
    with pinned(ALLOWED_CPUS[-1]):
        for crowd_size in CROWDS:
            size = plan.size(crowd_size)
            yield from from_engine(plan, size)
            yield from_python(plan, size)
