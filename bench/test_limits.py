"""The report of limits runs from end to end. No figure is judged here: that takes minutes and a quiet machine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import limits
from claims import contended, peers, pingpong, requeue, scaling, sharing, wakeall
from contenders import Kind

if TYPE_CHECKING:
    from pathlib import Path

# One subject of each module whose figures have no limit.
REPORTED = (
    contended.subject("threads", 2),
    peers.subject(Kind.WAKER, "wake"),
    pingpong.subject("processes", 1),
    requeue.subject_of_nobody(),
    scaling.subject("wake, same word"),
    wakeall.subject("the call"),
    *([sharing.subject("Futex.wake")] if sharing.COUNTS else []),
)


def test_smoke_report_has_every_subject(tmp_path: Path) -> None:
    """Each subject yields rows, and the JSON holds them all."""
    report = tmp_path / "limits.json"
    assert limits.main(["--smoke", "--json", str(report)]) == 0
    found = json.loads(report.read_text())
    groups = {row["group"] for row in found["limits"]}
    assert {
        limits.SUBJECTS[name].GROUP for name in ("calls", "loops", "kernel", "crowd", "growth", "sizes")
    } <= groups
    assert {subject.name for subject in REPORTED} <= groups
    assert all(row["best"] == row["best"] for row in found["limits"])
