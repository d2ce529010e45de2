"""Measuring all of it in turns."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyfutex.demo.progress import progress_bar
from pyfutex.measuring.subjects import SUBJECTS, Subject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyfutex.measuring.subjects import Work

MEASUREMENT_S = 0.01  # as long as this, so that looking at the clock costs nothing
FEWEST_ROUNDS = 3


@dataclass
class Figures:
    """What was measured of a subject: nanoseconds of one operation, a pair a round."""

    subject: Subject
    ours_ns: list[float] = field(default_factory=list)
    theirs_ns: list[float] = field(default_factory=list)
    why_not: str = ""  # it was left out


@dataclass
class _Pair:
    """Both ways to do something, and how often to do it in one measurement."""

    figures: Figures
    ours: Work
    theirs: Work
    n_ours: int
    n_theirs: int

    def measure(self, *, theirs_first: bool) -> None:
        """One after the other, so that what slows one down slows down the other."""
        if theirs_first:
            theirs = _ns(self.theirs, self.n_theirs)
            ours = _ns(self.ours, self.n_ours)
        else:
            ours = _ns(self.ours, self.n_ours)
            theirs = _ns(self.theirs, self.n_theirs)
        self.figures.ours_ns.append(ours)
        self.figures.theirs_ns.append(theirs)


def measure(seconds: float, results: list[Figures]) -> None:
    """Measure everything in turns for about so long. Whoever interrupts it finds in `results` what there is."""
    began = time.perf_counter()
    with ExitStack() as stack:
        pairs = [pair for subject in SUBJECTS if (pair := _opened(subject, results, stack)) is not None]
        round_began = time.perf_counter()
        n_rounds = max(FEWEST_ROUNDS, int((seconds - (round_began - began)) / _round_s(pairs)))
        with progress_bar(n_rounds * len(pairs)) as step:
            for i in range(n_rounds):
                for pair in pairs:
                    step(pair.figures.subject.name)
                    pair.measure(theirs_first=bool(i % 2))


def _opened(subject: Subject, results: list[Figures], stack: ExitStack) -> _Pair | None:
    figures = Figures(subject)
    results.append(figures)
    try:
        ours = stack.enter_context(subject.ours.opened())
        theirs = stack.enter_context(subject.theirs.opened())
    except OSError as error:
        figures.why_not = error.strerror or str(error)
        return None
    return _Pair(figures, ours, theirs, _often_enough(ours), _often_enough(theirs))


def _often_enough(work: Work) -> int:
    """How often to do it so that it takes MEASUREMENT_S."""
    n = 1
    while (took := _ns(work, n) * n / 1e9) < MEASUREMENT_S / 4:
        n *= 2
    return max(1, int(n * MEASUREMENT_S / took))


def _round_s(pairs: Sequence[_Pair]) -> float:
    """How long a round takes, about."""
    return 2 * MEASUREMENT_S * max(len(pairs), 1)


def _ns(work: Work, n: int) -> float:
    began = time.perf_counter_ns()
    work(n)
    return (time.perf_counter_ns() - began) / n
