"""The interface without the GIL, as a C consumer calls it: callbacks, queues, vectors, targets of functions, crowds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from measure import (
    ALLOWED_CPUS,
    Contender,
    Plan,
    Row,
    Series,
    added_row,
    interleave,
    pinned,
    ratio_row,
    timed,
    undisturbed,
)
from pyfutex_floor import cloop, nativeloop

from claims.loops import MINIMAL_LOOP_NS, scaled

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP = "interface without the GIL"
VECTORS = (2, 8, 64)
CROWD = 1_000_000
AHEAD = 8  # words
TABLE_BYTES = 32  # a waiter, with those of the levels before
# Where a dependent cache miss takes this long the bounds on crowds hold. A figure is scaled by a pointer chase.
MISS_NS = 180
NS_PER_SECOND_PER_MILLION = 1000


def delivery_contenders() -> dict[str, Contender]:
    """Waking a waiter that is polled, called back, or put into a queue; popping it from there."""
    consumer = nativeloop.Consumer()
    found: dict[str, Contender] = {
        "minimal": timed(cloop.MinimalWake(1).run),
        "polled": lambda n: consumer.woken(nativeloop.POLLED, n),
        "called": lambda n: consumer.woken(nativeloop.CALLED, n),
        "pushed": lambda n: consumer.woken(nativeloop.PUSHED, n),
        "popped": consumer.popped,
    }
    found["called"](1)
    if consumer.calls != nativeloop.BATCH_SIZE:
        raise AssertionError("not every waiter was called back")
    return found


def target_contenders() -> dict[str, Contender]:
    """The same operations on words of the host and on words behind C functions."""
    found: dict[str, Contender] = {"minimal": timed(cloop.MinimalWake(1).run)}
    for where, through_functions in (("host", False), ("functions", True)):
        consumer = nativeloop.Consumer(through_functions=through_functions)
        found |= {
            f"wake-{where}": timed(consumer.wake_nobody),
            f"refused-{where}": timed(consumer.wait_refused),
            f"prepare-wake-{where}": timed(consumer.prepare_wake),
            f"prepare-cancel-{where}": timed(consumer.prepare_cancel),
        }
    return found


def vector_contenders() -> dict[str, Contender]:
    """Waiting on many words at once, counted by the word."""
    consumer = nativeloop.Consumer()

    def waits(n_words: int) -> Contender:
        return timed(lambda n: consumer.waitv(n_words, max(1, n // n_words)))

    return {"1": timed(consumer.prepare_wake)} | {str(n): waits(n) for n in VECTORS}


def crowd_series(plan: Plan, *, scattered: bool) -> dict[str, Series]:
    """A crowd queued and woken word by word, by wakev, and on one word; nanoseconds a waiter of each; and a chase."""
    crowd = nativeloop.NativeCrowd(plan.size(CROWD), scattered=scattered)
    chase = timed(cloop.Chase(crowd.size * (nativeloop.WAITER_SIZE + TABLE_BYTES)).run)
    found: dict[str, list[float]] = {}

    def note(name: str, taken: int) -> None:
        found.setdefault(name, []).append(taken / crowd.size)

    for _round in range(plan.rounds(12)):
        queued = crowd.queued(False)
        woken = crowd.woken()
        again = crowd.queued(False)
        by_wakev = crowd.woken_by_wakev()
        ahead = crowd.queued(False, AHEAD)
        woken_ahead = crowd.woken(AHEAD)
        ahead_again = crowd.queued(False, AHEAD)
        wakev_again = crowd.woken_by_wakev()
        on_one = crowd.queued(True)
        at_once = crowd.woken_at_once()
        note("queued", min(queued, again))
        note("woken", woken)
        note("wakev", by_wakev)
        note("one by one", queued + woken)
        note("batch", again + by_wakev)
        note("ahead, one by one", ahead + woken_ahead)
        note("ahead, batch", ahead_again + wakev_again)
        note("one word", on_one + at_once)
        found.setdefault("chase", []).append(chase(plan.size(20_000)) / plan.size(20_000))
    return {name: Series(tuple(values)) for name, values in found.items()}


def millions(name: str, ours: Series, chase: Series, bound: float | None) -> Row:
    """Millions a second, as they would be where a step of the chase takes MISS_NS."""
    note = f"{ours.minimum:.0f} ns each, a chase step {chase.minimum:.0f} ns"
    return ratio_row(
        GROUP,
        name,
        chase,
        ours,
        bound,
        scale=NS_PER_SECOND_PER_MILLION / MISS_NS,
        at_least=True,
        unit="M/s",
        note=note,
    )


def crowds(plan: Plan) -> Iterator[Row]:
    """A million waiters on a word each, side by side or scattered, and on one word."""
    for scattered in (False, True):
        taken = crowd_series(plan, scattered=scattered)
        where = "scattered" if scattered else "side by side"
        chase = taken["chase"]
        yield millions(f"waiters {where}: wake, one by one", taken["woken"], chase, 3.0)
        yield millions(f"waiters {where}: wake, by wakev", taken["wakev"], chase, 5.0)
        yield millions(
            f"waiters {where}: prepare + wake, nothing sent for ahead", taken["one by one"], chase, None
        )
        yield millions(
            f"waiters {where}: prepare + wakev, nothing sent for ahead", taken["batch"], chase, None
        )
        yield millions(f"waiters {where}: prepare + wake, one by one", taken["ahead, one by one"], chase, 3.0)
        yield millions(f"waiters {where}: prepare + wakev", taken["ahead, batch"], chase, 5.0)
        yield ratio_row(GROUP, f"waiters {where}: wake / wakev", taken["woken"], taken["wakev"], None)
        if not scattered:
            yield millions("all on one word: prepare + wake", taken["one word"], chase, 25.0)


def measure(plan: Plan) -> Iterator[Row]:
    """Yield deliveries, targets, vectors and crowds."""
    with pinned(ALLOWED_CPUS[-1]), undisturbed():
        many = plan.size(20_000)
        taken = interleave(delivery_contenders(), plan.rounds(100), many)
        minimal = taken["minimal"]
        yield scaled(GROUP, "wake to callback", taken["called"], minimal, 30)
        scale = MINIMAL_LOOP_NS / minimal.minimum
        yield added_row(
            GROUP, "push to a queue: more than polled", taken["pushed"], taken["polled"], 10, scale=scale
        )
        yield scaled(GROUP, "pop from a queue", taken["popped"], minimal, None)

        taken = interleave(target_contenders(), plan.rounds(100), many)
        minimal = taken["minimal"]
        yield scaled(GROUP, "wait, refused", taken["refused-host"], minimal, None)
        yield scaled(GROUP, "wake, nobody waiting", taken["wake-host"], minimal, None)
        yield scaled(GROUP, "prepare + wake + result", taken["prepare-wake-host"], minimal, None)
        for name in ("wake", "refused", "prepare-wake", "prepare-cancel"):
            yield ratio_row(
                GROUP, f"{name}: functions / host", taken[f"{name}-functions"], taken[f"{name}-host"], None
            )

        taken = interleave(vector_contenders(), plan.rounds(50), many)
        for n_words in VECTORS:
            yield ratio_row(
                GROUP, f"waitv of {n_words}, a word / wait", taken[str(n_words)], taken["1"], None
            )
        yield from crowds(plan)
