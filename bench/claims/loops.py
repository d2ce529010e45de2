"""Without the GIL: the engine's loops against minimal C loops and the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from measure import ALLOWED_CPUS, Contender, Plan, Row, Series, interleave, pinned, ratio_row, timed
from pyfutex_floor import cloop, engineloop

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP = "engine, no GIL"
WORDS = (1, 64)
HERD = 1000
OFFSET = 0x10000

# Bounds in nanoseconds were set where the minimal C loop takes this long. A figure is scaled by it.
MINIMAL_LOOP_NS = 2.1
SEED_WAKE_NS = 19
# What a full fence takes tells the processors on which the kernel call must be 50 times as slow from those with 10.
QUICK_FENCE_NS = 6


def scaled(group: str, name: str, ours: Series, minimal: Series, bound: float | None, note: str = "") -> Row:
    """Nanoseconds, as they would be where the minimal C loop of the same rounds takes MINIMAL_LOOP_NS."""
    return ratio_row(group, name, ours, minimal, bound, scale=MINIMAL_LOOP_NS, unit="ns", note=note)


def wake_contenders() -> dict[str, Contender]:
    """A wake that finds nobody, on one word and on 64 in turn; the kernel's; a fence."""
    engine = engineloop.Engine()
    found: dict[str, Contender] = {}
    for words in WORDS:
        found[f"pyfutex-{words}"] = timed(lambda n, words=words: engine.wake_words(OFFSET, words, n))
        found[f"minimal-{words}"] = timed(cloop.MinimalWake(words).run)
    found["fence"] = timed(cloop.fence)
    found["kernel"] = timed(lambda n: cloop.kernel("wake", n))
    return found


def prepare_contenders() -> dict[str, Contender]:
    """Queueing a waiter, and taking it out with and without a wake."""
    engine = engineloop.Engine()
    if engine.prepare_wake_complete(OFFSET, 3) != 3 or engine.prepare_complete(OFFSET, 3) != 0:
        raise AssertionError("a queued waiter was not woken, or woken by nobody")
    return {
        "prepare-wake-complete": timed(lambda n: engine.prepare_wake_complete(OFFSET, n)),
        "prepare-complete": timed(lambda n: engine.prepare_complete(OFFSET, n)),
        "minimal": timed(cloop.MinimalWake(1).run),
    }


def requeue_contenders() -> dict[str, Contender]:
    """Requeueing a thousand waiters that lie side by side, counted by the waiter."""
    found: dict[str, Contender] = {"minimal": timed(cloop.MinimalWake(1).run)}
    for name, across, shared in (
        ("private", False, False),
        ("shared", False, True),
        ("private-shared", True, False),
    ):
        herd = engineloop.Herd(HERD, across=across, shared=shared)
        if herd.requeue(1) != HERD:
            raise AssertionError("a requeue did not move the whole herd")
        found[name] = timed(herd.requeue)
    return found


def measure(plan: Plan) -> Iterator[Row]:
    """Yield wake, prepare and requeue against the minimal C loop and the system call."""
    with pinned(ALLOWED_CPUS[-1]):
        many = plan.size(50_000)
        contenders = wake_contenders()
        calls = dict.fromkeys(contenders, many) | {"kernel": plan.size(1000)}
        wake = interleave(contenders, plan.rounds(150), calls)
        for words in WORDS:
            ours, minimal = wake[f"pyfutex-{words}"], wake[f"minimal-{words}"]
            where = f"{words} word" + "s" * (words > 1)
            yield ratio_row(GROUP, f"wake, {where} / minimal C loop", ours, minimal, 1.7)
            yield scaled(
                GROUP, f"wake, {where}: a quarter of {SEED_WAKE_NS} ns", ours, minimal, SEED_WAKE_NS / 4
            )
        fence = wake["fence"].minimum
        times = 50 if fence < QUICK_FENCE_NS else 10
        note = f"a fence costs {fence:.1f} ns"
        yield ratio_row(
            GROUP,
            "kernel call / wake, 1 word",
            wake["kernel"],
            wake["pyfutex-1"],
            times,
            at_least=True,
            note=note,
        )
        prepare = interleave(prepare_contenders(), plan.rounds(150), plan.size(10_000))
        minimal = prepare["minimal"]
        yield scaled(GROUP, "prepare + wake + complete", prepare["prepare-wake-complete"], minimal, 25)
        yield scaled(GROUP, "prepare + complete", prepare["prepare-complete"], minimal, None)
        moved = max(HERD, plan.size(20 * HERD))
        requeue = interleave(requeue_contenders(), plan.rounds(100), moved)
        for name in ("private", "shared", "private-shared"):
            yield scaled(GROUP, f"requeue, each of {HERD:,}, {name}", requeue[name], requeue["minimal"], 6)
