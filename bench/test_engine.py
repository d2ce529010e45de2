"""Without the GIL: the engine's operations beside minimal C loops and the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from claims.loops import HERD, prepare_contenders, requeue_contenders, wake_contenders

if TYPE_CHECKING:
    from conftest import TimeLoop

pytestmark = pytest.mark.usefixtures("one_core")


@pytest.mark.parametrize("who", ["pyfutex-1", "pyfutex-64", "minimal-1", "minimal-64", "fence", "kernel"])
def test_wake(who: str, time_loop: TimeLoop) -> None:
    """A wake that finds nobody, on one word and on 64 in turn."""
    time_loop("engine: wake, nobody waiting", wake_contenders()[who], 10_000)


@pytest.mark.parametrize("who", ["prepare-wake-complete", "prepare-complete", "minimal"])
def test_prepare(who: str, time_loop: TimeLoop) -> None:
    """Queueing a waiter and taking it out."""
    time_loop("engine: prepare and complete", prepare_contenders()[who], 10_000)


@pytest.mark.parametrize("who", ["private", "shared", "private-shared"])
def test_requeue(who: str, time_loop: TimeLoop) -> None:
    """Requeueing, counted by the waiter."""
    time_loop("engine: requeue of a thousand", requeue_contenders()[who], 20 * HERD)
