"""Subjects: what is done, by whom, and everybody's series, taken in turns the first time anybody asks for one."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from measure import NS_PER_MS, Comparison, Contender, Plan, Row, Series, interleave, ratio_row

SAMPLE = 50  # the part of a round's calls by which a contender is timed beforehand

Contenders = Mapping[str, Contender]


@dataclass(frozen=True)
class Subject:
    """What is done, and by whom.

    Attributes
    ----------
    name : str
        Tells it from all others of a session.
    contenders : callable
        Makes them, or a context manager that yields them and clears up.
    base : str
        The contender that all are compared with: ours, as a rule.
    calls : int or mapping of str to int
        Operations of a round, or of a contender's round. Who would take longer than `round_ms` for them makes fewer.
    rounds : int
    round_ms : float
        Where others use the cores, rounds of like length are disturbed alike.
    """

    name: str
    contenders: Callable[[], Contenders | AbstractContextManager[Contenders]]
    base: str
    calls: int | Mapping[str, int]
    rounds: int = 50
    round_ms: float = 40

    def measure(self, plan: Plan) -> Measured:
        """Let everybody take turns."""
        made = self.contenders()
        with made if isinstance(made, AbstractContextManager) else nullcontext(made) as contenders:
            planned = dict.fromkeys(contenders, self.calls) if isinstance(self.calls, int) else self.calls
            calls = {
                name: fitting(each, plan.size(planned[name]), self.round_ms)
                for name, each in contenders.items()
            }
            return Measured(self, calls, interleave(contenders, plan.rounds(self.rounds), calls))


@dataclass(frozen=True)
class Figure:
    """What was counted, or weighed: a row without a spread."""

    subject: str
    who: str
    row: Row


def fitting(contender: Contender, calls: int, round_ms: float) -> int:
    """How many of `calls` operations a contender makes in `round_ms`."""
    if calls == 1:
        return calls
    sample = -(-calls // SAMPLE)
    taken = contender(sample) / sample
    return max(1, min(calls, int(round_ms * NS_PER_MS / taken))) if taken > 0 else calls


@dataclass(frozen=True)
class Measured:
    """The series of a subject's contenders, and how many operations a round of each had."""

    subject: Subject
    calls: Mapping[str, int]
    series: Mapping[str, Series]

    def ratio(self, who: str) -> Comparison:
        """How many times as long as the base somebody takes."""
        return Comparison.of(self.series[who], self.series[self.subject.base], lambda a, b: a / b)

    def rows(self) -> Iterator[Row]:
        """Everybody else against the base, without a bound."""
        base = self.subject.base
        for who, taken in self.series.items():
            if who != base:
                note = f"{taken.minimum:.1f} ns against {self.series[base].minimum:.1f} ns"
                name = f"{who} / {base}"
                yield ratio_row(self.subject.name, name, taken, self.series[base], None, note=note)


class Measurements:
    """Those of a session: a subject is measured when the first of its contenders is asked for."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.found: dict[str, Measured] = {}

    def of(self, subject: Subject) -> Measured:
        """Everybody's figures, whoever asks."""
        if subject.name not in self.found:
            collects = gc.isenabled()
            gc.disable()
            try:
                self.found[subject.name] = subject.measure(self.plan)
            finally:
                if collects:
                    gc.enable()
        return self.found[subject.name]
