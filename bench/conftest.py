"""What the benchmark suites share: the clock, the cores, and figures that were taken in turns."""

from __future__ import annotations

import faulthandler
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from contenders import origin, why_absent  # noqa: E402  (needs the path above)
from dashboard.provenance import *  # noqa: E402, F403  (hooks of pytest-benchmark)
from libraries import LIBRARIES  # noqa: E402
from measure import ALLOWED_CPUS, Plan, ReplayedTime, pinned  # noqa: E402
from subjects import Measurements  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_benchmark.fixture import BenchmarkFixture
    from subjects import Figure, Measured, Subject

CLOCK = ReplayedTime()
WATCHDOG_SECONDS = 300
MEASUREMENTS = pytest.StashKey[Measurements]()
TITLE = "who took turns, and how many times the base of the subject each takes"
COLUMNS = "  {who:<28} {best:>12} {median:>12}   {ratio:>9} {paired:>9} {spread:>19}"


class Report(Protocol):
    """Reports a contender's rounds to pytest-benchmark; the first call for a subject measures everybody.

    What else is named goes into `extra_info`: `threads`, and what a curve over them calls its subject and contender.
    """

    def __call__(self, subject: Subject, who: str, /, **labels: object) -> None: ...


class ReportSize(Protocol):
    """Reports a figure that has no spread."""

    def __call__(self, figure: Figure) -> None: ...


def pytest_configure(config: pytest.Config) -> None:
    """Begin with nothing measured."""
    smoke = bool(config.getoption("benchmark_disable", default=False))
    config.stash[MEASUREMENTS] = Measurements(Plan(smoke=smoke))


def pytest_report_header() -> list[str]:
    """Name the libraries that are compared, and those that are not."""
    absences = [library.absence for library in LIBRARIES.values() if library.absence]
    here = [str(library) for library in LIBRARIES.values() if not library.absence]
    return [f"contenders: {', '.join(here)}", *(f"no contender: {reason}" for reason in absences)]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every benchmark of this folder the clock."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.benchmark(timer=CLOCK, disable_gc=True))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show each subject's contenders beside its base."""
    measurements = config.stash[MEASUREMENTS]
    if measurements.plan.smoke or not measurements.found:
        return
    terminalreporter.section(TITLE)
    heads = {"who": "", "best": "min", "median": "median", "ratio": "/ base", "paired": "median"}
    terminalreporter.line(COLUMNS.format(**heads, spread="80 % of rounds"))
    for measured in measurements.found.values():
        terminalreporter.line(measured.subject.name)
        for line in summary(measured):
            terminalreporter.line(line)


def summary(measured: Measured) -> Iterator[str]:
    """A line for each contender of a subject."""
    for who, taken in measured.series.items():
        figures = {"ratio": "base", "paired": "", "spread": ""}
        if who != measured.subject.base:
            ratio = measured.ratio(who)
            figures["ratio"], figures["paired"] = f"{ratio.best:.2f}x", f"{ratio.median:.2f}x"
            figures["spread"] = f"{ratio.low:.2f} .. {ratio.high:.2f}"
        best, median = f"{taken.minimum:,.1f} ns", f"{taken.median:,.1f} ns"
        yield COLUMNS.format(who=who, best=best, median=median, **figures).rstrip()


@pytest.fixture(autouse=True)
def watchdog() -> Iterator[None]:
    """Dump all stacks and end the process if a benchmark hangs."""
    faulthandler.dump_traceback_later(WATCHDOG_SECONDS, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def one_core() -> Iterator[None]:
    """Keep the benchmark on one core."""
    with pinned(ALLOWED_CPUS[-1]):
        yield


@pytest.fixture(scope="session")
def measurements(pytestconfig: pytest.Config) -> Measurements:
    """What the session has measured."""
    return pytestconfig.stash[MEASUREMENTS]


@pytest.fixture(scope="session")
def plan(measurements: Measurements) -> Plan:
    """How much is measured: with --benchmark-disable, things only have to run."""
    return measurements.plan


@pytest.fixture
def report(benchmark: BenchmarkFixture, measurements: Measurements) -> Report:
    """A function that reports a contender of a subject, all of whose contenders took turns.

    The table shows rounds; `extra_info` has the figures of one operation, and how many times the base's they are.
    """

    def run(subject: Subject, who: str, /, **labels: object) -> None:
        reason = why_absent(who)
        if reason is not None:
            pytest.skip(reason)
        measured = measurements.of(subject)
        if who not in measured.series:
            pytest.skip(f"{who} cannot do this")
        taken, operations = measured.series[who], measured.calls[who]
        ratio = measured.ratio(who)
        benchmark.group = f"{subject.name} (x {operations:,})" if operations > 1 else subject.name
        figures = {
            "subject": subject.name,
            "contender": who,
            "library": origin(who),
            "unit": "ns",
            "direction": "lower",
            "operations": operations,
            "ns_min": taken.minimum,
            "ns_median": taken.median,
            "base": subject.base,
            "ratio_min": ratio.best,
            "ratio_median": ratio.median,
            "ratio_low": ratio.low,
            "ratio_high": ratio.high,
        }
        benchmark.extra_info.update(figures | labels)
        rounds = iter(taken.per_op)
        benchmark.pedantic(lambda: CLOCK.pass_by(next(rounds) * operations), rounds=len(taken.per_op))

    return run


@pytest.fixture
def report_size(benchmark: BenchmarkFixture) -> ReportSize:
    """A function that reports a row without a spread; the table shows its figure as so many nanoseconds."""

    def run(figure: Figure) -> None:
        row = figure.row
        benchmark.group = f"{figure.subject} ({row.unit})"
        benchmark.extra_info.update(
            subject=figure.subject,
            contender=figure.who,
            unit=row.unit,
            direction="higher" if row.at_least else "lower",
            operations=1,
            ns_min=row.best,
            ns_median=row.median,
        )
        benchmark.pedantic(CLOCK.pass_by, args=(row.best,))

    return run
