"""Threads that call a Futex from Python, whose word has no waiters: one object for all, one each, a word each."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from measure import (
    ALLOWED_CPUS,
    Contender,
    Plan,
    Row,
    free_threaded,
    pinned,
    python_loop,
    ratio_row,
    undisturbed,
)
from pyfutex_floor import floor
from subjects import Measurements, Subject

import pyfutex
from claims.calls import new_memory
from claims.crossing import together
from claims.scaling import thread_counts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ONE_OBJECT, OBJECT_EACH, WORD_EACH = "one object", "an object each", "an object and a word each"
ALONE = "1 thread"
COUNTS = thread_counts(len(ALLOWED_CPUS))[1:]
EMPTY = "empty method"
STATEMENTS = {
    "Futex.wake": "f.wake()",
    "Futex.load": "f.load()",
    "Futex.wait, mismatch": "f.wait(1)",
    EMPTY: "f.wake()",
}
# Between the words of threads that share none: cache lines are fetched in pairs.
STRIDE = 128


def shares(operation: str) -> tuple[str, ...]:
    """What threads can have in common; an empty method looks at no word."""
    return (ONE_OBJECT, OBJECT_EACH) if operation == EMPTY else (ONE_OBJECT, OBJECT_EACH, WORD_EACH)


def makers(operation: str, share: str, n_threads: int) -> Sequence[Callable[[], Any]]:
    """How each thread comes by what it calls. One that a thread has to itself it makes itself."""
    manager, memory = pyfutex.Manager(), new_memory()
    stride = STRIDE if share == WORD_EACH else 0

    def make(party: int) -> Any:
        return floor.Futex() if operation == EMPTY else manager.futex(memory, stride * party)

    if share == ONE_OBJECT:
        shared = make(0)
        return [lambda: shared] * n_threads
    return [partial(make, party) for party in range(n_threads)]


def threads_loop(operation: str, share: str, n_threads: int) -> Contender:
    """A contender: n operations by each of the threads, on a core each; wall time from the first to the last."""
    makes = makers(operation, share, n_threads)

    def contender(n: int) -> int:
        everybody = threading.Barrier(n_threads)
        spans: list[tuple[int, int]] = []

        def take_part(party: int) -> None:
            loop = python_loop(STATEMENTS[operation], f=makes[party]())
            with pinned(ALLOWED_CPUS[party]), undisturbed():
                everybody.wait()
                start = time.perf_counter_ns()
                loop(n)
                spans.append((start, time.perf_counter_ns()))

        together([partial(take_part, party) for party in range(n_threads)])
        return max(end for _, end in spans) - min(start for start, _ in spans)

    return contender


def crowd_name(n_threads: int, share: str) -> str:
    """The contender of so many threads."""
    return f"{n_threads} threads, {share}"


def contenders(operation: str) -> dict[str, Contender]:
    """One thread, then more and more by what they have in common."""
    found = {ALONE: threads_loop(operation, OBJECT_EACH, 1)}
    for n_threads in COUNTS:
        for share in shares(operation):
            found[crowd_name(n_threads, share)] = threads_loop(operation, share, n_threads)
    return found


def subject(operation: str) -> Subject:
    """One of STATEMENTS, by one thread and by more; a figure is of one thread's operations."""
    return Subject(
        name=f"sharing from Python: {operation}",
        contenders=partial(contenders, operation),
        base=ALONE,
        calls=400_000,
        rounds=15,
        round_ms=200,
    )


def measure(plan: Plan) -> Iterator[Row]:
    """Yield what each core gets done, in terms of what one thread does on an idle machine."""
    measurements = Measurements(plan)
    interpreter = "no GIL" if free_threaded() else "with the GIL"
    for operation in STATEMENTS:
        measured = measurements.of(subject(operation))
        alone = measured.series[ALONE]
        for who, taken in measured.series.items():
            if who != ALONE:
                note = f"{interpreter}; {taken.minimum:.1f} ns against {alone.minimum:.1f} ns"
                name = f"{who}: rate per core"
                yield ratio_row(measured.subject.name, name, alone, taken, None, at_least=True, note=note)
