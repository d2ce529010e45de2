"""Several threads, or processes, that want one lock: wall time an acquisition over all of them together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from claims.contended import COUNTS, subject
from contenders import Kind, names

if TYPE_CHECKING:
    from conftest import Report


@pytest.mark.parametrize("who", names(Kind.LOCK, "threads"))
@pytest.mark.parametrize("n_threads", COUNTS["threads"])
def test_threads(n_threads: int, who: str, report: Report) -> None:
    """One lock among threads."""
    report(subject("threads", n_threads), who, subject="lock, contended by threads", threads=n_threads)


@pytest.mark.parametrize("who", names(Kind.LOCK, "processes"))
@pytest.mark.parametrize("n_processes", COUNTS["processes"])
def test_processes(n_processes: int, who: str, report: Report) -> None:
    """One lock among processes."""
    measured = subject("processes", n_processes)
    report(measured, who, subject="lock, contended by processes", threads=n_processes)
