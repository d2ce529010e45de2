"""Requeueing nobody, one and a thousand; and a condition that lets everybody go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from claims.requeue import HERDS, subject_of_broadcast, subject_of_herd, subject_of_nobody
from contenders import Kind, names
from measure import ALLOWED_CPUS, pinned

if TYPE_CHECKING:
    from conftest import Report


@pytest.mark.usefixtures("one_core")
@pytest.mark.parametrize("who", ["pyfutex.Manager", "pyfutex.Kernel", "empty", "engine", "c-kernel"])
def test_requeue_nobody(who: str, report: Report) -> None:
    """Nobody waits."""
    report(subject_of_nobody(), who)


@pytest.mark.usefixtures("one_core")
@pytest.mark.parametrize("who", ["pyfutex.Manager", "engine", "c-kernel"])
@pytest.mark.parametrize("size", HERDS)
def test_requeue_herd(size: int, who: str, report: Report) -> None:
    """All waiters of a word, there and back, counted by the waiter."""
    report(subject_of_herd(size), who)


@pytest.mark.parametrize("who", names(Kind.CONDITION))
def test_notify_all(who: str, report: Report) -> None:
    """Everybody waits for one condition, is told, and takes its lock."""
    with pinned(*ALLOWED_CPUS[-2:]):
        report(subject_of_broadcast(), who)
