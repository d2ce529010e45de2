"""Bytes: of a waiter, of the table a waiter, of a Waiter object, of a thread that sleeps."""

from __future__ import annotations

import resource
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from measure import Plan, Row, free_threaded
from pyfutex_floor import engineloop

import pyfutex
from claims.calls import new_memory
from claims.crowd import PythonCrowd
from claims.wakeall import wait_until_asleep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GROUP = "sizes"
CROWD = 1_000_000
TABLE_BYTES_A_WAITER = 40
THREADS = 200
STATM = Path("/proc/self/statm")


def row(name: str, size: float, bound: float | None) -> Row:
    """A figure that has no spread."""
    return Row(group=GROUP, name=name, best=size, median=size, low=size, high=size, bound=bound, unit="B")


def native_waiter(_plan: Plan) -> Row:
    """The entry of the queue."""
    return row("C waiter", engineloop.WAITER_SIZE, 128)


def waiter_object(_plan: Plan) -> Row:
    """The same in Python."""
    return row("Waiter object", sys.getsizeof(pyfutex.Waiter()), None if free_threaded() else 192)


def table(plan: Plan) -> Row:
    """The table's part of a waiter, at a million distinct keys."""
    crowd = PythonCrowd(plan.size(CROWD))
    bound = None if plan.smoke else TABLE_BYTES_A_WAITER
    found = crowd.manager.stats()["table_bytes"] / crowd.size
    crowd.close()
    return row(f"table a waiter, {crowd.size:,} keys", found, bound)


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(STATM.read_text().split()[1]) * resource.getpagesize()


def thread_asleep(_plan: Plan) -> Row:
    """A thread of Python that sleeps on a futex word: what it keeps in memory, the kernel's part not counted."""
    word = pyfutex.Manager().futex(new_memory(), 0)

    def sleep() -> None:
        while word.load() == 0:
            word.wait(0)

    threads = [threading.Thread(target=sleep, daemon=True) for _ in range(THREADS)]
    before = resident()
    for thread in threads:
        thread.start()
    wait_until_asleep(threads)
    kept = resident() - before
    word.store(1)
    word.wake(pyfutex.ALL)
    for thread in threads:
        thread.join()
    return row("thread that sleeps, resident", kept / THREADS, None)


FIGURES: dict[str, Callable[[Plan], Row]] = {
    "C waiter": native_waiter,
    "Waiter object": waiter_object,
    "table": table,
    "thread": thread_asleep,
}


def measure(plan: Plan) -> Iterator[Row]:
    """Yield the sizes."""
    for figure in FIGURES.values():
        yield figure(plan)
