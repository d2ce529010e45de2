"""Memory of a waiter: the entry of the queue, the object, the table's part, a thread that sleeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from claims.sizes import FIGURES
from subjects import Figure

if TYPE_CHECKING:
    from conftest import ReportSize
    from measure import Plan


@pytest.mark.parametrize("who", FIGURES)
def test_memory_of_a_waiter(who: str, plan: Plan, report_size: ReportSize) -> None:
    """Bytes."""
    report_size(Figure("memory of a waiter", who, FIGURES[who](plan)))
