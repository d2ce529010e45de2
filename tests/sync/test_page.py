"""docs/sync.md says what is true: programs run, kinds and sizes are what it says, links lead somewhere."""

import mmap
import re

import pytest
from pages import ROOT, ends, links, page, programs, start

from pyfutex import sync

PAGE = page("docs/sync.md")
PROGRAMS = programs("docs/sync.md")
NAMELESS = re.findall(r"(?<!-->)\n```python\n(.*?)```", PAGE, re.DOTALL)
KINDS = re.findall(r"(\d+) (\w+)", PAGE[PAGE.index("its kind: ") : PAGE.index("; low 4 bits, flags")])
PARAMETERS = {"Barrier": {"parties": 1}, "Latch": {"count": 1}}
SIZES = re.findall(r"`(\w+)\.SIZE` is ([\d,]+) bytes", PAGE)


def test_no_program_is_left_out():
    assert len(PROGRAMS) + len(NAMELESS) == PAGE.count("```python\n")


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.path)
def test_a_program_with_a_name_is_that_file_and_prints_what_the_page_says(program, tmp_path):
    assert program.source == page(program.path)
    assert ends(start([ROOT / program.path], tmp_path)) == (0, "", program.output)


def test_the_others_run_one_after_the_other(tmp_path):
    assert ends(start(["-c", "\n".join(NAMELESS)], tmp_path)) == (0, "", "")


@pytest.mark.parametrize(("name", "size"), SIZES)
def test_a_size_is_what_the_page_says(name, size):
    assert int(size.replace(",", "")) == getattr(sync, name).SIZE


@pytest.mark.parametrize(("number", "name"), KINDS)
def test_a_kind_is_what_the_page_says(number, name):
    memory = mmap.mmap(-1, mmap.PAGESIZE)
    getattr(sync, name).create(memory, **PARAMETERS.get(name, {}))
    assert memory[:4] == b"pf\x01" + bytes([int(number) << 4])


def test_every_class_has_its_section_and_its_size():
    classes = {name for name in sync.__all__ if isinstance(getattr(sync, name), type)}
    classes -= {name for name in classes if issubclass(getattr(sync, name), Exception)}
    headings = re.findall(r"^## (.*)$", PAGE, re.MULTILINE)
    assert classes <= {name for heading in headings for name in heading.split(", ")}
    assert classes - {"Arena"} == {name for _, name in KINDS}
    assert classes - {name for name, _ in SIZES} == {"Arena", "RLock", "BoundedSemaphore"}


@pytest.mark.parametrize("link", links("docs/sync.md"))
def test_a_link_leads_to_a_file(link):
    assert (ROOT / "docs" / link).exists()
