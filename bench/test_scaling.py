"""One to all cores, without the GIL: wall time over all threads together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from claims.scaling import LOOPS, subject, thread_counts
from measure import ALLOWED_CPUS

if TYPE_CHECKING:
    from conftest import Report


@pytest.mark.parametrize("n_threads", thread_counts(len(ALLOWED_CPUS)))
@pytest.mark.parametrize("loop", LOOPS)
def test_scaling(loop: str, n_threads: int, report: Report) -> None:
    """One loop on some of the cores."""
    report(subject(loop), str(n_threads), contender="pyfutex", threads=n_threads)
