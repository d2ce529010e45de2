"""Interleaved timing: contenders take turns in rounds of one process, so that a ratio compares like with like."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import repeat

NS_PER_MS = 1_000_000

# Runs an operation n times and returns the nanoseconds that took.
Contender = Callable[[int], int]


def timed(run: Callable[[int], object]) -> Contender:
    """A contender of a function that itself runs an operation n times."""

    def contender(n: int) -> int:
        start = time.perf_counter_ns()
        run(n)
        return time.perf_counter_ns() - start

    return contender


def python_loop(statement: str, **names: object) -> Contender:
    """A contender that executes `statement` n times in a Python loop, `names` being its local variables.

    Each has a code object of its own: the interpreter specialises a call site for the type it meets there.
    """
    source = (
        f"def loop(n, perf_counter_ns, repeat, {', '.join(names)}):\n"
        "    steps = repeat(None, n)\n"
        "    start = perf_counter_ns()\n"
        "    for _ in steps:\n"
        f"        {statement}\n"
        "    return perf_counter_ns() - start\n"
    )
    scope: dict[str, Callable[..., int]] = {}
    exec(compile(source, f"<loop: {statement}>", "exec"), scope)
    loop = scope["loop"]
    values = tuple(names.values())
    return lambda n: loop(n, time.perf_counter_ns, repeat, *values)


@dataclass(frozen=True)
class Series:
    """Nanoseconds an operation, one figure a round."""

    per_op: tuple[float, ...]

    @property
    def minimum(self) -> float:
        return min(self.per_op)

    @property
    def median(self) -> float:
        return statistics.median(self.per_op)


def interleave(
    contenders: Mapping[str, Contender], rounds: int, calls: int | Mapping[str, int]
) -> dict[str, Series]:
    """Time the contenders in turn, `rounds` times, each round starting with another one.

    Parameters
    ----------
    contenders : mapping of str to Contender
    rounds : int
    calls : int or mapping of str to int
        How many operations a contender does in one round.
    """
    names = list(contenders)
    n_calls = {name: calls if isinstance(calls, int) else calls[name] for name in names}
    figures: dict[str, list[float]] = {name: [] for name in names}
    for name in names:
        contenders[name](max(1, n_calls[name] // 4))
    for i in range(rounds):
        first = i % len(names)
        for name in names[first:] + names[:first]:
            figures[name].append(contenders[name](n_calls[name]) / n_calls[name])
    return {name: Series(tuple(values)) for name, values in figures.items()}


def percentile(values: Iterable[float], share: float) -> float:
    """The value below which `share` (0 to 1) of the values lie, the nearest that occurs."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(frozen=True)
class Row:
    """One line of the report: what was measured, against which bound.

    `best` is taken from the minima of the rounds, `median` from the rounds one by one; `low` and `high` hold the
    middle eight tenths of the rounds. `bound` is None for a figure that is only reported.
    """

    group: str
    name: str
    best: float
    median: float
    low: float
    high: float
    bound: float | None = None
    at_least: bool = False
    unit: str = "x"
    figures: Mapping[str, float] = field(default_factory=dict)
    note: str = ""

    def keeps(self, value: float) -> bool:
        """Whether a value lies on the right side of the bound."""
        if self.bound is None:
            return True
        return value >= self.bound if self.at_least else value <= self.bound

    @property
    def verdict(self) -> str:
        """ok; noisy: the minima keep the bound, the median does not; MISSED; empty without a bound."""
        if self.bound is None:
            return ""
        if not self.keeps(self.best):
            return "MISSED"
        return "ok" if self.keeps(self.median) else "noisy"


@dataclass(frozen=True)
class Comparison:
    """One figure made of two series: of their minima, and of their rounds one by one, which hold the spread."""

    best: float
    median: float
    low: float
    high: float

    @classmethod
    def of(cls, ours: Series, floor: Series, figure: Callable[[float, float], float]) -> Comparison:
        """`figure` of ours and the floor's: of the minima, then the median and the middle eight tenths of the rounds."""
        paired = [figure(a, b) for a, b in zip(ours.per_op, floor.per_op, strict=True)]
        return cls(
            best=figure(ours.minimum, floor.minimum),
            median=statistics.median(paired),
            low=percentile(paired, 0.1),
            high=percentile(paired, 0.9),
        )


def ratio_row(
    group: str,
    name: str,
    ours: Series,
    floor: Series,
    bound: float | None,
    *,
    scale: float = 1.0,
    at_least: bool = False,
    unit: str = "x",
    note: str = "",
) -> Row:
    """ours / floor * scale, of the minima and round by round."""
    ratio = Comparison.of(ours, floor, lambda a, b: a / b * scale)
    return Row(
        group=group,
        name=name,
        **asdict(ratio),
        bound=bound,
        at_least=at_least,
        unit=unit,
        figures={
            "ours_min_ns": ours.minimum,
            "ours_median_ns": ours.median,
            "floor_min_ns": floor.minimum,
            "floor_median_ns": floor.median,
        },
        note=note,
    )


def added_row(
    group: str,
    name: str,
    ours: Series,
    floor: Series,
    bound: float | None,
    *,
    scale: float = 1.0,
    unit: str = "ns",
    note: str = "",
) -> Row:
    """(ours - floor) * scale in `unit`, nanoseconds times `scale`, of the minima and round by round."""
    added = Comparison.of(ours, floor, lambda a, b: (a - b) * scale)
    return Row(
        group=group,
        name=name,
        **asdict(added),
        bound=bound,
        unit=unit,
        figures={"ours_min_ns": ours.minimum, "floor_min_ns": floor.minimum},
        note=note,
    )


@dataclass(frozen=True)
class Plan:
    """How much to measure: `full`, or `smoke`, where a figure only has to come out."""

    smoke: bool = False
    effort: float = 1.0

    def rounds(self, n: int) -> int:
        """Rounds to run where a full measurement runs n."""
        return 2 if self.smoke else max(3, round(n * self.effort))

    def size(self, n: int) -> int:
        """Calls of a round, or waiters of a crowd, where a full measurement has n."""
        return max(1, min(n, 500)) if self.smoke else n


ALLOWED_CPUS = sorted(os.sched_getaffinity(0))


@contextmanager
def pinned(*cpus: int) -> Iterator[None]:
    """Keep the calling thread, and the threads it starts meanwhile, on the given cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Run the calling thread before all ordinary ones of its core, where the system permits that."""
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        yield
        return
    try:
        yield
    finally:
        os.sched_setscheduler(0, *before)


def free_threaded() -> bool:
    """Whether this interpreter runs without a GIL."""
    return not getattr(sys, "_is_gil_enabled", lambda: True)()


class ReplayedTime:
    """A clock for pytest-benchmark on which only what it is told goes by: rounds that were measured before."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, ns: float) -> None:
        """Let so many nanoseconds pass."""
        self.now += ns / 1e9
