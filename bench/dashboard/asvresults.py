"""Write saved runs as the results that asv (airspeed velocity) keeps, from which `asv publish` makes a site.

    python -m dashboard.asvresults .benchmarks asv-site
    cd asv-site && asv publish && asv preview

Times are in seconds there, as asv expects; another unit stays. asv knows no direction: less is better to it. It orders by
commit, so a run of a tree with changes is left out, and of several runs of a commit on one machine the newest counts.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dashboard.runs import read_runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from typing import Any

    from dashboard.runs import Figure, Run

CONF_VERSION = MACHINE_VERSION = 1
BENCHMARKS_VERSION = RESULTS_VERSION = 2
# asv shows a result only while its benchmark has the same version.
BENCHMARK_VERSION = "1"
COLUMNS = ("result", "params", "version", "started_at", "stats_q_25", "stats_q_75", "stats_repeat")
COMMIT = re.compile(r"[0-9a-f]{40}")
NANOSECOND = 1e-9


def asv_name(id_: str) -> str:
    """An id with dots where asv groups by them: "suite.function[parameters]"."""
    path, _, rest = id_.partition("::")
    parts = Path(path).with_suffix("").parts
    return ".".join([*(parts[1:] if parts[0] == "bench" else parts), rest])


def milliseconds(when: datetime) -> int:
    """A time as asv keeps it."""
    return int(when.timestamp() * 1000)


def machine_name(run: Run) -> str:
    """A name for the machine that is also one of a directory."""
    return re.sub(r"[^\w.-]+", "-", run.info.get("node") or "machine")


def machine_file(run: Run) -> dict[str, Any]:
    """machine.json."""
    info = run.info
    return {
        "machine": machine_name(run),
        "os": f"{info.get('system', '')} {info.get('release', '')}",
        "arch": info.get("machine", ""),
        "cpu": info.get("cpu", {}).get("brand_raw", ""),
        "num_cpu": str(info.get("cores") or info.get("cpu", {}).get("count", "")),
        "ram": info.get("ram", ""),
        "version": MACHINE_VERSION,
    }


def benchmark_entry(figure: Figure) -> dict[str, Any]:
    """One benchmark of benchmarks.json."""
    timed = figure.unit == "ns"
    return {
        "name": asv_name(figure.id),
        "code": figure.id,
        "param_names": [],
        "params": [],
        "type": "time" if timed else "track",
        "unit": "seconds" if timed else figure.unit,
        "version": BENCHMARK_VERSION,
        "timeout": 0,
    }


def result_row(figure: Figure, run: Run) -> list[Any]:
    """One result, in the order of COLUMNS."""
    scale = NANOSECOND if figure.unit == "ns" else 1
    return [
        [figure.best * scale],
        [],
        BENCHMARK_VERSION,
        milliseconds(run.when),
        [figure.low * scale],
        [figure.high * scale],
        [figure.rounds],
    ]


def results_file(run: Run, results: dict[str, list[Any]]) -> dict[str, Any]:
    """What is known of a commit on a machine."""
    machine = machine_file(run)
    del machine["version"]
    python = run.info.get("python_version", "").rpartition(".")[0]
    return {
        "commit_hash": run.commit,
        "env_name": environment_name(run),
        "date": milliseconds(run.commit_time),
        "params": machine | {"python": run.python},
        "python": python,
        "requirements": {},
        "env_vars": {},
        "result_columns": list(COLUMNS),
        "results": results,
        "durations": {},
        "version": RESULTS_VERSION,
    }


def environment_name(run: Run) -> str:
    """The Python of a run, as part of the name of a file."""
    return re.sub(r"[^\w.]+", "-", run.python.lower())


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a file, its directory too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


def export(runs: Iterable[Run], site: Path, repository: Path, branch: str = "HEAD") -> int:
    """Write asv.conf.json and the results.

    Parameters
    ----------
    runs : iterable of Run
        The oldest first.
    site : Path
        Directory for it all.
    repository : Path
        The git repository with the commits.
    branch : str, optional
        Whose commits asv shows.

    Returns
    -------
    int
        How many runs were written.
    """
    results = site / "results"
    benchmarks: dict[str, Any] = {"version": BENCHMARKS_VERSION}
    commits: dict[Path, dict[str, list[Any]]] = {}
    n_written = 0
    for run in runs:
        if run.dirty or not COMMIT.fullmatch(run.commit):
            continue
        machine = machine_file(run)
        of_machine = results / machine["machine"]
        path = of_machine / f"{run.commit[:8]}-{environment_name(run)}.json"
        rows = commits.setdefault(path, {})
        for figure in run.figures.values():
            entry = benchmark_entry(figure)
            benchmarks[entry["name"]] = entry
            rows[entry["name"]] = result_row(figure, run)
        write_json(of_machine / "machine.json", machine)
        write_json(path, results_file(run, rows))
        n_written += 1
    write_json(results / "benchmarks.json", benchmarks)
    conf = {
        "version": CONF_VERSION,
        "project": "pyfutex",
        "repo": str(repository.resolve()),
        "dvcs": "git",
        "branches": [branch],
        "results_dir": "results",
        "html_dir": "html",
    }
    write_json(site / "asv.conf.json", conf)
    return n_written


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m dashboard.asvresults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", type=Path, help="a folder of saved runs")
    parser.add_argument("site", type=Path, help="where to write asv.conf.json and results/")
    parser.add_argument("--repository", type=Path, default=Path(), help="the git repository (default: here)")
    parser.add_argument("--branch", default="HEAD", help="whose commits to show (default HEAD)")
    options = parser.parse_args(arguments)

    runs = read_runs(options.runs)
    n_written = export(runs, options.site, options.repository, options.branch)
    print(f"{n_written} of {len(runs)} runs written to {options.site}")
    return 0 if n_written else 2


if __name__ == "__main__":
    sys.exit(main())
