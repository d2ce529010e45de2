"""What stands on the page: a card for each chart, with its title, its note and the rows of the chart."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dashboard.compare import BETTER, WORSE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from dashboard.compare import Change
    from dashboard.history import Series, Subject
    from dashboard.runs import Figure, Run

TREND, CONTENDERS, DISTANT_CONTENDERS, SCALING = "trend", "contenders", "distant contenders", "scaling"
# How many times as long as the shortest bar the longest may be.
DISTANT = 25
# Time is shown in the largest unit that leaves a figure of one or more.
TIMES = (("s", 1e9), ("ms", 1e6), ("µs", 1e3), ("ns", 1.0))
TIMES_SIGN, MINUS_SIGN = "\N{MULTIPLICATION SIGN}", "\N{MINUS SIGN}"
# Of a chart, in pixels; the lines are those of contenders.
LINE_HEIGHT, TREND_HEIGHT, SCALING_HEIGHT = 28, 130, 220
# Of a letter, of the narrowest card's chart, and the most that its names take of that, in pixels.
LETTER_WIDTH, NARROWEST_CHART, NAMES_WIDTH = 7, 300, 150


@dataclass(frozen=True)
class Card:
    """One chart and what is written around it.

    Attributes
    ----------
    kind : str
        Which chart.
    title, note : str
    figure : str
        The newest figure, where there is one that says it all.
    badge, verdict : str
        How that has changed, and "worse", "better" or nothing.
    worse_by : float
        How many times as bad that is as it was.
    values : sequence of mappings
        The rows of the chart.
    low, high : float
        The ends of the axis.
    height : int
        Of the chart without what stands below it, in pixels.
    """

    kind: str
    title: str
    note: str
    values: Sequence[Mapping[str, Any]]
    low: float
    high: float
    height: int
    figure: str = ""
    badge: str = ""
    verdict: str = ""
    worse_by: float = 1.0


def digits(value: float) -> str:
    """Three significant digits, never in powers of ten."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def ratio(value: float) -> str:
    """Two decimals, as long as that is not more than three digits."""
    return f"{value:.2f}" if value < 10 else digits(value)


def time_unit(largest: float) -> tuple[str, float]:
    """The unit in which the largest of some nanoseconds is one or more, and its length."""
    return next(((name, length) for name, length in TIMES if largest >= length), TIMES[-1])


def scale_of(unit: str, largest: float) -> tuple[str, float]:
    """The unit to show, and what to divide by."""
    return time_unit(largest) if unit == "ns" else (unit, 1.0)


def with_unit(value: float, unit: str) -> str:
    """A figure as it is written."""
    name, length = scale_of(unit, value)
    return f"{digits(value / length)} {name}"


def texts(figure: Figure) -> dict[str, str]:
    """What all charts show of a figure beside the pointer."""
    return {
        "best_text": with_unit(figure.best, figure.unit),
        "median_text": with_unit(figure.median, figure.unit),
        "spread": f"{with_unit(figure.low, figure.unit)} to {with_unit(figure.high, figure.unit)}",
    }


def run_labels(runs: Iterable[Run]) -> dict[Path, str]:
    """A short label for each run: its commit, and which one it is if a machine has several of it."""
    seen: Counter[tuple[str, str]] = Counter()
    labels = {}
    for run in runs:
        seen[run.machine, run.label] += 1
        n = seen[run.machine, run.label]
        labels[run.path] = run.label if n == 1 else f"{run.label} {n}"
    return labels


def source(run: Run) -> str:
    """Which run something comes from."""
    return f"{run.label}, {run.when:%Y-%m-%d}"


def written_change(change: Change) -> str:
    """How much a figure has changed, in per cent."""
    share = (change.ratio - 1) * 100
    return "unchanged" if abs(share) < 0.05 else f"{share:+.1f} %".replace("-", MINUS_SIGN)


def trend_card(series: Sequence[Series], labels: Mapping[Path, str]) -> Card:
    """A benchmark over all runs."""
    newest = max((one.points[-1] for one in series), key=lambda point: point.run.order)
    figures = [point.figure for one in series for point in one.points]
    unit, length = scale_of(newest.figure.unit, max(figure.best for figure in figures))
    values = [
        {
            "run": labels[point.run.path],
            "when": f"{point.run.when:%Y-%m-%d %H:%M}",
            "commit": point.run.label,
            "machine": one.machine,
            "best": point.figure.best / length,
            "median": point.figure.median / length,
            **texts(point.figure),
        }
        for one in series
        for point in one.points
    ]
    places = {label: place for place, label in enumerate(labels.values())}
    values.sort(key=lambda row: places[row["run"]])
    least, most = min(row["best"] for row in values), max(row["best"] for row in values)
    # A tenth beside the data, so that noise does not look like a cliff; medians far above the line are cut off.
    highest = max(most * 1.1, min(max(row["median"] for row in values), most * 1.5))
    change = next(one for one in series if newest in one.points).last_change()
    return Card(
        kind=TREND,
        title=newest.figure.id.partition("::")[2],
        note=f"{unit}, {'more' if newest.figure.higher else 'less'} is better",
        values=values,
        low=least * 0.9,
        high=highest or 1,
        height=TREND_HEIGHT,
        figure=with_unit(newest.figure.best, newest.figure.unit),
        badge=written_change(change) if change else "",
        verdict=change.verdict if change else "",
        worse_by=change.worse_by if change else 1.0,
    )


def contenders_card(subject: Subject) -> Card:
    """Who did something in what time."""
    figures = sorted(subject.figures, key=lambda figure: figure.median)
    unit, length = scale_of(subject.unit, figures[-1].median)
    ours = [figure for figure in figures if figure.ours]

    def text(figure: Figure) -> str:
        written = with_unit(figure.median, "ns") if figure.unit == "ns" else digits(figure.median)
        if len(ours) != 1 or figure.ours or not ours[0].median:
            return written
        times_ours = figure.median / ours[0].median if figure.ratio is None else figure.ratio
        return f"{written}  ({ratio(times_ours)}{TIMES_SIGN})"

    values = [
        {
            "contender": figure.contender,
            "ours": figure.ours,
            "median": figure.median / length,
            "low": figure.low / length,
            "high": figure.high / length,
            "end": max(figure.median, figure.high) / length,
            "text": text(figure),
            **texts(figure),
        }
        for figure in figures
    ]
    least, most = min(row["low"] for row in values), max(row["end"] for row in values)
    distant = 0 < least * DISTANT < most
    low = least * 0.7 if distant else 0
    longest_name = max(len(figure.contender) for figure in figures)
    width = NARROWEST_CHART - min(longest_name * LETTER_WIDTH, NAMES_WIDTH)
    return Card(
        kind=DISTANT_CONTENDERS if distant else CONTENDERS,
        title=subject.name,
        note=f"{unit}; {source(subject.run)}",
        values=values,
        low=low,
        high=max(axis_end(low, row["end"], len(row["text"]), width) for row in values) or 1,
        height=LINE_HEIGHT * len(values),
    )


def axis_end(low: float, end: float, n_letters: int, width: int) -> float:
    """How far an axis of so many pixels goes with a text behind `end`; it is logarithmic if it begins above 0."""
    share = max(1 - (n_letters + 2) * LETTER_WIDTH / width, 0.4)
    return low * (end / low) ** (1 / share) if low else end / share


def scaling_card(subject: Subject) -> Card:
    """Something on one thread, two, four, ..."""
    figures = [figure for figure in subject.figures if figure.threads is not None]
    unit, length = scale_of(subject.unit, max(figure.median for figure in figures))
    values = [
        {
            "contender": figure.contender,
            "threads": figure.threads,
            "median": figure.median / length,
            "low": figure.low / length,
            "high": figure.high / length,
            **texts(figure),
        }
        for figure in sorted(figures, key=lambda figure: (figure.contender, figure.threads))
    ]
    return Card(
        kind=SCALING,
        title=subject.name,
        note=f"{unit}; {source(subject.run)}",
        values=values,
        low=0,
        high=max(row["high"] for row in values) * 1.1 or 1,
        height=SCALING_HEIGHT,
    )


def has_curve(subject: Subject) -> bool:
    """Whether a subject was measured on several numbers of threads."""
    return len(subject.thread_counts) > 1


def has_contenders(subject: Subject) -> bool:
    """Whether a subject has several contenders, and nothing else that varies."""
    return not has_curve(subject) and len(subject.contenders) == len(subject.figures) > 1


def moved(cards: Iterable[Card]) -> list[Card]:
    """The trends whose newest figure lies past the threshold: the worst first, the best after all that is worse."""
    found = [card for card in cards if card.verdict]
    worse = sorted((card for card in found if card.verdict == WORSE), key=lambda card: -card.worse_by)
    return worse + sorted((card for card in found if card.verdict == BETTER), key=lambda card: card.worse_by)
