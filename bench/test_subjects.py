"""Contenders take turns, slow ones make fewer operations, absent ones say why. Nothing is timed here."""

from __future__ import annotations

import pytest
from contenders import REGISTRY, Kind, why_absent
from libraries import LIBRARIES, Library
from measure import NS_PER_MS, Plan
from subjects import Measurements, Subject


class Clerk:
    """Contenders that note who was called, and take a given time for an operation."""

    def __init__(self, **ns_each: int) -> None:
        self.calls: list[tuple[str, int]] = []
        self.contenders = {who: self.contender(who, ns) for who, ns in ns_each.items()}

    def contender(self, who: str, ns: int):
        """One that answers `ns` an operation."""

        def contender(n: int) -> int:
            self.calls.append((who, n))
            return n * ns

        return contender


def test_contenders_take_turns() -> None:
    """Each round begins with another one."""
    clerk = Clerk(a=1, b=1, c=1)
    Subject("turns", lambda: clerk.contenders, "a", 10, rounds=3).measure(Plan())
    assert [who for who, _ in clerk.calls[-9:]] == list("abcbcacab")


def test_slow_contender_makes_fewer_operations() -> None:
    """A round ends within its time."""
    clerk = Clerk(quick=1, slow=NS_PER_MS)
    measured = Subject("fit", lambda: clerk.contenders, "quick", 1000, round_ms=40).measure(Plan())
    assert measured.calls == {"quick": 1000, "slow": 40}
    assert measured.ratio("slow").best == NS_PER_MS


def test_subject_is_measured_once() -> None:
    """Whoever of its contenders is asked for."""
    clerk = Clerk(a=1)
    measurements = Measurements(Plan(smoke=True))
    subject = Subject("once", lambda: clerk.contenders, "a", 10)
    first = measurements.of(subject)
    n_calls = len(clerk.calls)
    assert measurements.of(subject) is first
    assert len(clerk.calls) == n_calls


@pytest.mark.parametrize(
    ("needs", "reason"),
    [("", "no-such is not installed"), ("Python 9", "no-such is not installed; it needs Python 9")],
)
def test_absent_library_says_why(needs: str, reason: str) -> None:
    """What is not here has a reason, what Python brings has none."""
    assert Library("no_such_module", "no-such", needs).absence == reason
    assert LIBRARIES["python"].absence is None


def test_every_kind_has_ours_and_theirs() -> None:
    """And a name belongs to one library, whatever it is compared as."""
    for kind, entries in REGISTRY.items():
        assert {entry.library for entry in entries.values()} > {"pyfutex"}, kind
    assert why_absent("threading.Lock") is None
    assert REGISTRY[Kind.LOCK]["threading.Lock"].make().it.acquire()
