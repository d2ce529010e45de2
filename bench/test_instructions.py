"""Instructions instead of time: short fixed loops under callgrind, the same count in every run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from dashboard.callgrind import VALGRIND, count_instructions
from dashboard.countedloops import LOOPS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dashboard.countedloops import CountedLoop
    from pytest_benchmark.fixture import BenchmarkFixture

pytestmark = pytest.mark.skipif(
    VALGRIND is None, reason="instructions are counted by valgrind, which is not installed"
)
ROUNDS = 3


class InstructionClock:
    """A clock for pytest-benchmark that goes on by a second an instruction."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def count(self, counts: Iterator[float]) -> None:
        """Go on by the next of the counts."""
        self.now = next(counts)


CLOCK = InstructionClock()


@pytest.fixture(scope="module")
def counts(pytestconfig: pytest.Config) -> list[dict[CountedLoop, float]]:
    """What each of the processes counted; --benchmark-disable asks whether it still runs, for which one will do."""
    return [count_instructions() for _ in range(1 if pytestconfig.getoption("benchmark_disable") else ROUNDS)]


# The clock of this function comes before that of the folder.
@pytest.mark.benchmark(timer=CLOCK)
@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: f"{loop.subject}-{loop.contender}")
def test_instructions(
    benchmark: BenchmarkFixture, loop: CountedLoop, counts: list[dict[CountedLoop, float]]
) -> None:
    """One operation."""
    benchmark.group = f"instructions: {loop.subject}"
    benchmark.extra_info.update(
        operations=1, unit="instructions", direction="lower", subject=loop.subject, contender=loop.contender
    )

    def from_zero() -> tuple[tuple[Iterator[float]], dict[str, object]]:
        CLOCK.now = 0.0
        return (rounds,), {}

    rounds = iter([count[loop] for count in counts])
    benchmark.pedantic(CLOCK.count, setup=from_zero, rounds=len(counts), iterations=1)
