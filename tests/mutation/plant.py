"""Write a copy of the package in which every mutant is planted: `python -m mutation.plant DIRECTORY`.

Each changed line becomes a choice between what it says and what its mutants say, by number; the number that is alive is in
PYFUTEX_MUTANT, and 0 is the package as it is. So one build serves for all.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mutation.changes import changes_of_condition, changes_of_statement, changes_within
from mutation.targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mutation.changes import Change

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = Path("src/pyfutex")
SWITCH: Final = """
#ifndef PF_MUTANT_IS
#define PF_MUTANT_IS
#include <stdlib.h>
static inline int pf_mutant_is(int number)
{
    static int alive = -1;
    int found = __atomic_load_n(&alive, __ATOMIC_RELAXED);
    if (found < 0) {
        const char *text = getenv("PYFUTEX_MUTANT");
        found = text ? atoi(text) : 0;
        __atomic_store_n(&alive, found, __ATOMIC_RELAXED);
    }
    return found == number;
}
#endif
"""
DECLARED: Final = """
cdef extern from "atomic.h" nogil:
    bint {name} "pf_mutant_is" (int number)
from pyfutex._core.atomic cimport store_relaxed_u32, store_relaxed_u64
from pyfutex._core.atomic cimport fetch_add_u32, fetch_sub_u32, fetch_and_u32, fetch_or_u32
"""
CONDITION: Final = re.compile(r"(if|elif|while) (.*):")
DECLARATION: Final = re.compile(r"(cdef [^=(]*?\w = )([^=].*)")
# No code, or none that can stand in a choice.
UNTOUCHED: Final = re.compile(
    r"(#|@|\"|cdef |cpdef |def |class |ctypedef |from |import |cimport |with |try|except|finally|else|for |raise|pass|"
    r"global )"
)
FUNCTION: Final = re.compile(r"(def|cdef|cpdef) .*\(.*\).*:")
CHECKS_ONLY: Final = re.compile(r"(check_|poison|prefetch|pause\(\))")


@dataclass(frozen=True)
class Mutant:
    """One change of one line."""

    number: int
    file: str
    line: int
    before: str
    after: str
    what: str


class Planter:
    """Numbers the mutants of all files, in order."""

    def __init__(self) -> None:
        self.mutants: list[Mutant] = []
        self.blocks: list[
            tuple[int, bool]
        ] = []  # those around a line: their indentation, and whether in a function

    def plant(self, file: str, text: str) -> str:
        """The text of a file with its mutants."""
        is_mutant = "mutant_is_" + re.sub(r"\W", "_", file)
        body = "".join(
            self.planted(file, number, line, is_mutant) if is_code else line
            for number, line, is_code in logical_lines(text)
        )
        # Behind the first cimport, which docstrings and directives precede.
        at = re.search(r"^(?:from|cimport|import) ", body, re.MULTILINE)
        if at is None:
            raise ValueError(f"{file} imports nothing")
        return body[: at.start()] + DECLARED.format(name=is_mutant) + body[at.start() :]

    def add(self, file: str, line: int, before: str, change: Change) -> int:
        """Its number."""
        number = len(self.mutants) + 1
        self.mutants.append(Mutant(number, file, line, before, change.after, change.what))
        return number

    def in_function(self, indent: int, code: str) -> bool:
        """Whether this line is code that runs when a function is called."""
        while self.blocks and self.blocks[-1][0] >= indent:
            self.blocks.pop()
        inside = bool(self.blocks) and self.blocks[-1][1]
        if code.endswith(":"):
            self.blocks.append((indent, inside or FUNCTION.fullmatch(code) is not None))
        return inside

    def planted(self, file: str, number: int, line: str, is_mutant: str) -> str:
        """A logical line, as it is or as a choice."""
        code = line.strip()
        indent = line[: len(line) - len(line.lstrip())]
        if not code or not self.in_function(len(indent), code) or CHECKS_ONLY.match(code):
            return line

        def choice(expression: str, changes: Iterator[Change], asked: str = "") -> str:
            chosen = ""
            for change in changes:
                mutant = self.add(file, number, code, change)
                chosen += f"{asked}({change.after}) if {is_mutant}({mutant}) else "
            return f"{chosen}{asked}({expression})" if chosen else expression

        if asks := CONDITION.fullmatch(code):
            asked = choice(asks[2], changes_of_condition(asks[2]), "not not ")
            return f"{indent}{asks[1]} {asked}:\n"
        if code.startswith("return "):
            return f"{indent}return {choice(code[7:], changes_within(code[7:]))}\n"
        if (declares := DECLARATION.fullmatch(code)) and "," not in re.sub(r"\([^()]*\)", "", code):
            return f"{indent}{declares[1]}{choice(declares[2], changes_within(declares[2]))}\n"
        if UNTOUCHED.match(code):
            return line
        rows, word = [], "if"
        for change in changes_of_statement(code):
            mutant = self.add(file, number, code, change)
            rows.append(f"{indent}{word} {is_mutant}({mutant}):\n{indent}    {change.after}\n")
            word = "elif"
        return "".join(rows) + f"{indent}else:\n{indent}    {code}\n"


def logical_lines(text: str) -> Iterator[tuple[int, str, bool]]:
    """Numbered lines, and whether they are code; one that goes on in brackets is one."""
    held, begun, depth, in_text = "", 0, 0, False
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        if in_text or (not held and line.count('"""') == 1):
            in_text ^= line.count('"""') == 1
            yield number, line, False
            continue
        code = re.sub(r"\s*#.*$", "", line.rstrip("\n")) if depth or opens(line) else line.rstrip("\n")
        depth += opens(line)
        held, begun = (f"{held} {code.strip()}", begun) if held else (code, number)
        if depth == 0:
            yield begun, without_comment(held) + "\n", True
            held = ""


def opens(line: str) -> int:
    """How many brackets a line leaves open."""
    code = re.sub(r"#.*$|\"[^\"]*\"|'[^']*'", "", line)
    return sum(code.count(c) for c in "([{") - sum(code.count(c) for c in ")]}")


def without_comment(line: str) -> str:
    """The line up to its comment."""
    if line.lstrip().startswith("#"):
        return line
    return re.sub(r"\s+#[^\"']*$", "", line)


def copied(directory: Path) -> None:
    """A copy of what builds the package and the tests' modules."""
    shutil.rmtree(directory, ignore_errors=True)
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "--", "."], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    for name in filter(None, tracked.split("\0")):
        if name.startswith(("src/", "tests/native/")) or "/" not in name:
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, directory / name)


def main(directory: Path) -> None:
    """Write the copy, and beside it what was planted."""
    copied(directory)
    atomic = directory / PACKAGE / "_core/atomic.h"
    atomic.write_text(SWITCH + atomic.read_text())
    planter = Planter()
    for target in TARGETS:
        path = directory / PACKAGE / target.file
        path.write_text(planter.plant(target.file, path.read_text()))
    (directory / "mutants.json").write_text(json.dumps([asdict(m) for m in planter.mutants], indent=1))
    print(f"{len(planter.mutants)} mutants in {len(TARGETS)} files")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
