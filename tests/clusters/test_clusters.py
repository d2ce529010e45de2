"""The examples of docs/howto/several-nodes.md, run by as many ranks and workers as the page says, and what they print."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pages import ROOT, page

PAGE = page("docs/howto/several-nodes.md")
COMMANDS = re.findall(r"^\$ ((?:mpiexec|python) .+)\n(.+\n)", PAGE, re.MULTILINE)
BESIDE = Path(sys.executable).parent  # where pip puts mpiexec
RUN_LIMIT = 100.0


def runs(command, folder):
    """What a command of the page prints, run with this interpreter. What an engine logs of a busy machine is no matter."""
    words = command.split()
    at = words.index("python")
    launcher = [shutil.which(words[0], path=str(BESIDE)), *words[1:at]] if at else []
    program = ROOT / "examples" / "clusters" / words[at + 1]
    whole = [*launcher, sys.executable, str(program), *words[at + 2 :]]
    done = subprocess.run(whole, cwd=folder, capture_output=True, text=True, timeout=RUN_LIMIT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_page_shows_both_examples():
    shown = {word for command, _ in COMMANDS for word in command.split() if word.endswith(".py")}
    assert shown == {path.name for path in (ROOT / "examples" / "clusters").glob("*.py")}


@pytest.mark.parametrize(("command", "printed"), COMMANDS, ids=lambda text: text.split()[0])
def test_an_example_prints_what_the_page_says(command, printed, tmp_path):
    needed = "mpi4py" if command.startswith("mpiexec") else "distributed"
    if importlib.util.find_spec(needed) is None:
        pytest.skip(f"no {needed}")
    if needed == "mpi4py" and shutil.which("mpiexec", path=str(BESIDE)) is None:
        pytest.skip("no mpiexec beside this Python")
    assert runs(command, tmp_path) == printed


@pytest.mark.skipif(importlib.util.find_spec("mpi4py") is None, reason="no mpi4py")
def test_one_rank_is_one_node(tmp_path):
    assert (
        runs("python mpi_primes.py --below 100", tmp_path)
        == "25 primes below 100, nodes: 1, ranks: 1, pieces: 1\n"
    )
