"""What the commands of ``python -m pyfutex`` have in common: a help that teaches."""

from __future__ import annotations

import argparse
import shutil
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# What is typed after the name of a command, and what that does.
Example = tuple[str, str]


def teach(parser: argparse.ArgumentParser, description: str, examples: Sequence[Example]) -> None:
    """Say what a command is for, and show how it is called."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = textwrap.fill(description, shutil.get_terminal_size().columns - 2)
    parser.epilog = example_lines([(f"{parser.prog} {typed}".rstrip(), does) for typed, does in examples])


def example_lines(examples: Sequence[Example]) -> str:
    """Whole commands and what they do: one a line, if there is room for that."""
    width = max(len(typed) for typed, _ in examples)
    lines = [f"  {typed:{width}}  {does}" for typed, does in examples]
    if max(map(len, lines)) >= shutil.get_terminal_size().columns:
        lines = [f"  {typed}\n      {does}" for typed, does in examples]
    return "\n".join(["examples:", *lines])
