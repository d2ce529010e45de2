"""Run the tests against each mutant: `python -m mutation.hunt DIRECTORY`, in the environment in which the copy is installed.

A mutant is killed by a test that fails, or by one that does not end. One that survives fails the hunt, unless excused.txt
says why no test can tell it from the package. The fate of each is noted at once, in fates.tsv of the directory: a hunt that
was broken off goes on from there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Final, NamedTuple

from mutation.plant import ROOT, Mutant
from mutation.targets import TARGETS

EXCUSED: Final = Path(__file__).with_name("excused.txt")
SLOWER: Final = 4  # times as long as without a mutant is an end that does not come
WATCHDOG_S: Final = 12
FIRST: Final = 4  # tests files that run by themselves before all the others do


def run(tests: tuple[str, ...], number: int, timeout: float) -> tuple[bool, str]:
    """Whether the tests pass with this mutant alive; and who did not."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
        *tests,
    ]
    variables = {
        "PYFUTEX_MUTANT": str(number),
        "PYFUTEX_STRESS": "0.1",
        "PYFUTEX_TEST_WATCHDOG": str(WATCHDOG_S),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            return False, "no end"
    failed = [row.split()[1] for row in output.splitlines() if row.startswith(("FAILED", "ERROR "))]
    if process.returncode == 0:
        return True, ""
    return False, failed[0] if failed else f"exit {process.returncode}"


class Whole(NamedTuple):
    """How the tests of a file end when no mutant is alive."""

    passes: bool
    who: str
    seconds: float


def without_mutant(tests: tuple[str, ...]) -> Whole:
    """Run them so."""
    begun = time.monotonic()
    passes, who = run(tests, 0, 600)
    return Whole(passes, who, time.monotonic() - begun)


def hunted(mutant: Mutant, tests: tuple[str, ...], seconds: float) -> str:
    """Who killed it; empty: nobody."""
    for part in (tests[:FIRST], tests[FIRST:]):
        if part:
            passes, who = run(part, mutant.number, seconds * SLOWER + WATCHDOG_S)
            if not passes:
                return who
    return ""


def excuses() -> dict[tuple[str, str, str], str]:
    """Reasons by file, line and what it became; a reason stands before those that it excuses."""
    found, reason = {}, ""
    for row in EXCUSED.read_text().splitlines():
        if row.startswith("# "):
            reason = row[2:]
        elif row:
            file, before, after = row.split("\t")
            found[file, before, after] = reason
    return found


class Journal:
    """Fates by number, which a hunt that is broken off leaves to the next one: a line for each, beside what was planted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        rows = path.read_text().splitlines() if path.exists() else []
        self.fates = {int(number): who for number, _, who in (row.partition("\t") for row in rows)}

    def note(self, number: int, who: str) -> None:
        """Who killed a mutant; empty: nobody."""
        self.fates[number] = who
        with self.path.open("a") as file:
            file.write(f"{number}\t{who}\n")


def main(arguments: list[str] | None = None) -> int:
    """Hunt them; 1 if one lives on, or an excuse is nobody's."""
    parser = argparse.ArgumentParser(prog="hunt", description="Mutants of the lines that decide.")
    parser.add_argument("directory", type=Path, help="what mutation.plant wrote")
    parser.add_argument("--only", default="", help="of files whose name has this in it")
    parser.add_argument("--every", type=int, default=1, help="one in so many (default: all)")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count(), help="at a time (default: one a processor)"
    )
    options = parser.parse_args(arguments)
    journal = Journal(options.directory / "fates.tsv")
    planted = [Mutant(**row) for row in json.loads((options.directory / "mutants.json").read_text())]
    excused = excuses()
    chosen = [m for m in planted if options.only in m.file][:: options.every]
    hunted_now = [m for m in chosen if m.number not in journal.fates]
    tests = {target.file: target.tests for target in TARGETS}
    files = sorted({m.file for m in hunted_now})
    with ThreadPoolExecutor(options.jobs) as pool:
        whole = dict(zip(files, pool.map(without_mutant, [tests[file] for file in files]), strict=True))
        for passes, who, _ in whole.values():
            if not passes:
                print(f"{who} fails without a mutant", file=sys.stderr)
                return 1
        hunts = {pool.submit(hunted, m, tests[m.file], whole[m.file].seconds): m for m in hunted_now}
        for hunt in as_completed(hunts):
            journal.note(hunts[hunt].number, hunt.result())
    counts: dict[str, Counter[str]] = {}
    survivors = 0
    for mutant in chosen:
        who = journal.fates[mutant.number]
        reason = excused.get((mutant.file, mutant.before, mutant.after))
        fate = "killed" if who else "excused" if reason else "alive"
        counts.setdefault(mutant.file, Counter())[fate] += 1
        if fate == "alive":
            survivors += 1
            print(f"{mutant.number}\t{mutant.file}:{mutant.line}\t{mutant.before}\t{mutant.after}")
    for file, fates in counts.items():
        print(f"{file:24}" + "".join(f"{fates[fate]:6} {fate}" for fate in ("killed", "excused", "alive")))
    known = {(m.file, m.before, m.after) for m in planted}
    lost = [key for key in excused if key not in known]
    for file, before, after in lost:
        print(f"excused.txt: no such mutant: {file}\t{before}\t{after}", file=sys.stderr)
    return int(bool(survivors or lost))


if __name__ == "__main__":
    sys.exit(main())
