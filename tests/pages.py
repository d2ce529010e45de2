"""Programs that a page of the documentation shows: the file that each names, and what it is said to print."""

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = re.compile(
    r"<!-- (?P<path>\S+) -->\n```python\n(?P<source>.*?)```\n(?:[^`]*?)```text\n(?P<output>.*?)```", re.DOTALL
)
STEP = re.compile(r"(?<!-->)\n```python\n(?P<source>.*?)```\n(?:\n```text\n(?P<output>.*?)```\n)?", re.DOTALL)
RUN_LIMIT = 60.0


class Program(NamedTuple):
    """A program on a page, the file it names, and what it is said to print."""

    path: str
    source: str
    output: str


def page(path):
    """The text of a page."""
    return (ROOT / path).read_text(encoding="utf-8")


def programs(path):
    """The programs of a page that name a file."""
    return [Program(**match.groupdict()) for match in PROGRAM.finditer(page(path))]


def steps(path):
    """The Python blocks of a page that name no file, as one program: its source, and what the page says it prints."""
    found = list(STEP.finditer(page(path)))
    return "\n".join(match["source"] for match in found), "".join(match["output"] or "" for match in found)


def links(path):
    """Where a page leads to, by links to files; parts of a page are left out."""
    return sorted(set(re.findall(r"\]\(([^):#]+)\)", page(path))))


def start(arguments, directory):
    """Start Python with these arguments; warnings are errors."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-X", "faulthandler", *arguments],
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ends(process):
    """Its exit status, what it wrote to standard error, and what it printed."""
    printed, complaint = process.communicate(timeout=RUN_LIMIT)
    return process.returncode, complaint, printed
