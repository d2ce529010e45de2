"""The command ``python -m pyfutex bench``."""

from __future__ import annotations

import argparse
import os
import sys
import time

from pyfutex._commandline import teach
from pyfutex.measuring import report
from pyfutex.measuring.rounds import Figures, measure

DESCRIPTION = """\
Measure, on this machine, what pyfutex does beside what the standard library has for it: locks, semaphores, events,
conditions, words, shared locks between processes, and an event loop that a thread resumes. Both take turns in one process,
so their ratio holds even where other things run; the times hold for a quiet machine alone.
"""
EXAMPLES = (
    ("", "the table, in half a minute"),
    ("--seconds 120", "the same with a smaller spread"),
    ("--json", "for a program, or to keep"),
)
SHORTEST, LONGEST = 0.1, 3600.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command, and `run` as what it does."""
    teach(parser, DESCRIPTION, EXAMPLES)
    parser.add_argument(
        "--seconds", type=_seconds, default=30.0, metavar="S", help="about how long to measure (default 30)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Measure, and print what was measured, if need be so far.

    Returns
    -------
    int
        The exit status: 0, or 130 if interrupted.
    """
    results: list[Figures] = []
    began = time.perf_counter()
    is_whole = True
    if not options.json:
        print(report.heading(), flush=True)
    try:
        measure(options.seconds, results)
    except KeyboardInterrupt:
        is_whole = False
    if options.json:
        print(report.as_json(results, time.perf_counter() - began, is_whole=is_whole))
    else:
        print()
        print(report.table(results, is_coloured=wants_colour()))
        print(report.LEGEND)
    if is_whole:
        return 0
    print("interrupted", file=sys.stderr)
    return 130


def wants_colour() -> bool:
    """Whether the table goes to a terminal that shows colours to somebody who likes them."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _seconds(text: str) -> float:
    seconds = float(text)
    if not SHORTEST <= seconds <= LONGEST:
        raise argparse.ArgumentTypeError(f"must be from {SHORTEST} to {LONGEST:,.0f}")
    return seconds
