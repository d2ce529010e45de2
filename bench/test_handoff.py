"""Two threads, or two processes, that wake each other in turn, and one that wakes sixty."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from claims import fanout, pingpong, wakeall
from contenders import Kind, names
from measure import ALLOWED_CPUS, pinned
from subjects import Subject

if TYPE_CHECKING:
    from conftest import Report

TWO_CORES = pytest.mark.skipif(len(ALLOWED_CPUS) < 2, reason="needs two cores")
CORES = [1, pytest.param(2, marks=TWO_CORES)]


@pytest.mark.parametrize("who", pingpong.everybody("threads"))
@pytest.mark.parametrize("cores", CORES)
def test_round_trip(cores: int, who: str, report: Report) -> None:
    """There and back between two threads."""
    report(pingpong.subject("threads", cores), who)


@pytest.mark.parametrize("who", pingpong.everybody("processes"))
@pytest.mark.parametrize("cores", CORES)
def test_round_trip_of_processes(cores: int, who: str, report: Report) -> None:
    """There and back between two processes."""
    report(pingpong.subject("processes", cores), who)


@TWO_CORES
@pytest.mark.parametrize("who", ["pyfutex", "pyfutex-learned", "threading.Lock"])
@pytest.mark.parametrize("burst", fanout.BURSTS)
def test_sixty_consumers(burst: int, who: str, report: Report) -> None:
    """The producer's sixty wakes; the consumers then compute."""
    subject = Subject(
        name=f"sixty wakes, burst of {burst:,}",
        contenders=partial(fanout.contenders, burst),
        base="pyfutex",
        calls=1,
        rounds=10,
    )
    with pinned(*ALLOWED_CPUS[-2:]):
        report(subject, who)


@TWO_CORES
@pytest.mark.parametrize("who", names(Kind.EVENT))
@pytest.mark.parametrize("figure", wakeall.FIGURES)
def test_event_of_sixty(figure: str, who: str, report: Report) -> None:
    """One event that sixty threads sleep on is set."""
    with pinned(*ALLOWED_CPUS[-2:]):
        report(wakeall.subject(figure), who)
