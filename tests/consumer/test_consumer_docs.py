"""The programs of the pages on C, Cython and Rust are built as these pages say, and print what these pages say."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from consumer.compilers import HERE

ROOT = HERE.parents[1]
PAGES = ("c-api.md", "cython-api.md", "howto/call-from-native.md")
FILE = re.compile(r"<!-- (?P<name>\S+) -->\n```\w+\n(?P<source>.*?)```\n", re.DOTALL)
COMMANDS = re.compile(r"```sh\n(?P<commands>.*?)```\n\n```text\n(?P<output>.*?)```\n", re.DOTALL)


class Build(NamedTuple):
    """Commands that a page shows, what they print, and the files that it has shown before."""

    page: str
    commands: str
    output: str
    files: dict[str, str]


def builds_of(page):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for match in COMMANDS.finditer(text):
        files = {found["name"]: found["source"] for found in FILE.finditer(text, 0, match.start())}
        yield Build(page, match["commands"], match["output"], files)


BUILDS = [build for page in PAGES for build in builds_of(page)]


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_a_file_or_is_run(page):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    n_run = sum(build.page == page for build in BUILDS)
    assert text.count("```") // 2 == len(FILE.findall(text)) + 2 * n_run


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^):#]+)[^)]*\)", text):
        assert (ROOT / "docs" / page).parent.joinpath(link).exists()


@pytest.mark.parametrize("build", BUILDS, ids=lambda build: f"{build.page}-{list(build.files)[-1]}")
def test_a_program_prints_what_its_page_says(build, builder, tmp_path):
    builder.needs_c()
    path = os.pathsep.join(
        [os.path.dirname(sys.executable), os.environ["PATH"], os.fspath(Path.home() / ".cargo" / "bin")]
    )
    for command in re.findall(r"^(?:cc|rustc)\b", build.commands, re.MULTILINE):
        # A version manager's stand-in may exist and not run.
        found = shutil.which(command, path=path)
        if not found or subprocess.run([found, "--version"], capture_output=True).returncode:
            pytest.skip(f"no {command}")
    if "-m cython" in build.commands and importlib.util.find_spec("Cython") is None:
        pytest.skip("no Cython")
    for name, source in build.files.items():
        (tmp_path / name).write_text(source, encoding="utf-8")
    done = subprocess.run(
        ["sh", "-euc", build.commands],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr, done.stdout) == (0, "", build.output)
