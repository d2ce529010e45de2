"""A saved run says where it comes from, and is what the dashboards read. Instruction counts repeat."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
from dashboard.callgrind import VALGRIND, count_instructions
from dashboard.runs import read_run

HERE = Path(__file__).parent
AGREEMENT = 0.002


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two benchmarks, saved as `make bench` saves it."""
    folder = tmp_path_factory.mktemp("runs")
    suite = ["test_engine.py::test_wake[pyfutex-1]", "test_engine.py::test_wake[minimal-1]"]
    options = ["--benchmark-autosave", f"--benchmark-storage={folder}", "--benchmark-quiet"]
    command = [sys.executable, "-m", "pytest", *(f"{HERE / name}" for name in suite), *options]
    ended = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (path,) = folder.rglob("*.json")
    return path


def test_provenance(saved: Path) -> None:
    """Machine, versions, commit; the name of the file has the commit and the time."""
    found = json.loads(saved.read_text())
    assert found["machine_info"]["cores"] >= 1
    assert found["commit_info"]["project"] == "pyfutex"
    assert found["versions"].keys() >= {"pyfutex", "python", "cython", "compiler", "libc", "kernel"}
    assert re.match(r"3\.\d+", found["versions"]["cython"])
    commit = re.escape(found["commit_info"]["id"])
    assert re.fullmatch(rf"\d{{4}}_{commit}_\d{{8}}_\d{{6}}(_uncommitted-changes)?\.json", saved.name)


def test_every_benchmark_has_id_unit_and_direction(saved: Path) -> None:
    """Ids are those of pytest; the figures of one operation come out in the unit."""
    run = read_run(saved)
    assert set(run.figures) == {
        "bench/test_engine.py::test_wake[pyfutex-1]",
        "bench/test_engine.py::test_wake[minimal-1]",
    }
    for benchmark in json.loads(saved.read_text())["benchmarks"]:
        assert benchmark["extra_info"]["unit"] == "ns"
        assert benchmark["extra_info"]["direction"] == "lower"
        figure = run.figures[benchmark["fullname"]]
        assert figure.best == pytest.approx(benchmark["extra_info"]["ns_min"])
        assert figure.median == pytest.approx(benchmark["extra_info"]["ns_median"])


def test_github_action_benchmark_finds_its_fields(saved: Path) -> None:
    """What the action's `pytest` format takes of each benchmark: fullname, and ops, stddev, mean and rounds of stats."""
    for benchmark in json.loads(saved.read_text())["benchmarks"]:
        assert benchmark["fullname"]
        stats = benchmark["stats"]
        assert all(math.isfinite(stats[name]) for name in ("ops", "stddev", "mean"))
        assert stats["ops"] == pytest.approx(1 / stats["mean"])
        assert stats["rounds"] > 1


@pytest.mark.skipif(VALGRIND is None, reason="instructions are counted by valgrind, which is not installed")
def test_instruction_counts_repeat() -> None:
    """Two processes count the same, far below the two per cent that are to be seen."""
    first, second = count_instructions(), count_instructions()
    assert {loop: second[loop] for loop in first} == pytest.approx(first, rel=AGREEMENT)
