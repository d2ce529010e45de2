"""What asv makes of exported runs: its own importer reads them and publishes a site."""

import importlib.util
import json
import subprocess
import sys

import pytest
from dashboard.asvresults import asv_name, export, main
from dashboard.runs import read_run

WAKE, COUNT = (
    "bench/test_calls.py::test_call[pyfutex-Manager.wake]",
    "bench/test_instructions.py::test_it[a, b]",
)


@pytest.fixture
def repository(tmp_path):
    """A git repository, and the ids of its two commits."""
    path = tmp_path / "repository"
    path.mkdir()

    def git(*arguments):
        identity = ("-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false")
        command = ["git", "-c", "init.defaultBranch=main", *identity, *arguments]
        return subprocess.run(command, cwd=path, check=True, capture_output=True, text=True).stdout.strip()

    git("init")
    commits = []
    for message in ("one", "two"):
        git("commit", "--allow-empty", "-m", message)
        commits.append(git("rev-parse", "HEAD"))
    return path, commits


@pytest.fixture
def site(save_run, entry, repository, tmp_path):
    """Both commits exported."""
    path, commits = repository
    runs = [
        read_run(
            save_run(
                {"w": entry(WAKE, ns), "i": entry(COUNT, n, operations=1, unit="instructions")}, commit=commit
            )
        )
        for commit, ns, n in zip(commits, (50, 40), (400, 410), strict=True)
    ]
    assert export(runs, tmp_path / "site", path) == 2
    return tmp_path / "site"


def test_names_have_dots_where_asv_groups():
    assert asv_name(WAKE) == "test_calls.test_call[pyfutex-Manager.wake]"
    assert asv_name("other/test_a.py::test_b") == "other.test_a.test_b"


def test_time_is_in_seconds_and_other_units_stay(site, repository):
    benchmarks = json.loads((site / "results" / "benchmarks.json").read_text())
    assert benchmarks[asv_name(WAKE)]["unit"] == "seconds"
    assert benchmarks[asv_name(COUNT)]["unit"] == "instructions"
    (path,) = (site / "results" / "quiet").glob(f"{repository[1][0][:8]}-*.json")
    results = json.loads(path.read_text())
    columns = results["result_columns"].index("result")
    assert results["results"][asv_name(WAKE)][columns] == [pytest.approx(50e-9)]
    assert results["results"][asv_name(COUNT)][columns] == [pytest.approx(400)]


def test_runs_of_uncommitted_changes_are_left_out(save_run, repository, tmp_path, capsys):
    path, commits = repository
    save_run({"a": 1}, commit=commits[0], dirty=True)
    save_run({"a": 1}, commit="unversioned")
    runs = str(save_run({"a": 1}, commit=commits[1]).parent)
    assert main([runs, str(tmp_path / "site"), "--repository", str(path)]) == 0
    assert capsys.readouterr().out.startswith("1 of 3 runs")


def test_later_runs_of_a_commit_add_to_it(save_run, repository, tmp_path):
    """Time and instructions may be measured apart."""
    path, commits = repository
    runs = [
        read_run(save_run(figures, commit=commits[0]))
        for figures in ({"t.py::a": 1, "t.py::b": 2}, {"t.py::b": 3})
    ]
    export(runs, tmp_path / "site", path)
    (written,) = (tmp_path / "site" / "results" / "quiet").glob("*-*.json")
    results = {name: row[0][0] for name, row in json.loads(written.read_text())["results"].items()}
    assert results == {"t.a": pytest.approx(1e-9), "t.b": pytest.approx(3e-9)}


@pytest.mark.skipif(
    importlib.util.find_spec("asv") is None, reason="asv is not installed: pip group dashboards"
)
def test_asv_publishes_the_figures(site):
    """The graphs of the site hold each figure at its commit."""
    ended = subprocess.run(
        [sys.executable, "-m", "asv", "publish", "--no-pull"],
        cwd=site,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Couldn't find" not in ended.stdout + ended.stderr
    index = json.loads((site / "html" / "index.json").read_text())
    assert {asv_name(WAKE), asv_name(COUNT)} == set(index["benchmarks"])
    assert index["machines"]["quiet"]["cpu"] == "Processor of quiet"
    graphs = {
        path.stem: [value for _, value in json.loads(path.read_text())]
        for path in (site / "html" / "graphs").rglob("*.json")
        if "summary" not in {path.stem, path.parent.name}
    }
    assert graphs[asv_name(WAKE)] == [pytest.approx(50e-9), pytest.approx(40e-9)]
    assert graphs[asv_name(COUNT)] == [pytest.approx(400), pytest.approx(410)]
