"""The README says what is true: its programs are the files in examples/, and print what it says."""

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "examples").glob("*.py"))

PROGRAM = re.compile(
    r"<!-- (?P<path>\S+) -->\n```python\n(?P<source>.*?)```\n(?:[^`]*?)```text\n(?P<output>.*?)```", re.DOTALL
)
RUN_LIMIT = 60.0


class Program(NamedTuple):
    """A program shown in the README, the file it names, and what it is said to print."""

    path: str
    source: str
    output: str


PROGRAMS = [Program(**match.groupdict()) for match in PROGRAM.finditer(README)]


def test_every_python_block_names_its_file_and_its_output():
    assert len(PROGRAMS) == README.count("```python\n")


def test_every_example_is_shown():
    assert sorted(program.path for program in PROGRAMS) == EXAMPLES


def test_the_first_program_is_the_first_minute():
    assert PROGRAMS[0].path == "examples/first_minute.py"


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.path)
def test_program_is_the_file_it_names(program):
    assert program.source == (ROOT / program.path).read_text(encoding="utf-8")


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.path)
def test_program_prints_what_the_readme_says(program, tmp_path):
    command = [sys.executable, "-W", "error", "-X", "faulthandler", str(ROOT / program.path)]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=RUN_LIMIT, check=False
    )
    assert (done.returncode, done.stderr, done.stdout) == (0, "", program.output)


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^):]+)\)", README))))
def test_link_leads_to_a_file(link):
    assert (ROOT / link).exists()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"^make (\w+)", README, re.MULTILINE))))
def test_make_target_exists(target):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}\b.*:", makefile, re.MULTILINE)
