"""A hundred thousand tasks that wait at once, and what one costs."""

import asyncio
import tracemalloc

from pyfutex import aio

MANY = 100_000
MEASURED = 2_000
BYTES_A_TASK = 1024


def test_a_hundred_thousand_tasks_wait_at_once_and_each_goes_on(word, queued):
    async def one():
        nonlocal gone_on
        await aio.wait(word, 0)
        gone_on += 1

    async def main():
        tasks = [asyncio.ensure_future(one()) for _ in range(MANY)]
        await queued(MANY)
        assert gone_on == 0
        assert word.wake(MANY // 2) == MANY // 2
        await asyncio.wait(tasks[: MANY // 2])
        assert gone_on == MANY // 2
        assert word.wake(MANY) == MANY // 2
        await asyncio.wait(tasks[MANY // 2 :])
        return gone_on

    gone_on = 0
    assert asyncio.run(main()) == MANY


def memory_of(waits, has_begun):
    """Bytes that tasks take which wait, each in a coroutine of ``waits()``."""

    async def main():
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        tasks = [asyncio.ensure_future(waits()) for _ in range(MEASURED)]
        while not has_begun():
            await asyncio.sleep(0)
        taken = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return taken

    return asyncio.run(main())


def test_a_task_that_waits_takes_little_more_than_one_that_waits_for_a_future(word, manager):
    async def for_a_future():
        nonlocal begun
        begun += 1
        await asyncio.get_running_loop().create_future()

    begun = 0
    of_asyncio = memory_of(for_a_future, lambda: begun == MEASURED)
    ours = memory_of(lambda: aio.wait(word, 0), lambda: len(manager) == MEASURED)
    buckets = manager.stats()["table_bytes"]
    assert (ours - of_asyncio + buckets) / MEASURED < BYTES_A_TASK
