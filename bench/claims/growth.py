"""How long an operation waits while the table grows to a million waiters."""

from __future__ import annotations

import statistics
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from measure import ALLOWED_CPUS, NS_PER_MS, Plan, Row, pinned, undisturbed
from pyfutex_floor import cloop, engineloop

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP = "growth to 1,000,000"
CROWD = 1_000_000
NS_PER_SECOND = 1_000_000_000
BOUND_MS = 2.0


class Pause(NamedTuple):
    """The longest operation of a thread in nanoseconds: as on an idle core, and by the wall clock (see stopwatch.h)."""

    longest: int
    by_wall_clock: int


def watched_fill(size: int, *, shared: bool, prepares: bool) -> dict[str, Pause]:
    """Fill on one core while another watches; then let a loop that only reads the clock run for as long.

    Parameters
    ----------
    size : int
        How many waiters.
    shared : bool
        Whether their keys are those of a mappable.
    prepares : bool
        Whether the watcher queues, wakes and completes a waiter, or merely wakes nobody.
    """
    crowd = engineloop.Crowd(size, shared=shared)
    pauses: dict[str, Pause] = {}
    ready = threading.Event()

    def watch() -> None:
        with pinned(ALLOWED_CPUS[-2]), undisturbed():
            ready.set()
            longest, by_wall_clock, _ = crowd.watch_fill(prepares)
            pauses["watch"] = Pause(longest, by_wall_clock)

    watcher = threading.Thread(target=watch, daemon=True) if len(ALLOWED_CPUS) > 1 else None
    with pinned(ALLOWED_CPUS[-1]):
        if watcher is not None:
            watcher.start()
            ready.wait()
        with undisturbed():
            longest, by_wall_clock, total = crowd.fill(watchers=int(watcher is not None))
        pauses["fill"] = Pause(longest, by_wall_clock)
        if watcher is not None:
            watcher.join()
        # The kernel holds up a thread of real-time priority that leaves a core too little time for others.
        time.sleep(total / NS_PER_SECOND)
        with undisturbed():
            pauses["idle"] = Pause(*cloop.longest_gap(total))
        time.sleep(total / NS_PER_SECOND)
    return pauses


def row(name: str, pauses: list[Pause], idle: list[Pause]) -> Row:
    """The longest operation of the quietest fill, of the median one, of all."""
    in_ms = sorted(pause.longest / NS_PER_MS for pause in pauses)
    wall = max(pause.by_wall_clock for pause in pauses) / NS_PER_MS
    held_up = max(pause.by_wall_clock for pause in idle) / NS_PER_MS
    return Row(
        group=GROUP,
        name=name,
        best=in_ms[0],
        median=statistics.median(in_ms),
        low=in_ms[0],
        high=in_ms[-1],
        bound=BOUND_MS,
        unit="ms",
        note=f"by the wall clock up to {wall:.1f} ms, a loop that does nothing {held_up:.1f} ms",
    )


def measure(plan: Plan) -> Iterator[Row]:
    """Yield the longest operation of the thread that fills, and of one that watches from another core."""
    for shared in (False, True):
        kind = "shared" if shared else "private"
        filled: list[Pause] = []
        idle: list[Pause] = []
        for prepares, watched in ((False, "wake nobody"), (True, "prepare + wake + complete")):
            fills = [
                watched_fill(plan.size(CROWD), shared=shared, prepares=prepares)
                for _ in range(plan.rounds(5))
            ]
            filled += [pauses["fill"] for pauses in fills]
            idle += [pauses["idle"] for pauses in fills]
            seen = [pauses["watch"] for pauses in fills if "watch" in pauses]
            if seen:
                yield row(f"{kind}: longest {watched}, other core", seen, idle)
        yield row(f"{kind}: longest prepare, filling core", filled, idle)
