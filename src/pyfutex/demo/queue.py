"""The command ``python -m pyfutex demo queue``."""

import argparse
import sys

from pyfutex._commandline import teach
from pyfutex.demo import report
from pyfutex.demo.contenders import CONTENDERS
from pyfutex.demo.progress import progress_bar
from pyfutex.demo.verdict import faults
from pyfutex.demo.workload import Load, Measurement, measure

DESCRIPTION = """\
Send items through a bounded queue between producer and consumer threads: over a mutex and conditions
built from futex words in an mmap, once with private and once with shared keys, and over
threading.Condition, in turns. Print the throughput of each, and check that every item arrived once and
that wakes equal woken waits.
"""
EXAMPLES = (
    ("", "the demo, in about a minute"),
    ("--rounds 3 --items 20000", "the same in a few seconds"),
    ("--producers 16 --consumers 16", "many threads"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command, and `run` as what it does."""
    teach(parser, DESCRIPTION, EXAMPLES)
    for option, default, meaning in (
        ("items", 75_000, "items sent in each measurement"),
        ("producers", 4, "threads that put items in"),
        ("consumers", 4, "threads that take items out"),
        ("capacity", 32, "items the queue holds"),
        ("rounds", 21, "measurements of each queue"),
    ):
        parser.add_argument(
            f"--{option}", type=_positive, default=default, metavar="N", help=f"{meaning} (default {default})"
        )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the demo.

    Returns
    -------
    int
        The exit status: 0, or 1 if anything was lost, repeated or left hanging.
    """
    load = Load(options.items, options.producers, options.consumers, options.capacity)
    print(report.heading(load, options.rounds), flush=True)
    try:
        results = _measure_all(load, options.rounds)
    except QueueBroken as broken:
        print(broken, file=sys.stderr)
        return 1
    print()
    print(report.table(results, load))
    print(report.legend())
    print()
    print(report.checks(results, load))
    return 0


class QueueBroken(Exception):
    """A queue did not do what a queue must do."""

    def __init__(self, name: str, found: list[str]) -> None:
        super().__init__("\n".join([f"FAILED: the queue on {name}:", *(f"  {fault}" for fault in found)]))


def _measure_all(load: Load, n_rounds: int) -> dict[str, list[Measurement]]:
    # Round by round rather than queue by queue, so that a machine that slows down slows all of them.
    results: dict[str, list[Measurement]] = {contender.name: [] for contender in CONTENDERS}
    with progress_bar(n_rounds * len(CONTENDERS)) as step:
        for _ in range(n_rounds):
            for contender in CONTENDERS:
                step(contender.name)
                measurement = measure(contender, load)
                found = faults(measurement, load)
                if found:
                    raise QueueBroken(contender.name, found)
                results[contender.name].append(measurement)
    return results


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
