"""The figures of a demo, as a table."""

import os
import platform
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from pyfutex.demo.contenders import REFERENCE
from pyfutex.demo.workload import Load, Measurement


@dataclass(frozen=True)
class Tally:
    """What the ledgers of all measurements of one contender add up to."""

    woken: int
    woken_waits: int
    requeued: int

    @classmethod
    def of(cls, measurements: Sequence[Measurement]) -> "Tally | None":
        """Add up the ledgers; None if there are none."""
        ledgers = [m.ledger for m in measurements if m.ledger is not None]
        if not ledgers:
            return None
        return cls(
            woken=sum(ledger.woken for ledger in ledgers),
            woken_waits=sum(ledger.woken_waits for ledger in ledgers),
            requeued=sum(ledger.requeued for ledger in ledgers),
        )


def heading(load: Load, n_rounds: int) -> str:
    """Say what is measured, and on what."""
    return (
        f"pyfutex {version('pyfutex')}, {platform.python_implementation()} {platform.python_version()}"
        f" ({_gil()}), {len(os.sched_getaffinity(0))} CPUs\n"
        f"{load.n_producers} producers, {load.n_consumers} consumers, a queue of {load.capacity};"
        f" {load.n_items:,} items a measurement, {n_rounds} interleaved rounds"
    )


def table(results: Mapping[str, Sequence[Measurement]], load: Load) -> str:
    """Lay out throughput, its ratio to the reference, and the tally, one contender a line."""
    reference = _median_rate(results[REFERENCE.name], load)
    lines = [f"{'':26}{'items/s':>12}{'slowest':>12}{'fastest':>12}{'ratio':>8}{'woken':>10}{'requeued':>10}"]
    for name, measurements in results.items():
        rates = [load.n_items / m.seconds for m in measurements]
        median = statistics.median(rates)
        line = f"{name:26}{median:12,.0f}{min(rates):12,.0f}{max(rates):12,.0f}{median / reference:8.2f}"
        tally = Tally.of(measurements)
        if tally is not None:
            line += f"{tally.woken:10,}{tally.requeued:10,}"
        lines.append(line)
    return "\n".join(lines)


def legend() -> str:
    """Explain the columns of `table`."""
    return (
        f"items/s: median of the rounds; ratio: to {REFERENCE.name} in this run; woken: sleepers that a wake ended;\n"
        "requeued: sleepers that a broadcast moved to the mutex, whose releases then wake them one by one"
    )


def checks(results: Mapping[str, Sequence[Measurement]], load: Load) -> str:
    """State what was checked and held. For measurements without faults."""
    n_items = load.n_items * sum(len(measurements) for measurements in results.values())
    lines = [f"ok  every one of {n_items:,} items arrived exactly once, in its producer's order"]
    for name, measurements in results.items():
        tally = Tally.of(measurements)
        if tally is not None:
            lines.append(
                f"ok  {name}: {tally.woken:,} wakes = {tally.woken_waits:,} woken waits, nobody left asleep"
            )
    return "\n".join(lines)


def _median_rate(measurements: Sequence[Measurement], load: Load) -> float:
    return statistics.median(load.n_items / m.seconds for m in measurements)


def _gil() -> str:
    is_gil_enabled = getattr(sys, "_is_gil_enabled", None)
    return "GIL" if is_gil_enabled is None or is_gil_enabled() else "no GIL"
