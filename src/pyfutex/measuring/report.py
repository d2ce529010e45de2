"""The figures, as text and as JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyfutex.measuring.rounds import Figures

SCHEMA = 1
GREEN, RED, PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[0m"


class Ratio(NamedTuple):
    """How many times as long theirs takes as ours: the median over the rounds, and the middle half of them."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, figures: Figures) -> Ratio:
        """That of one subject."""
        pairs = zip(figures.theirs_ns, figures.ours_ns, strict=True)
        ratios = sorted(theirs / ours for theirs, ours in pairs)
        quarter = len(ratios) // 4
        return cls(statistics.median(ratios), ratios[quarter], ratios[-1 - quarter])


def about() -> dict[str, Any]:
    """What was measured, and where."""
    is_gil_enabled = getattr(sys, "_is_gil_enabled", None)
    return {
        "pyfutex": version("pyfutex"),
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "gil": is_gil_enabled is None or is_gil_enabled(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
    }


def heading() -> str:
    """`about`, for people."""
    here = about()
    gil = "GIL" if here["gil"] else "no GIL"
    return (
        f"pyfutex {here['pyfutex']}, {here['implementation']} {here['python']} ({gil}), "
        f"Linux {here['kernel']} on {here['machine']}, {here['cpus']} CPUs"
    )


def table(results: Sequence[Figures], *, is_coloured: bool) -> str:
    """A line for each subject, under a heading for each group."""
    lines = [f"{'':46}{'ours':>10}{'theirs':>10}{'ratio':>8}  middle half"]
    group = ""
    for figures in results:
        if figures.subject.group != group:
            group = figures.subject.group
            lines.append(group)
        name = f"  {figures.subject.name:44}"
        if figures.why_not:
            lines.append(f"{name}  left out: {figures.why_not}")
        elif figures.ours_ns:
            ratio = Ratio.of(figures)
            colour, plain = (GREEN if ratio.median >= 1 else RED, PLAIN) if is_coloured else ("", "")
            lines.append(
                f"{name}{_time(figures.ours_ns):>10}{_time(figures.theirs_ns):>10}"
                f"{colour}{ratio.median:8.2f}{plain}  {ratio.low:.2f} to {ratio.high:.2f}"
            )
    return "\n".join(lines)


LEGEND = """\
ours, theirs: median time of one operation; ratio: how many times as long theirs takes, pair by pair, the median of
all rounds. Times are this machine's, now; ratios travel better."""


def as_json(results: Sequence[Figures], seconds: float, *, is_whole: bool) -> str:
    """The same for programs; docs/reference/commands.md has the schema."""
    return json.dumps(
        {
            "schema": SCHEMA,
            "about": about(),
            "seconds": round(seconds, 1),
            "interrupted": not is_whole,
            "results": [_result(figures) for figures in results],
        },
        indent=2,
    )


def _result(figures: Figures) -> dict[str, Any]:
    subject = figures.subject
    result = {"group": subject.group, "ours": subject.ours.name, "theirs": subject.theirs.name}
    if figures.why_not:
        return result | {"left_out": figures.why_not}
    if not figures.ours_ns:
        return result | {"rounds": 0}
    return result | {
        "rounds": len(figures.ours_ns),
        "ours_ns": round(statistics.median(figures.ours_ns), 1),
        "theirs_ns": round(statistics.median(figures.theirs_ns), 1),
        "ratio": {each: round(value, 3) for each, value in Ratio.of(figures)._asdict().items()},
    }


def _time(ns: Sequence[float]) -> str:
    median = statistics.median(ns)
    return f"{median:,.1f} ns" if median < 1000 else f"{median / 1000:,.2f} us"
