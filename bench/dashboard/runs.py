"""Reading saved runs: JSON of pytest-benchmark, with what the suites put into `extra_info`.

Files of pytest-benchmark that lack it are read too: nanoseconds, lower is better, the group is the subject.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# Ours has a name that begins so, or is the `base` that a suite names for a subject.
OURS = "pyfutex"
# What bench/conftest.py adds to the name of a group.
ROUND_SIZE = re.compile(r" \(x [\d,]+\)$")
CONTENDER_PARAMETERS = ("contender", "who")
THREAD_PARAMETERS = ("threads", "n_threads")


class NotARunError(ValueError):
    """The file is not a saved run."""


@dataclass(frozen=True)
class Figure:
    """What one benchmark of a run measured.

    Attributes
    ----------
    id : str
        Stable name: the file, the function and the parameters.
    subject, contender : str
        What was done, and who did it.
    threads : int or None
        On how many threads, where that is what varies.
    unit : str
        Of an operation: "ns", "instructions", ...
    higher : bool
        Whether more is better.
    best, median, low, high : float
        The best round, the median, the quartiles.
    rounds : int
    ours : bool
        Whether it is our own, with which the others of the subject are compared.
    ratio : float or None
        Times the base of the subject, where rounds were taken in turns: the median of the ratios round by round.
    """

    id: str
    subject: str
    contender: str
    threads: int | None
    unit: str
    higher: bool
    best: float
    median: float
    low: float
    high: float
    rounds: int
    ours: bool
    ratio: float | None

    @property
    def suite(self) -> str:
        """The file that the benchmark stands in, without the rest of its path."""
        return Path(self.id.partition("::")[0]).stem.removeprefix("test_")


@dataclass(frozen=True)
class Run:
    """A saved run.

    Attributes
    ----------
    when : datetime.datetime
    commit : str
        Full id, or "unversioned".
    commit_time : datetime.datetime
        When the commit was made; that of the run if it has none.
    dirty : bool
        Whether the tree held changes that were not committed.
    machine : str
        Processor, cores and Python in one line. Only figures of the same are comparable.
    versions : mapping of str to str
    info : mapping
        The machine as pytest-benchmark describes it.
    figures : mapping of str to Figure
        By id.
    """

    path: Path
    when: datetime
    commit: str
    commit_time: datetime
    branch: str
    dirty: bool
    machine: str
    python: str
    versions: Mapping[str, str]
    info: Mapping[str, Any]
    figures: Mapping[str, Figure]

    @property
    def order(self) -> tuple[datetime, datetime]:
        """What runs are sorted by: the commit, whenever it was measured; then the run."""
        return self.commit_time, self.when

    @property
    def label(self) -> str:
        """The commit in short."""
        return self.commit[:7] + "+" * self.dirty


def first_of(found: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """The value under the first of the names that there is, or None."""
    return next((found[name] for name in names if name in found), None)


def aware(text: str) -> datetime:
    """A time in ISO format, which is UTC unless it says otherwise."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def read_figure(benchmark: Mapping[str, Any]) -> Figure:
    """One entry of "benchmarks"."""
    stats, extra = benchmark["stats"], benchmark.get("extra_info") or {}
    parameters = benchmark.get("params") or {}
    unit, higher = extra.get("unit", "ns"), extra.get("direction", "lower") == "higher"
    scale = (1e9 if unit == "ns" else 1.0) / extra.get("operations", 1)
    if "ns_min" in extra and stats["min"]:
        scale = extra["ns_min"] / stats["min"]
    group = ROUND_SIZE.sub("", benchmark.get("group") or "")
    contender = extra.get("contender") or first_of(parameters, CONTENDER_PARAMETERS) or OURS
    threads = extra.get("threads", first_of(parameters, THREAD_PARAMETERS))
    return Figure(
        id=benchmark["fullname"],
        subject=extra.get("subject") or group or benchmark["name"],
        contender=str(contender),
        threads=None if threads is None else int(threads),
        unit=unit,
        higher=higher,
        best=stats["max" if higher else "min"] * scale,
        median=stats["median"] * scale,
        low=stats["q1"] * scale,
        high=stats["q3"] * scale,
        rounds=stats["rounds"],
        ours=contender == extra["base"] if "base" in extra else str(contender).startswith(OURS),
        ratio=extra.get("ratio_median"),
    )


def read_run(path: Path) -> Run:
    """Read one file.

    Raises
    ------
    NotARunError
        If it is something else, or cannot be read.
    """
    try:
        found = json.loads(path.read_text())
        info, commit = found["machine_info"], found["commit_info"]
        figures = [read_figure(benchmark) for benchmark in found["benchmarks"]]
        when = aware(found["datetime"])
        commit_time = aware(commit["time"]) if commit.get("time") else when
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotARunError(f"{path} is not a saved run: {error!r}") from error
    versions = found.get("versions", {})
    python = versions.get("python") or f"{info['python_implementation']} {info['python_version']}"
    cpu = info.get("cpu", {})
    cores = info.get("cores") or cpu.get("count")
    machine = f"{cpu.get('brand_raw') or info['machine']}, {cores} cores, {python}"
    return Run(
        path=path,
        when=when,
        commit=commit["id"],
        commit_time=commit_time,
        branch=commit.get("branch", ""),
        dirty=bool(commit.get("dirty")),
        machine=machine,
        python=python,
        versions=versions,
        info=info,
        figures={figure.id: figure for figure in figures},
    )


def read_runs(folder: Path) -> list[Run]:
    """Every run below a folder, that of the oldest commit first. What is no run is named on standard error and left out."""
    runs = []
    for path in sorted(folder.rglob("*.json")):
        try:
            runs.append(read_run(path))
        except NotARunError as error:
            print(error, file=sys.stderr)
    return sorted(runs, key=lambda run: run.order)
