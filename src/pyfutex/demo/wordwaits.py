"""Ways for an event loop to wait for a thousand words at once."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, NamedTuple, Protocol

from pyfutex.aio import Words
from pyfutex.demo.wordboard import WordBoard
from pyfutex.demo.wordsetter import WordSetter
from pyfutex.kernel import Kernel

LOST_S: Final = 30.0
_POLL_S: Final = 0.001


class Wait(Protocol):
    """Wait until one word of a board has been set."""

    async def __call__(self, i: int) -> None:
        """Return then."""


class Way(NamedTuple):
    """A way to wait."""

    name: str
    threads: Callable[[int], int]
    opened: Callable[[WordBoard], AbstractAsyncContextManager[Wait]]


class Waits(NamedTuple):
    """What waiting for all words of a board once cost."""

    latencies_us: list[float]
    cpu_us: float  # for each of them, of this process


def _by_words(*, io_uring: bool) -> Callable[[WordBoard], AbstractAsyncContextManager[Wait]]:
    @asynccontextmanager
    async def opened(board: WordBoard) -> AsyncIterator[Wait]:
        with Words(io_uring=io_uring) as words:

            async def wait(i: int) -> None:
                while not board.is_set(i):
                    await words.wait(board.memory, board.address(i), 0)

            yield wait

    return opened


@asynccontextmanager
async def _by_threads(board: WordBoard) -> AsyncIterator[Wait]:
    kernel, loop = Kernel(), asyncio.get_running_loop()
    with ThreadPoolExecutor(board.n) as pool:

        async def wait(i: int) -> None:
            while not board.is_set(i):
                await loop.run_in_executor(pool, kernel.wait, board.memory, board.address(i), 0, LOST_S)

        yield wait


@asynccontextmanager
async def _by_polling(board: WordBoard) -> AsyncIterator[Wait]:
    waiting: dict[int, asyncio.Future[None]] = {}

    async def poll() -> None:
        while True:
            for i in [i for i in waiting if board.is_set(i)]:
                waiting.pop(i).set_result(None)
            await asyncio.sleep(_POLL_S)

    async def wait(i: int) -> None:
        waiting[i] = asyncio.get_running_loop().create_future()
        await waiting[i]

    poller = asyncio.create_task(poll())
    yield wait
    poller.cancel()


RING: Final = Way("awaited, io_uring", lambda n: 0, _by_words(io_uring=True))
WATCHERS: Final = Way("awaited, futex_waitv", lambda n: -(-n // 127), _by_words(io_uring=False))
THREADS: Final = Way("a thread a waiter", lambda n: n, _by_threads)
POLL: Final = Way("a poll each 1 ms", lambda n: 0, _by_polling)


async def measured(wait: Wait, board: WordBoard, setter: WordSetter, pause_us: int) -> Waits:
    """Wait for all words while another process sets them, one after the other.

    Raises
    ------
    TimeoutError
        A word was set, and its wait did not end.
    """
    latencies: list[float] = []

    async def one(i: int) -> None:
        await wait(i)
        latencies.append(board.age_us(i))

    board.clear()
    began = time.process_time_ns()
    async with asyncio.timeout(LOST_S), asyncio.TaskGroup() as group:
        for i in range(board.n):
            group.create_task(one(i))
        await asyncio.sleep(0)  # all of them wait now
        setter.set_all(pause_us)
    return Waits(latencies, (time.process_time_ns() - began) / 1000 / board.n)
