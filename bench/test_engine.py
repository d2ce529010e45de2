"""Without the GIL: the engine's operations beside minimal C loops, the C library and the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from claims.loops import HERD, prepare_contenders, requeue_contenders, wake_contenders
from measure import Contender, timed
from pyfutex_floor import cloop
from subjects import Subject

if TYPE_CHECKING:
    from conftest import Report

pytestmark = pytest.mark.usefixtures("one_core")
CALLS = 10_000


def pthreads(*operations: str) -> dict[str, Contender]:
    """What the C library does where nobody waits."""
    return {f"pthread-{name}": timed(lambda n, name=name: cloop.pthreads(name, n)) for name in operations}


@pytest.mark.parametrize(
    "who",
    ["pyfutex-1", "pyfutex-64", "minimal-1", "minimal-64", "fence", "kernel", "pthread-signal"],
)
def test_wake(who: str, report: Report) -> None:
    """A wake that finds nobody, on one word and on 64 in turn."""
    wakes = "engine: wake, nobody waiting"
    report(Subject(wakes, lambda: wake_contenders() | pthreads("signal"), "pyfutex-1", CALLS), who)


@pytest.mark.parametrize(
    "who", ["prepare-wake-complete", "prepare-complete", "minimal", "pthread-semaphore", "pthread-mutex"]
)
def test_prepare(who: str, report: Report) -> None:
    """Queueing a waiter and taking it out; a semaphore posted and waited for; a mutex locked and unlocked."""
    prepares = "engine: prepare and complete"
    all_of_them = lambda: prepare_contenders() | pthreads("semaphore", "mutex")  # noqa: E731
    report(Subject(prepares, all_of_them, "prepare-wake-complete", CALLS), who)


@pytest.mark.parametrize("who", ["private", "shared", "private-shared"])
def test_requeue(who: str, report: Report) -> None:
    """Requeueing, counted by the waiter."""
    report(Subject("engine: requeue of a thousand", requeue_contenders, "private", 20 * HERD), who)
