"""Producers and consumers through one queue, once, with a clock."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from pyfutex.demo.bounded_queue import BoundedQueue, Closed
from pyfutex.demo.contenders import Contender
from pyfutex.demo.ledger import Ledger

STALL_LIMIT = 60.0
"""Seconds that one measurement may take before its threads count as hung."""


@dataclass(frozen=True)
class Load:
    """How much goes through a queue in one measurement, and by how many threads."""

    n_items: int
    n_producers: int
    n_consumers: int
    capacity: int


@dataclass(frozen=True)
class Measurement:
    """What one run of a `Load` took, and what is needed to judge it."""

    seconds: float
    received: list[list[int]]  # the items each consumer took, in order
    errors: list[str]  # one for each thread that failed or never ended
    ledger: Ledger | None


class _Crew:
    """The threads of one measurement."""

    def __init__(self, load: Load, queue: BoundedQueue[int]) -> None:
        self._load = load
        self._queue = queue
        # The threads and the one that reads the clock.
        self._start = threading.Barrier(load.n_producers + load.n_consumers + 1)
        self.received: list[list[int]] = [[] for _ in range(load.n_consumers)]
        self.errors: list[str] = []
        self.producers = [self._thread("producer", self._produce, i) for i in range(load.n_producers)]
        self.consumers = [self._thread("consumer", self._consume, i) for i in range(load.n_consumers)]

    def run(self) -> float:
        """Run every thread to its end; return the seconds from the common start to the last end."""
        for thread in self.producers + self.consumers:
            thread.start()
        self._start.wait()
        began = time.monotonic()
        if self._join(self.producers, began):
            self._queue.close()
            self._join(self.consumers, began)
        return time.monotonic() - began

    def _join(self, threads: list[threading.Thread], began: float) -> bool:
        for thread in threads:
            thread.join(max(0.0, began + STALL_LIMIT - time.monotonic()))
        stalled = [thread.name for thread in threads if thread.is_alive()]
        self.errors += [f"{name} has not ended after {STALL_LIMIT:.0f} s" for name in stalled]
        return not stalled

    def _thread(self, role: str, work: Callable[[int], None], index: int) -> threading.Thread:
        # Daemons, so that a queue that hangs can be reported rather than hang the program with it.
        return threading.Thread(target=self._guard, args=(work, index), name=f"{role} {index}", daemon=True)

    def _guard(self, work: Callable[[int], None], index: int) -> None:
        self._start.wait()
        try:
            work(index)
        except Exception as error:
            self.errors.append(f"{threading.current_thread().name} failed: {error!r}")
            self._queue.close()

    def _produce(self, index: int) -> None:
        put = self._queue.put
        try:
            for item in range(index, self._load.n_items, self._load.n_producers):
                put(item)
        except Closed:
            # Another thread failed and closed the queue; it has said why.
            pass

    def _consume(self, index: int) -> None:
        self.received[index].extend(self._queue)


def measure(contender: Contender, load: Load) -> Measurement:
    """Send the items of `load` through a fresh queue of `contender`."""
    entry = contender.build(load.capacity)
    crew = _Crew(load, entry.queue)
    seconds = crew.run()
    return Measurement(seconds, crew.received, crew.errors, entry.ledger)
