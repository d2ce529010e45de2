"""The pages say what is true: their programs run as they stand, their links lead somewhere, and what they name is there."""

import importlib
import os
import re

import pytest
from pages import ROOT, ends, links, page, start, steps

from pyfutex.__main__ import main

DOCS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
OTHERS = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "bench/README.md"]
# Their programs have tests of their own: test_readme.py, sync/test_page.py, consumer/test_consumer_docs.py.
TESTED_ELSEWHERE = {"docs/sync.md", "docs/c-api.md", "docs/cython-api.md", "docs/howto/call-from-native.md"}
NEEDS_A_ROOTFS = {"docs/qiling.md"}
IN_STEPS = [name for name in DOCS if steps(name)[0] and name not in TESTED_ELSEWHERE | NEEDS_A_ROOTFS]
REFERENCE = {
    "pyfutex": "engine",
    "pyfutex.sync": "sync",
    "pyfutex.linux": "linux",
}
FOLDED = {"FUTEX_", "FUTEX2_", "ROBUST_LIST_"}  # families of constants that a page names once


@pytest.mark.parametrize("name", IN_STEPS)
def test_the_blocks_of_a_page_run_one_after_the_other_and_print_what_it_says(name, tmp_path):
    source, output = steps(name)
    assert ends(start(["-c", source], tmp_path)) == (0, "", output)


def test_a_block_that_needs_an_emulator_is_python():
    for name in NEEDS_A_ROOTFS:
        compile(steps(name)[0], name, "exec")


def test_the_tutorial_has_an_output_for_each_step():
    assert "docs/tutorial.md" in IN_STEPS
    assert page("docs/tutorial.md").count("```text\n") >= 7


@pytest.mark.parametrize("name", DOCS + OTHERS)
def test_links_lead_to_files(name):
    for link in links(name):
        assert (ROOT / name).parent.joinpath(link).exists(), link


@pytest.mark.parametrize("name", DOCS + OTHERS)
def test_targets_of_make_that_a_page_names_are_there(name):
    makefile = page("Makefile")
    for target in re.findall(r"(?:^|`|^    )make ([a-z-]+)\b", page(name), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("name", DOCS + OTHERS)
def test_commands_of_the_package_that_a_page_names_are_there(name, capsys):
    for command in set(re.findall(r"python -m pyfutex ((?:demo )?[a-z]+)", page(name))):
        with pytest.raises(SystemExit) as left:
            main([*command.split(), "--help"])
        assert left.value.code == 0, capsys.readouterr().err


@pytest.mark.parametrize(("module", "name"), REFERENCE.items())
def test_the_reference_has_every_public_name(module, name):
    text = page(f"docs/reference/{name}.md")
    for public in importlib.import_module(module).__all__:
        family = next((prefix for prefix in FOLDED if public.startswith(prefix)), None)
        assert re.search(rf"(?:auto\w+:: |`){family or public}", text), public


def test_the_reference_has_every_command(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    commands = re.findall(r"^    (\w+)  ", capsys.readouterr().out, re.MULTILINE)
    assert commands
    for command in commands:
        assert re.search(rf"\| `{command}\b", page("docs/reference/commands.md")), command


def test_every_page_is_in_a_table_of_contents():
    listed = {"index", "adr/README"}
    for name in ("docs/index.md", "docs/decisions.md"):
        for tree in re.findall(r"```\{toctree\}\n(.*?)```", page(name), re.DOTALL):
            listed.update(re.sub(r".* <(.*)>", r"\1", line) for line in tree.splitlines())
    missing = {os.path.splitext(name)[0].removeprefix("docs/") for name in DOCS} - listed
    assert all(name.startswith("adr/0") for name in missing)
