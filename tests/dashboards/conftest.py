"""Saved runs, as the benchmarks would leave them."""

import json
from itertools import count

import pytest


def benchmark_entry(id_, value, *, group=None, params=None, **extra):
    """One entry of "benchmarks", its figures between `value` and a fifth more."""
    operations = extra.setdefault("operations", 1000)
    seconds = value * operations / (1e9 if extra.get("unit", "ns") == "ns" else 1)
    spread = {"min": 1.0, "q1": 1.02, "median": 1.05, "mean": 1.07, "q3": 1.1, "max": 1.2}
    stats = {name: seconds * factor for name, factor in spread.items()}
    return {
        "group": group,
        "name": id_.partition("::")[2],
        "fullname": id_,
        "params": params,
        "param": None,
        "extra_info": extra,
        "stats": stats | {"stddev": seconds * 0.05, "rounds": 20, "iterations": 1, "ops": 1 / stats["mean"]},
    }


@pytest.fixture
def save_run(tmp_path):
    """Save a run: ``save_run({id: value or benchmark_entry}, commit=, committed=, node=, dirty=)`` gives its path."""
    numbers = count(1)

    def save(
        figures, *, commit="1" * 40, committed=None, node="quiet", dirty=False, python="3.11.7", **others
    ):
        n = next(numbers)
        entries = [
            entry if isinstance(entry, dict) else benchmark_entry(id_, entry)
            for id_, entry in figures.items()
        ]
        run = {
            "machine_info": {
                "node": node,
                "machine": "x86_64",
                "system": "Linux",
                "release": "6.12",
                "python_implementation": "CPython",
                "python_version": python,
                "cores": 4,
                "cpu": {"brand_raw": f"Processor of {node}", "count": 8},
            },
            "commit_info": {
                "id": commit,
                "time": committed or f"2026-01-{n:02}T10:00:00+00:00",
                "dirty": dirty,
                "branch": "main",
            },
            "benchmarks": entries,
            "datetime": f"2026-02-{n:02}T10:00:00+00:00",
            "version": "5.0.0",
        }
        path = tmp_path / "runs" / f"{n:04}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(run | others))
        return path

    return save


@pytest.fixture
def entry():
    """Make an entry with a unit, a direction or a subject: ``entry(id, value, unit=, direction=, subject=, ...)``."""
    return benchmark_entry
