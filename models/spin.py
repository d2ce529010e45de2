"""Spin as a subprocess: a model is made a program, whose search is exhaustive or has failed."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from models.model import Check

DEPTH = 200_000
# What the search of a program may print, and must, to count as the search of everything.
CUT_SHORT = re.compile(
    r"max search depth too small|out of memory|reached -DMEMLIM|vector size too small|hash table full",
    re.IGNORECASE,
)
EXHAUSTIVE = re.compile(r"^Full statespace search for:", re.MULTILINE)
N_STATES = re.compile(r"^\s*(\d+) states, stored", re.MULTILINE)
REACHED = re.compile(r"depth reached (\d+), errors: (\d+)", re.MULTILINE)
VIOLATION = re.compile(r"^pan:\d+: (.+?) \(at depth \d+\)", re.MULTILINE)


class CheckError(Exception):
    """A model cannot be read, or its search was cut short."""


class Search(NamedTuple):
    """What a search found."""

    states: int
    depth: int
    seconds: float
    violation: str  # "": none


def missing() -> str:
    """What is not installed, and how to get it; "": nothing."""
    if shutil.which("spin") is None:
        return "no spin on PATH: apt-get install spin, or build it from spinroot.com"
    if shutil.which("cc") is None:
        return "no C compiler on PATH, which spin's output needs: apt-get install gcc"
    return ""


def search(path: Path, check: Check, mutant: str, folder: Path, megabytes: int) -> Search:
    """Explore a model in a folder of its own, up to the first violation.

    Raises
    ------
    CheckError
        It does not translate, or there was neither a violation nor the end of the search.
    """
    made = run(["spin", *check.options, *((f"-D{mutant}",) if mutant else ()), "-a", str(path)], folder)
    if made.returncode or not (folder / "pan.c").exists():
        raise CheckError(f"spin: {made.stdout.strip()}")
    kind = ("-DNFAIR=3",) if check.claim else ("-DSAFETY", "-DNOCLAIM")
    compiled = run(
        ["cc", "-O1", "-w", f"-DMEMLIM={megabytes}", "-DVECTORSZ=2048", *kind, "-o", "pan", "pan.c"], folder
    )
    if compiled.returncode:
        raise CheckError(f"cc: {compiled.stdout.strip()}")
    begun = time.monotonic()
    found = run(["./pan", f"-m{DEPTH}", *(("-a", "-f", "-N", check.claim) if check.claim else ())], folder)
    return read_search(found.stdout, time.monotonic() - begun)


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run to the end, with all that it prints in stdout."""
    return subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def read_search(printed: str, seconds: float) -> Search:
    """Understand what a search has printed."""
    states, reached, violation = N_STATES.search(printed), REACHED.search(printed), VIOLATION.search(printed)
    if states is None or reached is None or EXHAUSTIVE.search(printed) is None or CUT_SHORT.search(printed):
        raise CheckError(f"the search was cut short:\n{printed.strip()}")
    if bool(int(reached[2])) != bool(violation):
        raise CheckError(f"errors, but none that is understood:\n{printed.strip()}")
    return Search(int(states[1]), int(reached[1]), seconds, violation[1] if violation else "")
