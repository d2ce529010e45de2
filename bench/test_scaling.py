"""One to all cores, without the GIL: wall time over all threads together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from claims.scaling import LOOPS, thread_counts, threads_loop
from measure import ALLOWED_CPUS

if TYPE_CHECKING:
    from conftest import TimeLoop


@pytest.mark.parametrize("n_threads", thread_counts(len(ALLOWED_CPUS)))
@pytest.mark.parametrize("loop", LOOPS)
def test_scaling(loop: str, n_threads: int, time_loop: TimeLoop) -> None:
    """One loop on some of the cores."""
    same_word, prepares = LOOPS[loop]
    contender = threads_loop(n_threads, same_word=same_word, prepares=prepares)
    time_loop(f"scaling: {loop}", contender, 200_000, rounds=10)
