"""Unrelated waiters queued elsewhere: wakes that find nobody, the growth of the table, a pointer chase beside them."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING

import pytest
from claims.calls import WAKE
from claims.crowd import STRIDES, PythonCrowd
from measure import Contender, Plan, python_loop, timed
from pyfutex_floor import cloop, engineloop
from subjects import Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Report

    Crowds = Callable[[str, int], dict[str, engineloop.Crowd]]

pytestmark = pytest.mark.usefixtures("one_core")
CROWDS = {f"{size:,}": size for size in (0, 1, 10_000, 100_000, 1_000_000)}
CALLS = 10_000
SMOKE_CROWD = 1000
FILL_MS = 60_000  # a crowd is filled whole, however long that takes
BY_SIZE = pytest.mark.parametrize("size", CROWDS)
EVERY_CROWD = pytest.mark.parametrize(
    ("kind", "size", "stride"),
    [
        pytest.param(kind, size, stride, id=f"{kind}-{size}-stride-{stride}")
        for kind, stride in product(("private", "shared"), STRIDES)
        for size in CROWDS
    ],
)


def sizes(plan: Plan) -> dict[str, int]:
    """How many waiters there are, by what their crowd is called."""
    return {name: min(size, SMOKE_CROWD) if plan.smoke else size for name, size in CROWDS.items()}


@pytest.fixture(scope="module")
def crowds(plan: Plan) -> Crowds:
    """Settled crowds of all sizes, for a kind of key and a stride; those asked for last are kept."""

    @lru_cache(maxsize=1)
    def settled(kind: str, stride: int) -> dict[str, engineloop.Crowd]:
        found = {}
        for name, size in sizes(plan).items():
            found[name] = engineloop.Crowd(size, stride=stride, shared=kind == "shared")
            found[name].fill()
            found[name].settle()
        return found

    return settled


@pytest.fixture(scope="module")
def chases(plan: Plan) -> dict[str, cloop.Chase]:
    """Dependent loads over as much memory as a crowd of that size takes."""
    return {name: cloop.Chase(size * (engineloop.WAITER_SIZE + 16)) for name, size in sizes(plan).items()}


@EVERY_CROWD
def test_one_word(crowds: Crowds, kind: str, size: str, stride: int, report: Report) -> None:
    """A wake that finds nobody, on one word again and again."""

    def contenders() -> dict[str, Contender]:
        return {
            name: timed(lambda n, crowd=crowd: crowd.wake_words(crowd.probe_offset(0), 1, n))
            for name, crowd in crowds(kind, stride).items()
        }

    report(Subject(f"crowd, {kind}, stride {stride}: wake, one word", contenders, "0", CALLS), size)


@EVERY_CROWD
def test_random_words(
    crowds: Crowds, chases: dict[str, cloop.Chase], kind: str, size: str, stride: int, report: Report
) -> None:
    """A wake that finds nobody, on words drawn at random, in steps of a pointer chase."""
    crowd, seeds = crowds(kind, stride)[size], iter(range(1, 1_000_000, 2))
    offset, n_words = crowd.probe_offset(0), max(1, crowd.size)
    contenders = {
        "random words": timed(lambda n: crowd.wake_random(offset, stride, n_words, n, next(seeds))),
        "chase": timed(chases[size].run),
    }
    name = f"crowd of {size}, {kind}, stride {stride}: wake, random words"
    report(Subject(name, lambda: contenders, "chase", CALLS), "random words")


@BY_SIZE
def test_chase(chases: dict[str, cloop.Chase], size: str, report: Report) -> None:
    """A pointer chase over as much memory as crowds take."""
    contenders = {name: timed(chase.run) for name, chase in chases.items()}
    report(Subject("crowd: chase step", lambda: contenders, "0", CALLS), size)


@BY_SIZE
def test_from_python(plan: Plan, size: str, report: Report) -> None:
    """`Manager.wake` on one word, nobody waiting there."""

    @contextmanager
    def contenders() -> Iterator[dict[str, Contender]]:
        statement, found = WAKE.replace("64", "addr"), {}
        with ExitStack() as closing:
            for name, n in sizes(plan).items():
                crowd = PythonCrowd(n)
                closing.callback(crowd.close)
                found[name] = python_loop(statement, m=crowd.manager, mem=crowd.mem, addr=crowd.probe(0))
            yield found

    report(Subject("crowd: Manager.wake, one word", contenders, "0", 4000), size)


@pytest.mark.parametrize("size", [size for size in CROWDS if size != "0"])
def test_fill(plan: Plan, size: str, report: Report) -> None:
    """Queueing a crowd in a table that starts small, by the waiter, one clock reading included."""
    contenders = {"engine": lambda n: engineloop.Crowd(n).fill()[2]}
    calls = sizes(plan)[size]
    fill = Subject(f"crowd: fill to {size}", lambda: contenders, "engine", calls, 5, round_ms=FILL_MS)
    report(fill, "engine")
