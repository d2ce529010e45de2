"""How hashes spread families of addresses over buckets, and what they cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from claims.hashes import FAMILIES, cost, of_family, of_strides
from pyfutex_floor.hashes import HASHES

if TYPE_CHECKING:
    from conftest import Report, ReportSize
    from measure import Plan
    from subjects import Figure


def pick(figures: list[Figure], what: str) -> Figure:
    """The figure whose subject ends so."""
    (found,) = (figure for figure in figures if figure.subject.endswith(what))
    return found


@pytest.mark.parametrize("who", HASHES)
@pytest.mark.parametrize("what", ["fullest bucket", "met by a search"])
@pytest.mark.parametrize("family", FAMILIES)
def test_spread(family: str, what: str, who: str, plan: Plan, report_size: ReportSize) -> None:
    """Ten thousand addresses of one family."""
    report_size(pick(list(of_family(family, who, plan)), what))


@pytest.mark.parametrize("who", HASHES)
@pytest.mark.parametrize("what", ["fullest bucket", "met by a search, worst", "over twice the even"])
def test_strides(what: str, who: str, plan: Plan, report_size: ReportSize) -> None:
    """Ten thousand addresses of every stride."""
    report_size(pick(list(of_strides(who, plan)), what))


@pytest.mark.usefixtures("one_core")
@pytest.mark.parametrize("who", HASHES)
def test_cost(who: str, report: Report) -> None:
    """Hashing one address."""
    report(cost(), who)
