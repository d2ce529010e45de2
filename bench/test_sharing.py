"""From Python on one to all cores: a Futex for all threads, or one each. Wall time of a thread's operations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from claims.sharing import ALONE, COUNTS, STATEMENTS, crowd_name, shares, subject

if TYPE_CHECKING:
    from conftest import Report


SHARED = [(operation, share) for operation in STATEMENTS for share in shares(operation)]


@pytest.mark.parametrize("operation", STATEMENTS)
def test_alone(operation: str, report: Report) -> None:
    """One thread, which the others are compared with."""
    report(subject(operation), ALONE, threads=1)


@pytest.mark.parametrize("n_threads", COUNTS)
@pytest.mark.parametrize(("operation", "share"), SHARED)
def test_together(operation: str, share: str, n_threads: int, report: Report) -> None:
    """Some threads, by what they have in common."""
    report(subject(operation), crowd_name(n_threads, share), threads=n_threads)
