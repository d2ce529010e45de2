"""Awaits of a word in asyncio: arming one, waking it beside an eventfd in `add_reader`, processor time, memory."""

from __future__ import annotations

import asyncio
import os
import threading
import time
import tracemalloc
from typing import TYPE_CHECKING

from measure import Contender, Plan, Row, Series, interleave, ratio_row

import pyfutex
from claims.calls import new_memory
from pyfutex import aio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator

GROUP = "aio"
ARMING_NS = 3000
RESUME_RATIO = 1.5
PROCESSOR_RATIO = 0.5
WAITERS = 200
POLL_SECONDS = 0.0005
BYTES_A_TASK = 1024
TASKS = 10_000


def new_word() -> pyfutex.Futex:
    """A word that holds 0."""
    return pyfutex.Manager().futex(new_memory(), 0)


async def future() -> None:
    """The least that a task can wait for."""
    await asyncio.get_running_loop().create_future()


def arm(wait: Callable[[], Coroutine[object, None, object]]) -> Contender:
    """A contender: the first step of n coroutines, up to where each waits."""

    async def steps(n: int) -> int:
        waiting = []
        start = time.perf_counter_ns()
        for _ in range(n):
            coroutine = wait()
            coroutine.send(None)
            waiting.append(coroutine)
        elapsed = time.perf_counter_ns() - start
        for coroutine in waiting:
            coroutine.close()
        return elapsed

    return lambda n: asyncio.run(steps(n))


def arming(plan: Plan) -> Row:
    """Nanoseconds until a coroutine waits."""
    word = new_word()
    contenders = {"aio": arm(lambda: aio.wait(word, 0)), "future": arm(future)}
    times = interleave(contenders, plan.rounds(80), plan.size(1000))
    return nanoseconds("arming a wait", times["aio"], times["future"], ARMING_NS)


def nanoseconds(name: str, ours: Series, floor: Series, bound: float) -> Row:
    """A row of one series alone; the other is told beside it."""
    ordered = sorted(ours.per_op)
    return Row(
        group=GROUP,
        name=name,
        best=ours.minimum,
        median=ours.median,
        low=ordered[len(ordered) // 10],
        high=ordered[-1 - len(ordered) // 10],
        bound=bound,
        unit="ns",
        note=f"a coroutine that waits for a future: {floor.minimum:.0f} ns",
    )


class Bell:
    """An eventfd in `add_reader`, as one writes it by hand: its callback sets a future."""

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_NONBLOCK)
        self.future: asyncio.Future[None] | None = None
        asyncio.get_running_loop().add_reader(self.fd, self.read)

    def read(self) -> None:
        """Let who waits go on."""
        os.eventfd_read(self.fd)
        if self.future is not None and not self.future.done():
            self.future.set_result(None)

    async def wait(self) -> None:
        """Wait for a ring."""
        self.future = asyncio.get_running_loop().create_future()
        await self.future

    def ring(self) -> None:
        """From any thread."""
        os.eventfd_write(self.fd, 1)

    def close(self) -> None:
        """Of the loop no more."""
        asyncio.get_running_loop().remove_reader(self.fd)
        os.close(self.fd)


# What a task awaits, and what lets it go on.
Sides = tuple["Callable[[], Awaitable[object]]", "Callable[[], object]"]


async def resumed_in_the_loop(sides: Sides, n: int) -> int:
    """Nanoseconds of n waits, each ended by the next callback of the loop."""
    wait, wake = sides
    loop = asyncio.get_running_loop()
    start = time.perf_counter_ns()
    for _ in range(n):
        loop.call_soon(wake)
        await wait()
    return time.perf_counter_ns() - start


async def resumed_by_a_thread(sides: Sides, n: int) -> int:
    """The same by a thread, which is told when the task waits."""
    wait, wake = sides
    loop, waits = asyncio.get_running_loop(), os.eventfd(0, os.EFD_SEMAPHORE)

    def wake_all() -> None:
        for _ in range(n):
            os.eventfd_read(waits)
            wake()

    thread = threading.Thread(target=wake_all, daemon=True)
    thread.start()
    start = time.perf_counter_ns()
    for _ in range(n):
        loop.call_soon(os.eventfd_write, waits, 1)
        await wait()
    elapsed = time.perf_counter_ns() - start
    thread.join()
    os.close(waits)
    return elapsed


def resuming(plan: Plan) -> Iterator[Row]:
    """A wake and what follows, until the task goes on, against an eventfd."""
    word = new_word()

    def of_word(run: Callable[[Sides, int], Coroutine[object, object, int]]) -> Contender:
        return lambda n: asyncio.run(run((lambda: aio.wait(word, 0), word.wake), n))

    def of_bell(run: Callable[[Sides, int], Coroutine[object, object, int]]) -> Contender:
        async def whole(n: int) -> int:
            bell = Bell()
            elapsed = await run((bell.wait, bell.ring), n)
            bell.close()
            return elapsed

        return lambda n: asyncio.run(whole(n))

    for where, run in (("in one loop", resumed_in_the_loop), ("by a thread", resumed_by_a_thread)):
        times = interleave({"word": of_word(run), "bell": of_bell(run)}, plan.rounds(40), plan.size(1000))
        name = f"wake to resume, {where}: word / eventfd in add_reader"
        yield ratio_row(GROUP, name, times["word"], times["bell"], RESUME_RATIO)


class Crowd:
    """Waiters on a word each, whom a thread wakes again and again."""

    def __init__(self, size: int) -> None:
        self.manager = pyfutex.Manager()
        memory = new_memory(64 * size)
        self.words = [self.manager.futex(memory, 64 * i) for i in range(size)]

    def wake_all(self, n: int) -> int:
        """Wake everybody n times, when all wait again: nanoseconds of processor time, the waiters' included."""
        start = time.process_time_ns()
        for _ in range(n):
            for word in self.words:
                word.wake()
            self.await_all()
        return time.process_time_ns() - start

    def await_all(self) -> None:
        """Return when everybody waits."""
        while len(self.manager) < len(self.words):
            time.sleep(POLL_SECONDS)

    def end(self) -> None:
        """Let everybody go."""
        for word in self.words:
            word.store(1)
            word.wake()


def processor_of_tasks(size: int) -> Contender:
    """A contender: processor time of n rounds, in which tasks of one loop are woken."""

    async def one(word: pyfutex.Futex) -> None:
        while word.load() == 0:
            await aio.wait(word, 0)

    async def main(crowd: Crowd) -> None:
        await asyncio.gather(*map(one, crowd.words))

    def rounds(n: int) -> int:
        crowd = Crowd(size)
        loop = threading.Thread(target=lambda: asyncio.run(main(crowd)), daemon=True)
        return driven(crowd, [loop], n)

    return rounds


def processor_of_threads(size: int) -> Contender:
    """The same of threads, one a waiter."""

    def one(word: pyfutex.Futex) -> None:
        while word.load() == 0:
            word.wait(0)

    def rounds(n: int) -> int:
        crowd = Crowd(size)
        return driven(crowd, [threading.Thread(target=one, args=(w,), daemon=True) for w in crowd.words], n)

    return rounds


def driven(crowd: Crowd, threads: list[threading.Thread], n: int) -> int:
    """Nanoseconds of n rounds of a crowd that lives in some threads."""
    for thread in threads:
        thread.start()
    crowd.await_all()
    elapsed = crowd.wake_all(n)
    crowd.end()
    for thread in threads:
        thread.join()
    return elapsed


def processor(plan: Plan) -> Row:
    """Processor time of a wake and the wait after it, of tasks against threads."""
    size = plan.size(WAITERS)
    contenders = {"tasks": processor_of_tasks(size), "threads": processor_of_threads(size)}
    times = interleave(contenders, plan.rounds(10), plan.size(20))
    name = f"processor time a wait, {size} at once: tasks / a thread each"
    return ratio_row(GROUP, name, times["tasks"], times["threads"], PROCESSOR_RATIO)


def uncontended(make: Callable[[], aio.Lock | asyncio.Lock]) -> Contender:
    """A contender: a lock taken and let go, `async with`, nobody else there."""

    async def loop(n: int) -> int:
        lock = make()
        start = time.perf_counter_ns()
        for _ in range(n):
            async with lock:
                pass
        return time.perf_counter_ns() - start

    return lambda n: asyncio.run(loop(n))


def locking(plan: Plan) -> Row:
    """What it costs that threads may meet on a lock, too."""
    contenders = {"aio": uncontended(aio.Lock), "asyncio": uncontended(asyncio.Lock)}
    times = interleave(contenders, plan.rounds(20), plan.size(5000))
    return ratio_row(GROUP, "a free lock: aio.Lock / asyncio.Lock", times["aio"], times["asyncio"], None)


def bytes_of(n: int, wait: Callable[[], Coroutine[object, object, object]]) -> int:
    """Bytes that n waiting tasks take."""

    async def main() -> int:
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        tasks = [asyncio.ensure_future(wait()) for _ in range(n)]
        await asyncio.sleep(0)
        taken = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return taken

    return asyncio.run(main())


def size(plan: Plan) -> Row:
    """Bytes of a waiting task, those of one that waits for a future taken off, the buckets of its key included."""
    n = plan.size(TASKS)
    manager, memory = pyfutex.Manager(), new_memory(64 * n)
    words = [manager.futex(memory, 64 * i) for i in range(n)]
    left = iter(words)
    ours = bytes_of(n, lambda: aio.wait(next(left), 0))
    more = (ours - bytes_of(n, future) + manager.stats()["table_bytes"]) / n
    bound = None if plan.smoke else BYTES_A_TASK
    return Row(
        group=GROUP,
        name="a waiting task, more than asyncio's own",
        best=more,
        median=more,
        low=more,
        high=more,
        bound=bound,
        unit="B",
    )


def measure(plan: Plan) -> Iterator[Row]:
    """Yield arming, resuming, processor time and memory."""
    yield arming(plan)
    yield from resuming(plan)
    yield processor(plan)
    yield locking(plan)
    yield size(plan)
