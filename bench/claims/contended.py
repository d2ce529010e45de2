"""Several threads, or processes, that want one lock: wall time an acquisition. Figures without a bound."""

from __future__ import annotations

import mmap
import os
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING

from contenders import Kind, available
from subjects import Measurements, Subject

from claims.forked import child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from contenders import Lock
    from measure import Contender, Plan, Row

CALLS = 100_000  # several turns of the interpreter's switch interval
CALLS_OF_PROCESSES = 400_000  # several turns of the scheduler's
ROUNDS = 15
SPAN = struct.Struct("qq")
COUNT = struct.Struct("q")


def elapsed(spans: list[tuple[int, int]]) -> int:
    """From the start of the first to the end of the last."""
    return max(end for _, end in spans) - min(start for start, _ in spans)


def successor(value: int) -> int:
    """The number after it. A call, where the interpreter lets another thread run."""
    return value + 1


def increments(lock: Lock, counter: memoryview, n: int) -> tuple[int, int]:
    """Count up `n` times, each under the lock. Returns when that began and ended."""
    acquire, release = lock.methods
    start = time.perf_counter_ns()
    for _ in repeat(None, n):
        acquire()
        counter[0] = successor(counter[0])
        release()
    return start, time.perf_counter_ns()


def unguarded(n: int) -> int:
    """A contender: one thread that counts up without a lock."""
    counter = memoryview(bytearray(COUNT.size)).cast("q")
    start = time.perf_counter_ns()
    for _ in repeat(None, n):
        counter[0] = successor(counter[0])
    return time.perf_counter_ns() - start


def check(counter: memoryview, n: int) -> None:
    """AssertionError: the lock did not exclude."""
    if counter[0] != n:
        raise AssertionError(f"{counter[0]} increments were kept of {n}")


def among_threads(make: Callable[[], Lock], n_threads: int) -> Contender:
    """A contender: n acquisitions, shared out to threads."""

    def contender(n: int) -> int:
        lock, counter = make(), memoryview(bytearray(COUNT.size)).cast("q")
        each = -(-n // n_threads)
        line = threading.Barrier(n_threads)

        def take_part(_party: int) -> tuple[int, int]:
            line.wait()
            return increments(lock, counter, each)

        with ThreadPoolExecutor(n_threads) as threads:
            spans = list(threads.map(take_part, range(n_threads)))
        check(counter, each * n_threads)
        return elapsed(spans) * n // (each * n_threads)

    return contender


def among_processes(make: Callable[[], Lock], n_processes: int) -> Contender:
    """A contender: n acquisitions, shared out to children of this process."""

    def contender(n: int) -> int:
        lock, counter = make(), memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("q")
        each = -(-n // n_processes)
        ready, start, spans = os.pipe(), os.pipe(), os.pipe()

        def take_part() -> None:
            os.write(ready[1], b"r")
            os.read(start[0], 1)
            os.write(spans[1], SPAN.pack(*increments(lock, counter, each)))

        with ExitStack() as children:
            for _ in range(n_processes):
                children.enter_context(child(take_part))
            for _ in range(n_processes):
                os.read(ready[0], 1)
            os.write(start[1], b"s" * n_processes)
        found = os.read(spans[0], SPAN.size * n_processes)
        for end in (*ready, *start, *spans):
            os.close(end)
        check(counter, each * n_processes)
        return elapsed(list(SPAN.iter_unpack(found))) * n // (each * n_processes)

    return contender


AMONG = {"threads": among_threads, "processes": among_processes}
BASES = {"threads": "sync.Lock", "processes": "sync.Lock-shared"}
COUNTS = {"threads": (1, 2, 4, 8), "processes": (1, 2, 4, 8)}


def contenders(whom: str, n: int) -> dict[str, Contender]:
    """Everybody's lock among n threads or processes."""
    return {name: AMONG[whom](make, n) for name, make in available(Kind.LOCK, whom).items()}


def subject(whom: str, n: int) -> Subject:
    """One lock among n "threads" or "processes"."""
    return Subject(
        name=f"lock, contended by {n} {whom}",
        contenders=partial(contenders, whom, n),
        base=BASES[whom],
        calls=CALLS,
        rounds=ROUNDS,
    )


def measure(plan: Plan) -> Iterator[Row]:
    """Yield everybody's lock against ours."""
    measurements = Measurements(plan)
    for whom, counts in COUNTS.items():
        for n in counts:
            yield from measurements.of(subject(whom, n)).rows()
