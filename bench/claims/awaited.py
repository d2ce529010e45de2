"""Words awaited in an event loop: what a wait costs, beside a thread a waiter, an eventfd and a future."""

from __future__ import annotations

import asyncio
import mmap
import os
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from measure import ALLOWED_CPUS, Contender, Plan, Row, added_row, interleave, pinned, ratio_row

from pyfutex import Kernel, Memory
from pyfutex.aio import Words, why_no_ring
from pyfutex.demo.wordboard import WordBoard
from pyfutex.demo.wordsetter import WordSetter
from pyfutex.demo.wordwaits import RING, THREADS, WATCHERS, Way, measured

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator

GROUP = "awaited words"
WORDS = 1000
PAUSE_US = 200
KERNEL = Kernel()


def in_loop(loop: asyncio.AbstractEventLoop, turns: Callable[[int], Coroutine[None, None, int]]) -> Contender:
    """A contender of a coroutine that itself says what n turns took."""
    return lambda n: loop.run_until_complete(turns(n))


def ways() -> list[Way]:
    """Those to wait by that are here."""
    there = [] if why_no_ring() else [RING]
    return [*there, *([WATCHERS] if "waitv" in Kernel.supported else [])]


def cpu(plan: Plan) -> Iterator[Row]:
    """Processor time of a wait, where another process sets the words one after the other."""
    n = plan.size(WORDS)
    board = WordBoard.made(n)
    loop = asyncio.new_event_loop()
    stack = AsyncExitStack()

    async def contenders(setter: WordSetter) -> dict[str, Contender]:
        found = {}
        for way in [THREADS, *ways()]:
            wait = await stack.enter_async_context(way.opened(board))

            async def turn(_n: int, wait=wait) -> int:
                return int(1000 * (await measured(wait, board, setter, PAUSE_US)).cpu_us)

            found[way.name] = in_loop(loop, turn)
        return found

    try:
        with WordSetter(board) as setter:
            series = interleave(loop.run_until_complete(contenders(setter)), plan.rounds(7), 1)
    finally:
        loop.run_until_complete(stack.aclose())
        loop.close()
        board.close()
    for way in ways():
        yield ratio_row(
            GROUP,
            f"{n:,} words, processor time: {way.name} / {THREADS.name}",
            series[way.name],
            series[THREADS.name],
            0.5 if way is RING else None,
            note=f"{series[way.name].minimum / 1000:.0f} us against {series[THREADS.name].minimum / 1000:.0f} us",
        )


class Resumed:
    """How long it takes from a wake, or from a write to an eventfd, until a coroutine goes on that awaited it."""

    def __init__(self, words: Words) -> None:
        self.words = words
        self.memory = Memory(mmap.mmap(-1, mmap.PAGESIZE))
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.told: asyncio.Future[None] | None = None
        asyncio.get_running_loop().add_reader(self.fd, self.read)

    def read(self) -> None:
        """Tell who awaits the eventfd."""
        os.eventfd_read(self.fd)
        assert self.told is not None
        self.told.set_result(None)

    async def by_word(self) -> int:
        """When it goes on."""
        await self.words.wait(self.memory, 0, 0)
        return time.perf_counter_ns()

    async def by_eventfd(self) -> int:
        """When it goes on."""
        self.told = asyncio.get_running_loop().create_future()
        await self.told
        return time.perf_counter_ns()

    def wake(self) -> None:
        """Wake who awaits the word."""
        KERNEL.wake(self.memory, 0)

    def write(self) -> None:
        """Tell who awaits the eventfd."""
        os.eventfd_write(self.fd, 1)

    async def turns(
        self, n: int, wait: Callable[[], Coroutine[None, None, int]], tell: Callable[[], None]
    ) -> int:
        """Nanoseconds of n of them."""
        taken = 0
        for _ in range(n):
            task = asyncio.create_task(wait())
            await asyncio.sleep(0)
            start = time.perf_counter_ns()
            tell()
            taken += await task - start
        return taken

    def close(self) -> None:
        """Give back what it has."""
        asyncio.get_running_loop().remove_reader(self.fd)
        os.close(self.fd)


def resumed(plan: Plan) -> Iterator[Row]:
    """From a wake until the coroutine goes on, in one thread."""
    loop = asyncio.new_event_loop()

    async def made() -> Resumed:
        return Resumed(Words(io_uring=True))

    found = loop.run_until_complete(made())
    contenders = {
        "word": in_loop(loop, lambda n: found.turns(n, found.by_word, found.wake)),
        "eventfd": in_loop(loop, lambda n: found.turns(n, found.by_eventfd, found.write)),
    }
    series = interleave(contenders, plan.rounds(90), plan.size(1000))

    async def closed() -> None:
        found.words.close()
        found.close()

    loop.run_until_complete(closed())
    loop.close()
    yield ratio_row(
        GROUP,
        "wake to resume: io_uring / eventfd in add_reader",
        series["word"],
        series["eventfd"],
        1.5,
        note=f"{series['word'].minimum / 1000:.1f} us against {series['eventfd'].minimum / 1000:.1f} us",
    )


def armed(plan: Plan) -> Iterator[Row]:
    """Processor time that a task that awaits a word takes more than one that awaits a future, until both wait."""
    n_words = plan.size(WORDS)
    memory = Memory(mmap.mmap(-1, n_words * 4))
    loop = asyncio.new_event_loop()

    async def turns(n: int, wait: Callable[[int], Awaitable[object]]) -> int:
        taken = 0
        for _ in range(n):
            start = time.thread_time_ns()
            tasks = [asyncio.ensure_future(wait(4 * i)) for i in range(n_words)]
            await asyncio.sleep(0)
            taken += time.thread_time_ns() - start
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        return taken // n_words

    async def made() -> Words:
        return Words(io_uring=True)

    words = loop.run_until_complete(made())

    async def word(addr: int) -> object:
        return await words.wait(memory, addr, 0)

    async def future(_addr: int) -> object:
        return await loop.create_future()

    contenders = {
        "word": in_loop(loop, lambda n: turns(n, word)),
        "future": in_loop(loop, lambda n: turns(n, future)),
    }
    series = interleave(contenders, plan.rounds(60), 1)

    async def closed() -> None:
        words.close()

    loop.run_until_complete(closed())
    loop.close()
    yield added_row(
        GROUP, f"{n_words:,} words: arming a wait, more than a future", series["word"], series["future"], 3000
    )


def measure(plan: Plan) -> Iterator[Row]:
    """Yield the limits of awaited words; those of io_uring where it is allowed."""
    yield from cpu(plan)
    if why_no_ring() is None:
        with pinned(ALLOWED_CPUS[-1]):
            yield from resumed(plan)
            yield from armed(plan)
