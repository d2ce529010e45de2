"""Compare two saved runs: what became worse, what better, what is missing, what is new.

    python -m dashboard.compare OLD.json NEW.json --threshold 5%
    python -m dashboard.compare OLD.json NEW.json --threshold 10% --threshold instructions=1%

Exit status 1: something became worse by more than its threshold. 2: there is nothing to compare.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dashboard.runs import NotARunError, read_run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dashboard.runs import Figure, Run

# In shares of one. The empty unit stands for all that are not named.
ANY_UNIT = ""
THRESHOLDS = {ANY_UNIT: 0.05, "instructions": 0.02}
STATISTICS = ("best", "median")
WORSE, BETTER, SAME = "worse", "better", ""


@dataclass(frozen=True)
class Change:
    """One benchmark in both runs.

    Attributes
    ----------
    ratio : float
        New over old.
    worse_by : float
        The ratio turned so that above 1 is worse, whichever direction is better.
    verdict : str
        "worse" or "better" past the threshold, else empty.
    """

    id: str
    unit: str
    old: float
    new: float
    ratio: float
    worse_by: float
    verdict: str


@dataclass(frozen=True)
class Comparison:
    """All of two runs, what became worst first."""

    changes: Sequence[Change]
    missing: Sequence[str]
    new: Sequence[str]

    def with_verdict(self, verdict: str) -> list[Change]:
        """The changes that were judged so."""
        return [change for change in self.changes if change.verdict == verdict]


def quotient(dividend: float, divisor: float) -> float:
    """dividend / divisor, where nothing over nothing has not changed."""
    if divisor:
        return dividend / divisor
    return float("inf") if dividend else 1.0


def compare_figures(old: Figure, new: Figure, statistic: str, thresholds: Mapping[str, float]) -> Change:
    """One benchmark."""
    before, after = getattr(old, statistic), getattr(new, statistic)
    worse_by = quotient(before, after) if new.higher else quotient(after, before)
    limit = 1 + thresholds.get(new.unit, thresholds[ANY_UNIT])
    verdict = WORSE if worse_by > limit else BETTER if worse_by * limit < 1 else SAME
    return Change(new.id, new.unit, before, after, quotient(after, before), worse_by, verdict)


def compare_runs(
    old: Run, new: Run, thresholds: Mapping[str, float] = THRESHOLDS, statistic: str = "best"
) -> Comparison:
    """Compare what both runs measured in the same unit.

    Parameters
    ----------
    old, new : Run
    thresholds : mapping of str to float, optional
        By unit; that of the empty unit holds for all others.
    statistic : str, optional
        "best", which noise disturbs least, or "median".
    """
    both = [
        id_
        for id_, figure in new.figures.items()
        if id_ in old.figures and old.figures[id_].unit == figure.unit
    ]
    changes = [compare_figures(old.figures[id_], new.figures[id_], statistic, thresholds) for id_ in both]
    return Comparison(
        changes=sorted(changes, key=lambda change: -change.worse_by),
        missing=sorted(old.figures.keys() - set(both)),
        new=sorted(new.figures.keys() - set(both)),
    )


def percentage(text: str) -> float:
    """A share of one, from "5%" or "5"."""
    share = float(text.removesuffix("%")) / 100
    if not 0 <= share < float("inf"):
        raise ValueError(text)
    return share


def threshold(text: str) -> tuple[str, float]:
    """A unit and a share of one, from "5%" or "instructions=2%"."""
    unit, _, share = text.rpartition("=")
    return unit, percentage(share)


def report(comparison: Comparison) -> str:
    """The comparison as a table."""
    width = max(len(change.id) for change in comparison.changes)
    lines = [f"{'benchmark':<{width}}  {'old':>12}  {'new':>12}  {'new/old':>8}  unit"]
    lines += [
        f"{change.id:<{width}}  {change.old:>12.2f}  {change.new:>12.2f}  {change.ratio:>8.3f}"
        f"  {change.unit:<12}  {change.verdict}".rstrip()
        for change in comparison.changes
    ]
    lines += [f"missing  {id_}" for id_ in comparison.missing]
    lines += [f"new      {id_}" for id_ in comparison.new]
    n_worse, n_better = len(comparison.with_verdict(WORSE)), len(comparison.with_verdict(BETTER))
    lines.append(
        f"{len(comparison.changes)} compared: {n_worse} worse, {n_better} better;"
        f" {len(comparison.missing)} missing, {len(comparison.new)} new"
    )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m dashboard.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("old", type=Path, metavar="OLD.json")
    parser.add_argument("new", type=Path, metavar="NEW.json")
    parser.add_argument(
        "--threshold",
        action="append",
        type=threshold,
        default=[],
        metavar="[UNIT=]PERCENT",
        help="how much worse a benchmark may be (default 5%%, and instructions=2%%); may be repeated",
    )
    parser.add_argument(
        "--statistic", choices=STATISTICS, default="best", help="what to compare (default best)"
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the comparison there too")
    options = parser.parse_args(arguments)

    try:
        old, new = read_run(options.old), read_run(options.new)
    except NotARunError as error:
        print(error, file=sys.stderr)
        return 2
    if old.machine != new.machine:
        print(f"not the same machine: {old.machine} | {new.machine}", file=sys.stderr)
    comparison = compare_runs(old, new, THRESHOLDS | dict(options.threshold), options.statistic)
    if not comparison.changes:
        print(f"{options.old} and {options.new} have no benchmark in common", file=sys.stderr)
        return 2
    print(report(comparison))
    if options.json is not None:
        options.json.write_text(json.dumps(asdict(comparison), indent=1) + "\n")
    return 1 if comparison.with_verdict(WORSE) else 0


if __name__ == "__main__":
    sys.exit(main())
