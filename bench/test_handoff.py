"""Two threads that wake each other in turn, and one that wakes sixty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from claims import fanout, handoff
from measure import ALLOWED_CPUS, pinned

if TYPE_CHECKING:
    from conftest import TimeLoop

TWO_CORES = pytest.mark.skipif(len(ALLOWED_CPUS) < 2, reason="needs two cores")


@pytest.mark.parametrize("who", ["wake_wait", "wake", "threading.Lock", "c-futex"])
@pytest.mark.parametrize("cores", [1, pytest.param(2, marks=TWO_CORES)])
def test_round_trip(cores: int, who: str, time_loop: TimeLoop) -> None:
    """There and back."""
    contenders = handoff.contenders((ALLOWED_CPUS[-1], ALLOWED_CPUS[-cores]))
    time_loop(f"round trip, {cores} core(s)", contenders[who], 500, rounds=20)


@TWO_CORES
@pytest.mark.parametrize("who", ["pyfutex", "pyfutex-learned", "threading.Lock"])
@pytest.mark.parametrize("burst", fanout.BURSTS)
def test_sixty_consumers(burst: int, who: str, time_loop: TimeLoop) -> None:
    """The producer's sixty wakes; the consumers then compute."""
    with pinned(*ALLOWED_CPUS[-2:]):
        time_loop(f"sixty wakes, burst of {burst:,}", fanout.contenders(burst)[who], 1, rounds=10)
