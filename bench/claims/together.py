"""Tasks of a loop that wait for shared primitives where io_uring is refused: how many threads that takes."""

from __future__ import annotations

import asyncio
import mmap
import time
from typing import TYPE_CHECKING, NamedTuple

from measure import Plan, Row

from pyfutex import Kernel, sync
from pyfutex.aio import Words, shared

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

GROUP = "awaited together"
TASKS = 10_000
STRIDE = 128  # bytes, enough for any of the primitives
TURNS_TO_WAIT = 3  # of the loop, for each task: those of a condition get its lock one after the other
IDLE_S = 2.0
THREADS_FOR_ONE = 1


def one_semaphore(memory: mmap.mmap, words: Words) -> Callable[[int], Coroutine[None, None, object]]:
    """Wait for a permit of one semaphore."""
    awaited = shared.Semaphore(sync.Semaphore.create(memory, value=0), words=words)
    return lambda _i: awaited.acquire()


def one_event(memory: mmap.mmap, words: Words) -> Callable[[int], Coroutine[None, None, object]]:
    """Wait for one event."""
    awaited = shared.Event(sync.Event.create(memory), words=words)
    return lambda _i: awaited.wait()


def one_condition(memory: mmap.mmap, words: Words) -> Callable[[int], Coroutine[None, None, object]]:
    """Wait for a notice of one condition."""
    awaited = shared.Condition(sync.Condition.create(memory), words=words)

    async def notified() -> None:
        async with awaited:
            await awaited.wait()

    return lambda _i: notified()


def an_event_each(memory: mmap.mmap, words: Words) -> Callable[[int], Coroutine[None, None, object]]:
    """Wait for an event of one's own."""
    return lambda i: shared.Event(sync.Event.create(memory, STRIDE * i), words=words).wait()


class Case(NamedTuple):
    """What the tasks wait for, and whether one wait in the kernel does for all."""

    name: str
    made: Callable[[mmap.mmap, Words], Callable[[int], Coroutine[None, None, object]]]
    is_one_wait: bool


CASES = (
    Case("one semaphore", one_semaphore, is_one_wait=True),
    Case("one event", one_event, is_one_wait=True),
    Case("one condition", one_condition, is_one_wait=False),
    Case("an event each", an_event_each, is_one_wait=False),
)


async def waited(case: Case, n: int, idle_s: float) -> tuple[int, float]:
    """How many threads wait for n tasks, and the share of a processor that this takes while nothing happens."""
    memory = mmap.mmap(-1, STRIDE * n)
    with Words(io_uring=False) as words:
        wait = case.made(memory, words)
        tasks = [asyncio.ensure_future(wait(i)) for i in range(n)]
        for _ in range(TURNS_TO_WAIT * n):
            await asyncio.sleep(0)
        assert words.waiting == (1 if case.is_one_wait else n)
        start = time.process_time()
        await asyncio.sleep(idle_s)
        share = (time.process_time() - start) / idle_s
        threads = words.threads
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return threads, share


def measure(plan: Plan) -> Iterator[Row]:
    """Yield the threads of each case, where futex_waitv is there."""
    if "waitv" not in Kernel.supported:
        return
    n = plan.size(TASKS)
    for case in CASES:
        threads, share = asyncio.run(waited(case, n, 0.01 if plan.smoke else IDLE_S))
        yield Row(
            group=GROUP,
            name=f"{n:,} tasks wait for {case.name}: threads",
            best=threads,
            median=threads,
            low=threads,
            high=threads,
            bound=THREADS_FOR_ONE if case.is_one_wait else None,
            note=f"{100 * share:.2f} % of a processor while nothing happens",
        )
