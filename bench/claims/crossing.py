"""More and more threads on one word: how much they get done, how evenly, and how long one waits at most."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from measure import ALLOWED_CPUS, NS_PER_MS, Plan, Row, Series, percentile, pinned, ratio_row, undisturbed
from pyfutex_floor.crossing import Crossing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GROUP = "threads on one word"
COUNTS = (1, 2, 4, 8)
OURS, WORD_LOCK, MUTEX = "pyfutex", "word lock", "pthread mutex"
ROUND_MS = 100
NEIGHBOUR_MS = 30
# Who does what beside whom, each on a futex word of its own.
NEIGHBOURS = (
    ("wake nobody", OURS),
    (OURS, OURS),
    (OURS, "new mappable"),
    ("through a queue", "through a queue"),
)
# An operation of the seed on one word among sixteen threads, in nanoseconds of the wall clock.
SEED_NS = 787


@dataclass(frozen=True)
class Crossed:
    """What came of some threads in a round: wall nanoseconds an operation, shares, the longest wait."""

    ns_each: float
    least_share: float
    most_share: float
    longest_ms: float


def cross(what: str, n_threads: int, duration_ms: float) -> Crossed:
    """Let so many threads do it, several to a core where there are no more cores."""
    crossing = Crossing(n_threads)
    found: list[tuple[int, int, int]] = []

    def take_part(party: int) -> None:
        # Real-time threads of one priority would run to the end one after the other where there are more than cores.
        alone = n_threads <= len(ALLOWED_CPUS)
        with pinned(ALLOWED_CPUS[party % len(ALLOWED_CPUS)]), undisturbed() if alone else nullcontext():
            found.append(crossing.run(what, 0, int(duration_ms * NS_PER_MS)))

    together([lambda i=i: take_part(i) for i in range(n_threads)])
    done = [n for n, _, _ in found]
    return Crossed(
        ns_each=max(taken for _, taken, _ in found) / sum(done),
        least_share=min(done) / sum(done) * n_threads,
        most_share=max(done) / sum(done) * n_threads,
        longest_ms=max(longest for _, _, longest in found) / NS_PER_MS,
    )


def together(tasks: list[Callable[[], None]]) -> None:
    """Run each on a thread of its own."""
    threads = [threading.Thread(target=task, daemon=True) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def row(
    name: str, values: list[float], unit: str, bound: float | None = None, *, at_least: bool = False
) -> Row:
    """One figure of all rounds."""
    return Row(
        group=GROUP,
        name=name,
        best=max(values) if at_least else min(values),
        median=median(values),
        low=percentile(values, 0.1),
        high=percentile(values, 0.9),
        bound=bound,
        at_least=at_least,
        unit=unit,
    )


def with_neighbour(what: str, neighbour: str | None, duration_ms: float) -> float:
    """Nanoseconds of an operation while another core is busy with a word, a waiter and a queue of its own, or is not."""
    crossing = Crossing(1 if neighbour is None else 2)
    found: list[tuple[int, int, int]] = []

    def work() -> None:
        with pinned(ALLOWED_CPUS[-1]), undisturbed():
            found.append(crossing.run(what, 0, int(duration_ms * NS_PER_MS)))

    def disturb() -> None:
        with pinned(ALLOWED_CPUS[0]), undisturbed():
            crossing.run(neighbour, 1, int(duration_ms * NS_PER_MS))

    together([work] if neighbour is None else [work, disturb])
    n, taken, _ = found[0]
    return taken / n


def neighbours(plan: Plan, duration_ms: float) -> Iterator[Row]:
    """What a neighbour costs with whom one has nothing to do, but for what lies in the same cache line."""
    for what, neighbour in NEIGHBOURS:
        beside, alone = [], []
        for _round in range(plan.rounds(15)):
            beside.append(with_neighbour(what, neighbour, duration_ms))
            alone.append(with_neighbour(what, None, duration_ms))
        yield ratio_row(
            GROUP,
            f"{what}, beside {neighbour} / alone",
            Series(tuple(beside)),
            Series(tuple(alone)),
            1.15,
        )


def measure(plan: Plan) -> Iterator[Row]:
    """Yield throughput, shares and waits, ours beside two plain locks; then what a neighbour costs."""
    duration = ROUND_MS / 10 if plan.smoke else ROUND_MS
    for n_threads in COUNTS:
        crossed: dict[str, list[Crossed]] = {OURS: [], WORD_LOCK: [], MUTEX: []}
        for _round in range(plan.rounds(10)):
            for what, all_of_it in crossed.items():
                all_of_it.append(cross(what, n_threads, duration))
        among = f"{n_threads} threads" if n_threads > 1 else "1 thread"
        for what, all_of_it in crossed.items():
            name = f"{among}: {what}"
            bound = SEED_NS if what == OURS else None
            yield row(f"{name}, wall time each", [c.ns_each for c in all_of_it], "ns", bound)
            if n_threads > 1:
                least = row(
                    f"{name}, least share of a fair one",
                    [c.least_share for c in all_of_it],
                    "x",
                    at_least=True,
                )
                yield least
                yield row(f"{name}, largest share", [c.most_share for c in all_of_it], "x")
                yield row(f"{name}, longest wait", [c.longest_ms for c in all_of_it], "ms")
    if len(ALLOWED_CPUS) > 1:
        yield from neighbours(plan, duration / ROUND_MS * NEIGHBOUR_MS)
