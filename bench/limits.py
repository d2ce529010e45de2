"""Measure every limit of the project in one process and say which are kept.

    python bench/limits.py                  all of it, some minutes
    python bench/limits.py --smoke          everything runs once, in seconds; no verdicts
    python bench/limits.py --only calls     one subject

Exit status 1 means that a limit was missed.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import json
import os
import platform
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from claims import (
    aio,
    awaited,
    calls,
    contended,
    crossing,
    crowd,
    fanout,
    growth,
    guestcalls,
    handoff,
    hashes,
    imports,
    kernelcalls,
    locks,
    loops,
    native,
    peers,
    pingpong,
    requeue,
    scaling,
    sharing,
    sizes,
    together,
    wakeall,
)
from measure import ALLOWED_CPUS, Plan, Row, free_threaded

if TYPE_CHECKING:
    from collections.abc import Sequence

SUBJECTS = {
    "calls": calls,
    "loops": loops,
    "native": native,
    "crossing": crossing,
    "guest": guestcalls,
    "kernel": kernelcalls,
    "handoff": handoff,
    "fanout": fanout,
    "crowd": crowd,
    "growth": growth,
    "sizes": sizes,
    "imports": imports,
    "aio": aio,
    "locks": locks,
    "scaling": scaling,
    "sharing": sharing,
    "peers": peers,
    "contended": contended,
    "pingpong": pingpong,
    "requeue": requeue,
    "wakeall": wakeall,
    "hashes": hashes,
    "awaited": awaited,
    "together": together,
}
SUBJECT_SECONDS = 900
COLUMNS = "{name:<58} {bound:>10} {best:>10} {median:>10} {spread:>19}  {verdict:<7} {note}"


def with_unit(value: float, unit: str) -> str:
    """A figure as the table shows it."""
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.2f}{'' if unit == 'x' else ' '}{unit}"


def line(row: Row, *, judged: bool) -> str:
    """One row of the table."""
    sign = ">=" if row.at_least else "<="
    return COLUMNS.format(
        name=row.name,
        bound="" if row.bound is None else f"{sign} {with_unit(row.bound, row.unit)}",
        best=with_unit(row.best, row.unit),
        median=with_unit(row.median, row.unit),
        spread=f"{row.low:.2f} .. {row.high:.2f}",
        verdict=row.verdict if judged else "",
        note=row.note,
    ).rstrip()


def machine() -> dict[str, object]:
    """What the figures were taken on."""
    models = [
        text for text in Path("/proc/cpuinfo").read_text().splitlines() if text.startswith("model name")
    ]
    return {
        "cpu": models[0].partition(":")[2].strip() if models else platform.machine(),
        "cores": len(ALLOWED_CPUS),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "free_threaded": free_threaded(),
        "pyfutex": version("pyfutex"),
        "load": os.getloadavg()[0],
    }


def measure(subjects: Sequence[str], plan: Plan) -> list[Row]:
    """Run the subjects one after the other, printing each row as it comes."""
    rows: list[Row] = []
    for subject in subjects:
        faulthandler.dump_traceback_later(SUBJECT_SECONDS, exit=True)
        group = None
        for row in SUBJECTS[subject].measure(plan):
            if row.group != group:
                group = row.group
                print(f"\n{group}")
            print(line(row, judged=not plan.smoke), flush=True)
            rows.append(row)
        faulthandler.cancel_dump_traceback_later()
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--smoke", action="store_true", help="run everything once, in seconds, without verdicts"
    )
    parser.add_argument("--only", action="append", choices=list(SUBJECTS), help="a subject; may be repeated")
    parser.add_argument(
        "--effort", type=float, default=1.0, help="multiplies the number of rounds (default 1)"
    )
    parser.add_argument("--json", type=Path, default=Path("limits.json"), help="where to write the figures")
    options = parser.parse_args(arguments)

    plan = Plan(smoke=options.smoke, effort=options.effort)
    found_on = machine()
    print(", ".join(f"{name} {value}" for name, value in found_on.items()))
    heads = {
        "name": "limit",
        "bound": "bound",
        "best": "minima",
        "median": "median",
        "spread": "80 % of rounds",
    }
    print(COLUMNS.format(**heads, verdict="verdict", note="").rstrip())
    gc.disable()
    rows = measure(options.only or list(SUBJECTS), plan)
    gc.enable()

    report = {"machine": found_on, "smoke": plan.smoke, "effort": plan.effort}
    figures = [asdict(row) | {"verdict": "" if plan.smoke else row.verdict} for row in rows]
    options.json.write_text(json.dumps(report | {"limits": figures}, indent=1) + "\n")
    missed = [] if plan.smoke else [row for row in rows if row.verdict == "MISSED"]
    judged = sum(row.bound is not None for row in rows)
    print(f"\n{len(rows)} figures, {judged} with a bound, {len(missed)} missed; written to {options.json}")
    for row in missed:
        print(f"missed: {row.group}: {row.name}: {with_unit(row.best, row.unit)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
