"""Bytes: of a waiter, of the table a waiter, of a Waiter object."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from measure import Plan, Row, free_threaded
from pyfutex_floor import engineloop

import pyfutex
from claims.crowd import PythonCrowd

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP = "sizes"
CROWD = 1_000_000
TABLE_BYTES_A_WAITER = 40


def row(name: str, size: float, bound: float | None) -> Row:
    """A figure that has no spread."""
    return Row(group=GROUP, name=name, best=size, median=size, low=size, high=size, bound=bound, unit="B")


def measure(plan: Plan) -> Iterator[Row]:
    """Yield the sizes, the table's at a million distinct keys."""
    yield row("C waiter", engineloop.WAITER_SIZE, 128)
    yield row("Waiter object", sys.getsizeof(pyfutex.Waiter()), None if free_threaded() else 192)
    crowd = PythonCrowd(plan.size(CROWD))
    bound = None if plan.smoke else TABLE_BYTES_A_WAITER
    yield row(
        f"table a waiter, {crowd.size:,} keys", crowd.manager.stats()["table_bytes"] / crowd.size, bound
    )
    crowd.close()
