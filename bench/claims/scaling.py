"""One to all cores: wall time an operation, without the GIL, over all threads together."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from measure import ALLOWED_CPUS, Contender, Plan, Row, pinned
from pyfutex_floor import engineloop
from subjects import Measurements, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOPS = {
    "wake, same word": (True, False),
    "wake, words apart": (False, False),
    "prepare + wake + complete, same word": (True, True),
    "prepare + wake + complete, words apart": (False, True),
}


def thread_counts(n_cores: int) -> list[int]:
    """1, 2, 4, ... and all cores."""
    counts = [1 << i for i in range(n_cores.bit_length()) if 1 << i < n_cores]
    return [*counts, n_cores]


def threads_loop(n_threads: int, *, same_word: bool, prepares: bool) -> Contender:
    """A contender: n operations, shared out to threads on a core each."""
    engine = engineloop.Engine()

    def contender(n: int) -> int:
        meeting = engineloop.Meeting(engine, n_threads)
        spans: list[tuple[int, int]] = []

        def take_part(party: int) -> None:
            with pinned(ALLOWED_CPUS[party]):
                spans.append(meeting.run(party, same_word, prepares, n // n_threads))

        threads = [threading.Thread(target=take_part, args=(i,), daemon=True) for i in range(n_threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return max(end for _, end in spans) - min(start for start, _ in spans)

    return contender


def subject(loop: str) -> Subject:
    """One of LOOPS, on more and more threads."""
    same_word, prepares = LOOPS[loop]
    counts = thread_counts(len(ALLOWED_CPUS))
    return Subject(
        name=f"scaling: {loop}",
        contenders=lambda: {str(n): threads_loop(n, same_word=same_word, prepares=prepares) for n in counts},
        base="1",
        calls=400_000,
        rounds=10,
    )


def measure(plan: Plan) -> Iterator[Row]:
    """Yield each loop on more and more threads against itself on one."""
    measurements = Measurements(plan)
    for loop in LOOPS:
        yield from measurements.of(subject(loop)).rows()
