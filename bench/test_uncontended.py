"""Nobody blocks: locks, semaphores, events, cells and wakes, ours and theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from claims.peers import OPERATIONS, subject
from contenders import Kind, names

if TYPE_CHECKING:
    from conftest import Report

pytestmark = pytest.mark.usefixtures("one_core")
CASES = [
    pytest.param(kind, operation, who, id=f"{kind.value}-{operation}-{who}")
    for kind, operations in OPERATIONS.items()
    for operation in operations
    for who in names(kind)
]


@pytest.mark.parametrize(("kind", "operation", "who"), CASES)
def test_uncontended(kind: Kind, operation: str, who: str, report: Report) -> None:
    """One operation of one object."""
    report(subject(kind, operation), who)
