"""The README says what is true: its programs are the files in examples/, and print what it says."""

import re

import pytest
from pages import ROOT, ends, links, page, programs, start

README = page("README.md")
PROGRAMS = programs("README.md")
EXAMPLES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "examples").glob("*.py"))


def test_every_python_block_names_its_file_and_its_output():
    assert len(PROGRAMS) == README.count("```python\n")


def test_every_example_is_shown():
    assert sorted({program.path for program in PROGRAMS + programs("docs/sync.md")}) == EXAMPLES


def test_the_first_program_is_the_first_minute():
    assert PROGRAMS[0].path == "examples/first_minute.py"


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.path)
def test_program_is_the_file_it_names(program):
    assert program.source == page(program.path)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.path)
def test_program_prints_what_the_readme_says(program, tmp_path):
    assert ends(start([ROOT / program.path], tmp_path)) == (0, "", program.output)


def test_the_lock_that_processes_share_is_shared_in_ten_lines(tmp_path):
    path = "examples/shared_lock.py"
    assert len([line for line in page(path).splitlines() if line]) == 10
    started = [start([ROOT / path], tmp_path) for _ in range(4)]
    assert sorted(map(ends, started)) == [(0, "", f"turn {n}\n") for n in range(1, 5)]


@pytest.mark.parametrize("link", links("README.md"))
def test_link_leads_to_a_file(link):
    assert (ROOT / link).exists()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"^make (\w+)", README, re.MULTILINE))))
def test_make_target_exists(target):
    assert re.search(rf"^{target}\b.*:", page("Makefile"), re.MULTILINE)
