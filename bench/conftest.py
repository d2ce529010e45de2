"""What the benchmark suites share: the clock, the cores, the size of a crowd."""

from __future__ import annotations

import faulthandler
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from dashboard.provenance import *  # noqa: E402, F403  (hooks of pytest-benchmark)
from measure import ALLOWED_CPUS, MeasuredTime, pinned  # noqa: E402  (needs the path above)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from measure import Contender
    from pytest_benchmark.fixture import BenchmarkFixture

CLOCK = MeasuredTime()
WATCHDOG_SECONDS = 300


class TimeLoop(Protocol):
    """Times a contender: `operations` of it a round."""

    def __call__(self, group: str, contender: Contender, operations: int, rounds: int = 50) -> None: ...


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every benchmark of this folder the clock."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.benchmark(timer=CLOCK, disable_gc=True))


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
def is_smoke(pytestconfig: pytest.Config) -> bool:
    """Whether benchmarks only have to run (--benchmark-disable)."""
    return bool(pytestconfig.getoption("benchmark_disable"))


@pytest.fixture
def time_loop(benchmark: BenchmarkFixture, is_smoke: bool) -> TimeLoop:
    """A function that times a contender.

    The report shows a round; the figures of one operation stand in `extra_info`, as `ns_min` and `ns_median`.
    """

    def run(group: str, contender: Contender, operations: int, rounds: int = 50) -> None:
        n = min(operations, 200) if is_smoke else operations
        benchmark.group = f"{group} (x {operations:,})" if operations > 1 else group
        benchmark.extra_info["operations"] = operations
        benchmark.pedantic(CLOCK.run, args=(contender, n), rounds=rounds, warmup_rounds=2, iterations=1)
        if benchmark.stats is not None:
            figures = benchmark.stats.stats
            benchmark.extra_info["ns_min"] = figures.min / operations * 1e9
            benchmark.extra_info["ns_median"] = figures.median / operations * 1e9

    return run
