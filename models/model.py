"""A model: a Promela file whose first comment says what to check in it, and which mutants must be caught.

check quick -DTHREADS=2         explored in every run
check -DTHREADS=3               explored unless --quick
claim quick served -DTHREADS=2  the LTL formula `served` of the file, with weak fairness
mutant NAME what it does        -DNAME; caught if one of the quick checks or claims fails
mutant NAME (claim) ...         the same where the others are known not to see it
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHECK = re.compile(r" \* (check|claim)( quick)?((?: \S+)*)$")
MUTANT = re.compile(r" \* mutant ([A-Z0-9_]+) (.+)$")


class Check(NamedTuple):
    """One search: what is defined, and the claim, or "" for assertions and threads that wait for ever."""

    options: tuple[str, ...]
    claim: str
    is_quick: bool

    def __str__(self) -> str:
        return " ".join(
            (*((self.claim,) if self.claim else ()), *(o.removeprefix("-D") for o in self.options))
        )


class Mutant(NamedTuple):
    """A model with a mistake in it."""

    name: str
    mistake: str


class Model(NamedTuple):
    """A file, and what its first comment asks for."""

    path: Path
    checks: tuple[Check, ...]
    mutants: tuple[Mutant, ...]

    @property
    def name(self) -> str:
        """How it is called in the table."""
        return self.path.stem


def read_model(path: Path) -> Model:
    """Read what the first comment of a file asks for."""
    comment = path.read_text(encoding="utf-8").partition("*/")[0].splitlines()
    return Model(
        path, tuple(read_checks(comment)), tuple(Mutant(*m.groups()) for m in map(MUTANT.match, comment) if m)
    )


def read_checks(comment: list[str]) -> Iterator[Check]:
    """Read the checks and claims of a comment."""
    for found in map(CHECK.match, comment):
        if found:
            kind, quick, words = found.group(1), found.group(2), found.group(3).split()
            claim = words.pop(0) if kind == "claim" else ""
            yield Check(tuple(words), claim, bool(quick))
