"""Explore the models of this folder, all states of each, and their mutants, each of which must be caught.

python -m models --only wake,requeue
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from models import litmus, spin
from models.model import Check, Model, Mutant, read_model

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Path(__file__).parent
MEGABYTES = 3600  # of all searches at a time
LONGEST = 60  # characters of a violation


class Explored(NamedTuple):
    """A check of a model, or one that caught a mutant."""

    check: Check
    found: spin.Search


def explore(model: Model, check: Check, mutant: str, megabytes: int) -> Explored:
    """Search in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="pyfutex-model-") as folder:
        return Explored(check, spin.search(model.path, check, mutant, Path(folder), megabytes))


def hunt(model: Model, mutant: Mutant, megabytes: int) -> Explored | None:
    """Find the first quick check that fails for a mutant; None: it survives them all."""
    for check in model.checks:
        if check.is_quick:
            explored = explore(model, check, mutant.name, megabytes)
            if explored.found.violation:
                return explored
    return None


def row(*cells: str) -> str:
    """Lay out a line of the tables."""
    return "  ".join(
        (f"{cells[0]:<15}", f"{cells[1]:<34}", *(f"{cell:>11}" for cell in cells[2:5]), *cells[5:])
    ).rstrip()


def show_checks(model: Model, explorations: Sequence[Future[Explored]]) -> int:
    """Print a line for each check; how many failed."""
    failed = 0
    for exploration in explorations:
        check, found = exploration.result()
        numbers = f"{found.states:,}", f"{found.depth:,}", f"{found.seconds:.1f}"
        print(row(model.name, str(check), *numbers, found.violation[:LONGEST] or "0 errors"), flush=True)
        failed += bool(found.violation)
    return failed


def show_mutants(model: Model, hunts: Sequence[Future[Explored | None]]) -> int:
    """Print a line for each mutant; how many survived."""
    survived = 0
    for mutant, hunted in zip(model.mutants, hunts, strict=True):
        explored = hunted.result()
        caught = f"{explored.found.violation[:LONGEST]}  [{explored.check}]" if explored else "SURVIVED"
        print(f"{model.name:<15}  {mutant.name:<28}  {caught}", flush=True)
        survived += explored is None
    return survived


def main(arguments: Sequence[str] | None = None) -> int:
    """Explore; 1: an error in a model, or a mutant that survived; 2: spin is missing, or a search was cut short."""
    parser = argparse.ArgumentParser(
        prog="python -m models", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="names of models, with commas between")
    parser.add_argument("--quick", action="store_true", help="the smaller checks alone; all mutants")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="searches at a time")
    parser.add_argument(
        "--folder", type=Path, default=HERE, help="where the models are; default: %(default)s"
    )
    options = parser.parse_args(arguments)
    if problem := spin.missing():
        print(f"models: {problem}", file=sys.stderr)
        return 2
    models = [read_model(path) for path in sorted(options.folder.resolve().glob("*.pml"))]
    if options.only:
        unknown = set(options.only.split(",")) - {model.name for model in models}
        if unknown:
            parser.error(f"no such model: {', '.join(sorted(unknown))}")
        models = [model for model in models if model.name in options.only.split(",")]
    try:
        failed = check_all(models, quick=options.quick, jobs=options.jobs)
        return failed if options.only else failed | check_litmus(options.folder / "litmus")
    except spin.CheckError as problem:
        print(f"models: {problem}", file=sys.stderr)
        return 2


def check_all(models: Sequence[Model], *, quick: bool, jobs: int) -> int:
    """Explore the models and hunt their mutants, `jobs` at a time; 1: something is wrong."""
    megabytes = MEGABYTES // jobs
    with ThreadPoolExecutor(jobs) as pool:
        explorations = [
            [
                pool.submit(explore, model, check, "", megabytes)
                for check in model.checks
                if check.is_quick or not quick
            ]
            for model in models
        ]
        hunts = [
            [pool.submit(hunt, model, mutant, megabytes) for mutant in model.mutants] for model in models
        ]
        print("Exhaustive searches: every state that the model can reach, none left out\n")
        print(row("model", "check", "states", "depth", "seconds", "errors"))
        failed = sum(map(show_checks, models, explorations))
        print(f"\n{'model':<15}  {'mutant':<28}  caught by")
        survived = sum(map(show_mutants, models, hunts))
    n_mutants = sum(len(model.mutants) for model in models)
    n_checks = sum(map(len, explorations))
    print(
        f"\n{len(models)} models, {n_checks} checks, {failed} failed; {n_mutants - survived} of {n_mutants} mutants caught"
    )
    return int(failed or survived)


def check_litmus(folder: Path) -> int:
    """Ask herd7 about the litmus tests; 1: something is wrong."""
    if not litmus.is_there():
        print(f"no herd7 on PATH: the {len(list(folder.glob('*.litmus')))} litmus tests were left out")
        return 0
    answers = litmus.run_all(folder)
    print(f"\n{'litmus':<15}  {'mutant':<28}  {'executions':>10}  outcome under {litmus.MODEL}")
    for answer in answers:
        outcome = "allowed" if answer.is_allowed else "forbidden"
        wrong = "" if answer.is_right else "  WRONG"
        print(f"{answer.name:<15}  {answer.mutant:<28}  {answer.executions:>10}  {outcome}{wrong}")
    n_wrong = sum(not answer.is_right for answer in answers)
    print(f"\n{len(answers)} litmus tests, mutants included, {n_wrong} wrong")
    return int(n_wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
