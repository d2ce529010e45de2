"""Unrelated waiters queued elsewhere: wakes that find nobody, the growth of the table, a pointer chase beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from claims.calls import WAKE
from claims.crowd import STRIDES, PythonCrowd
from measure import python_loop, timed
from pyfutex_floor import cloop, engineloop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import TimeLoop

pytestmark = pytest.mark.usefixtures("one_core")
CROWDS = (1, 100_000, 1_000_000)
SMOKE_CROWD = 1000


@pytest.fixture(scope="module", params=CROWDS, ids="{:,}".format)
def size(request: pytest.FixtureRequest, is_smoke: bool) -> int:
    """How many unrelated waiters are queued."""
    return min(request.param, SMOKE_CROWD) if is_smoke else request.param


@pytest.fixture(scope="module", params=STRIDES, ids="stride-{}".format)
def stride(request: pytest.FixtureRequest) -> int:
    """Bytes between their words."""
    return request.param


@pytest.fixture(scope="module", params=[False, True], ids=["private", "shared"])
def crowd(request: pytest.FixtureRequest, size: int, stride: int) -> engineloop.Crowd:
    """A settled crowd."""
    crowd = engineloop.Crowd(size, stride=stride, shared=request.param)
    crowd.fill()
    crowd.settle()
    return crowd


@pytest.fixture(scope="module")
def python_crowd(size: int) -> Iterator[PythonCrowd]:
    """A settled crowd of `Waiter` objects."""
    crowd = PythonCrowd(size)
    yield crowd
    crowd.close()


def test_one_word(crowd: engineloop.Crowd, time_loop: TimeLoop) -> None:
    """A wake that finds nobody, on one word again and again."""
    offset = crowd.probe_offset(0)
    time_loop("crowd: wake, one word", timed(lambda n: crowd.wake_words(offset, 1, n)), 10_000)


def test_random_words(crowd: engineloop.Crowd, time_loop: TimeLoop) -> None:
    """A wake that finds nobody, on words drawn at random."""
    seeds = iter(range(1, 1_000_000, 2))
    offset = crowd.probe_offset(0)

    def wake(n: int) -> None:
        crowd.wake_random(offset, crowd.stride, crowd.size, n, next(seeds))

    time_loop("crowd: wake, random words", timed(wake), 10_000)


def test_chase(size: int, time_loop: TimeLoop) -> None:
    """Dependent loads over as much memory as the crowd takes."""
    chase = cloop.Chase(size * (engineloop.WAITER_SIZE + 16))
    time_loop("crowd: wake, random words", timed(chase.run), 10_000)


def test_from_python(python_crowd: PythonCrowd, time_loop: TimeLoop) -> None:
    """`Manager.wake` on one word, nobody waiting there."""
    statement = WAKE.replace("64", "addr")
    loop = python_loop(statement, m=python_crowd.manager, mem=python_crowd.mem, addr=python_crowd.probe(0))
    time_loop("crowd: Manager.wake, one word", loop, 4000)


def test_fill(size: int, time_loop: TimeLoop) -> None:
    """Queueing a crowd in a table that starts small, one clock reading a waiter included."""

    def fill(_n: int) -> int:
        return engineloop.Crowd(size).fill()[2]

    time_loop(f"crowd: fill to {size:,}", fill, 1, rounds=5)
