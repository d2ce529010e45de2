"""What a folder of runs says over time: the series of each benchmark, and the newest figures that belong together."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dashboard.compare import THRESHOLDS, compare_figures

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dashboard.compare import Change
    from dashboard.runs import Figure, Run


@dataclass(frozen=True)
class Point:
    """A figure and the run that it comes from."""

    run: Run
    figure: Figure


@dataclass(frozen=True)
class Series:
    """A benchmark on a machine in all runs that have it, the oldest first."""

    machine: str
    points: Sequence[Point]

    def last_change(self) -> Change | None:
        """The newest figure against the one before, or None if there is only one, or its unit is another."""
        figures = [point.figure for point in self.points[-2:]]
        if len(figures) < 2 or figures[0].unit != figures[1].unit:
            return None
        return compare_figures(*figures, "best", THRESHOLDS)


@dataclass(frozen=True)
class Subject:
    """The newest figures of one subject, all of one run."""

    name: str
    unit: str
    run: Run
    figures: Sequence[Figure]

    @property
    def thread_counts(self) -> list[int]:
        """On how many threads it was measured, where that was varied."""
        return sorted({figure.threads for figure in self.figures if figure.threads is not None})

    @property
    def contenders(self) -> list[str]:
        """Who was measured, in the order of the run."""
        return list(dict.fromkeys(figure.contender for figure in self.figures))


def series_by_benchmark(runs: Iterable[Run]) -> dict[str, list[Series]]:
    """The series of each benchmark, one a machine, the benchmarks in the order in which they appeared."""
    found: dict[str, dict[str, list[Point]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        for id_, figure in run.figures.items():
            found[id_][run.machine].append(Point(run, figure))
    return {
        id_: [Series(machine, points) for machine, points in machines.items()]
        for id_, machines in found.items()
    }


def current_ids(runs: Iterable[Run]) -> set[str]:
    """The benchmarks of the newest run of each suite: what was renamed or removed is not among them."""
    newest: dict[str, set[str]] = {}
    for run in runs:
        by_suite: dict[str, set[str]] = defaultdict(set)
        for id_, figure in run.figures.items():
            by_suite[figure.suite].add(id_)
        newest |= by_suite
    return set().union(*newest.values())


def newest_subjects(runs: Iterable[Run]) -> list[Subject]:
    """Each subject as the newest run has it that has it at all."""
    found: dict[tuple[str, str], Subject] = {}
    for run in runs:
        together: dict[tuple[str, str], list[Figure]] = defaultdict(list)
        for figure in run.figures.values():
            together[figure.subject, figure.unit].append(figure)
        found |= {key: Subject(*key, run, figures) for key, figures in together.items()}
    return list(found.values())
