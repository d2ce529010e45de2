"""The interface without the GIL, as a C consumer calls it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from claims.native import VECTORS, delivery_contenders, target_contenders, vector_contenders
from subjects import Subject

if TYPE_CHECKING:
    from conftest import Report

pytestmark = pytest.mark.usefixtures("one_core")
CALLS = 20_000
OPERATIONS = ("wake", "refused", "prepare-wake", "prepare-cancel")


@pytest.mark.parametrize("who", ["minimal", "polled", "called", "pushed", "popped"])
def test_delivery(who: str, report: Report) -> None:
    """Waking a waiter that is polled, called back or put into a queue, each on a word of its own."""
    report(Subject("native: delivery", delivery_contenders, "polled", CALLS), who)


@pytest.mark.parametrize("where", ["host", "functions"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_target(operation: str, where: str, report: Report) -> None:
    """Words of the host, and words behind C functions."""
    report(Subject("native: targets", target_contenders, "wake-host", CALLS), f"{operation}-{where}")


@pytest.mark.parametrize("n_words", ["1", *map(str, VECTORS)])
def test_vector(n_words: str, report: Report) -> None:
    """Waiting on many words at once, counted by the word."""
    report(Subject("native: vectors", vector_contenders, "1", CALLS), n_words)
