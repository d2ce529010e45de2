"""The long campaign: `python -m differential.campaign 200000` with this directory's parent on the path (make differential).

Scripts of one seed are the same on every machine; where real-time priorities are not permitted, the steps that give them are
left out, and the summary says so. Each worker process runs on one processor of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import queue
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from differential.duel import Arena

if TYPE_CHECKING:
    from multiprocessing.queues import Queue

REPORT_EVERY: Final = 200  # scripts
# One in so many scripts runs on the sides whose threads sleep in blocking calls, too. A prime: the workers get as many each.
SLEEPING_EVERY: Final = 19
MOST_SHOWN: Final = 20  # divergences of one worker that are made small and printed


class Report(NamedTuple):
    """What a worker did since its last report; `is_last`: it is done."""

    n_scripts: int
    n_sleeping: int
    steps: Counter[str]
    skipped: Counter[str]
    slept: int
    differences: tuple[str, ...]
    n_differences: int
    is_last: bool


def work(seed: str, first: int, last: int, stride: int, processor: int, reports: Queue[Report]) -> None:
    """Run every `stride`-th script of a range."""
    os.sched_setaffinity(0, {processor})
    arena = Arena()
    n_scripts = n_sleeping = n_differences = n_shown = 0
    differences: list[str] = []

    def report(*, is_last: bool) -> None:
        nonlocal n_scripts, n_sleeping, n_differences
        counted = Counter(arena.steps), Counter(arena.skipped), arena.slept
        reports.put(Report(n_scripts, n_sleeping, *counted, tuple(differences), n_differences, is_last))
        arena.steps.clear()
        arena.skipped.clear()
        differences.clear()
        arena.slept = n_scripts = n_sleeping = n_differences = 0

    for number in range(first, last, stride):
        sleeping = number % SLEEPING_EVERY == 0
        found = arena.run_seed(f"{seed}:{number}", sleeping=sleeping)
        n_scripts += 1
        n_sleeping += sleeping
        if found is not None:
            n_differences += 1
            if n_shown < MOST_SHOWN:
                n_shown += 1
                differences.append(f"script {seed}:{number}\n{arena.smallest(found)}")
        if n_scripts >= REPORT_EVERY or differences:
            report(is_last=False)
    report(is_last=True)
    arena.close()


class Totals:
    """The sum of all reports, on the screen."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.begun = time.monotonic()
        self.n_scripts = self.n_sleeping = self.n_differences = self.slept = 0
        self.steps: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.is_screen = sys.stdout.isatty()
        self.shown_at = 0.0

    def add(self, report: Report) -> None:
        self.n_scripts += report.n_scripts
        self.n_sleeping += report.n_sleeping
        self.n_differences += report.n_differences
        self.slept += report.slept
        self.steps += report.steps
        self.skipped += report.skipped
        for difference in report.differences:
            print(f"{chr(13) if self.is_screen else ''}DIVERGENCE in {difference}", flush=True)
        self.show()

    def show(self) -> None:
        now = time.monotonic()
        if now - self.shown_at < (0.2 if self.is_screen else 30) and self.n_scripts < self.n:
            return
        self.shown_at = now
        rate = self.n_scripts / max(1e-9, now - self.begun)
        left = (self.n - self.n_scripts) / max(1e-9, rate)
        line = (
            f"{self.n_scripts:,} of {self.n:,} scripts, {sum(self.steps.values()):,} operations, "
            f"{self.n_differences} divergences; {rate:,.0f} scripts/s, {left:,.0f} s left"
        )
        print(f"\r{line:<100}" if self.is_screen else line, end="" if self.is_screen else "\n", flush=True)

    def summary(self) -> str:
        seconds = time.monotonic() - self.begun
        lines = [
            "",
            f"{self.n_scripts:,} scripts in {seconds:,.0f} s, {self.n_scripts / max(1e-9, seconds):,.0f} a second",
            f"{self.n_sleeping:,} of them on a Kernel and on a blocking Manager, too",
            f"{sum(self.steps.values()):,} operations, drains included; {self.slept:,} calls slept",
            *(f"    {name:<16}{count:>12,}" for name, count in self.steps.most_common()),
            "left out (differential/incomparable.py says why):",
            *(f"    {reason:<50}{count:>12,}" for reason, count in self.skipped.most_common()),
            f"{self.n_differences} divergences",
        ]
        return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run the campaign; 1 if the sides diverged."""
    parser = argparse.ArgumentParser(prog="differential", description="Manager against the host's kernel.")
    parser.add_argument("n", type=int, help="how many scripts")
    parser.add_argument(
        "--seed", default="pyfutex", help="scripts SEED:0, SEED:1, ... (default: %(default)s)"
    )
    parser.add_argument("--first", type=int, default=0, help="the number of the first script")
    options = parser.parse_args(arguments)
    context = multiprocessing.get_context("spawn")
    reports: Queue[Report] = context.Queue()
    processors = sorted(os.sched_getaffinity(0))
    workers = [
        context.Process(
            target=work,
            args=(
                options.seed,
                options.first + i,
                options.first + options.n,
                len(processors),
                processor,
                reports,
            ),
            daemon=True,
        )
        for i, processor in enumerate(processors)
    ]
    for worker in workers:
        worker.start()
    totals = Totals(options.n)
    running = len(workers)
    while running:
        with contextlib.suppress(queue.Empty):
            report = reports.get(timeout=10)
            totals.add(report)
            running -= report.is_last
            continue
        if any(worker.exitcode for worker in workers):
            print("a worker process died", file=sys.stderr)
            return 2
    print(totals.summary())
    return int(totals.n_differences > 0)


if __name__ == "__main__":
    sys.exit(main())
