"""Litmus tests of the decisive pairs of accesses, for machines weaker than those with store buffers: herd7, where it is.

Each file of litmus/ asks for an outcome that no execution of C11's atomics (RC11) may have. A line that ends with
`// drop NAME` is left out in the mutant NAME, one with `// relax NAME` is made relaxed; then some execution must have it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from typing import TYPE_CHECKING, NamedTuple

from models.spin import CheckError

if TYPE_CHECKING:
    from pathlib import Path

MODEL = "rc11.cat"
COMMENT = re.compile(r" *//.*$", re.MULTILINE)
MUTANT = re.compile(r"// (drop|relax) ([A-Z0-9_]+)$", re.MULTILINE)
ORDER = re.compile(r"memory_order_\w+")
OBSERVED = re.compile(r"^Observation \S+ (\w+) (\d+) (\d+)$", re.MULTILINE)


class Litmus(NamedTuple):
    """What herd7 says of a test, or of a mutant of one."""

    name: str
    mutant: str  # "": the test itself
    executions: int
    is_allowed: bool

    @property
    def is_right(self) -> bool:
        """Whether the outcome is forbidden, or a mutant has it."""
        return self.is_allowed == bool(self.mutant)


def is_there() -> bool:
    """Whether herd7 is on PATH."""
    return shutil.which("herd7") is not None


def run_all(folder: Path) -> list[Litmus]:
    """Run every test of a folder, each followed by its mutants."""
    found = []
    for path in sorted(folder.glob("*.litmus")):
        text = path.read_text(encoding="utf-8")
        found += [
            run(path.stem, mutant, text) for mutant in ("", *(name for _, name in MUTANT.findall(text)))
        ]
    return found


def run(name: str, mutant: str, text: str) -> Litmus:
    """Ask herd7."""
    lines = (mutated(line, mutant) for line in text.splitlines())
    program = COMMENT.sub("", "\n".join(lines))
    with tempfile.NamedTemporaryFile("w", suffix=".litmus") as file:
        file.write(program + "\n")
        file.flush()
        asked = subprocess.run(
            ["herd7", "-model", MODEL, file.name], capture_output=True, text=True, check=False
        )
    observed = OBSERVED.search(asked.stdout)
    if asked.returncode or observed is None:
        raise CheckError(f"herd7, {name} {mutant}: {asked.stderr.strip()}")
    return Litmus(name, mutant, int(observed[2]) + int(observed[3]), observed[1] != "Never")


def mutated(line: str, mutant: str) -> str:
    """Make a line that of a mutant, if it is the one that differs."""
    found = MUTANT.search(line)
    if found is None or found[2] != mutant:
        return line
    return "" if found[1] == "drop" else ORDER.sub("memory_order_relaxed", line)
