"""Several words, awaited at once."""

import asyncio

import pytest
from awaitedwords.awaiting import started, until

from pyfutex import InvalidArgument, Kernel, WaitItem, WaitResult

KERNEL = Kernel()


async def all_wait(coroutine, words, n):
    """Its task, once all its words are waited for."""
    task = asyncio.create_task(coroutine)
    await until(lambda: words.waiting == n)
    return task


def test_the_one_that_is_woken_is_named(run, memory):
    async def body(words):
        task = await all_wait(words.waitv([(memory, 4 * i, 0) for i in range(200)]), words, 200)
        await until(lambda: KERNEL.wake(memory, 4 * 150))
        assert await task == 150
        await until(lambda: words.waiting == 0)

    run(body)


def test_another_value_is_said(run, memory):
    async def body(words):
        memory.store(4, 1)
        assert await words.waitv([(memory, 0, 0), WaitItem(memory, 4, 0), (memory, 8, 0, None)]) == -2
        await until(lambda: words.waiting == 0)

    run(body)


def test_it_is_given_up(run, memory):
    async def body(words):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await words.waitv([(memory, 0, 0), (memory, 4, 0)])
        await until(lambda: words.waiting == 0)
        assert KERNEL.wake(memory, 0) == KERNEL.wake(memory, 4) == 0

    run(body)


def test_the_wake_of_another_is_passed_on(run, exact, memory):
    async def body(words):
        task = await all_wait(words.waitv([(memory, 0, 0), (memory, 4, 0)]), words, 2)
        (other,) = await started([words.wait(memory, 4, 0)], words)
        assert KERNEL.wake(memory, 0) == KERNEL.wake(memory, 4) == 1
        assert await task == 0
        assert await other is WaitResult.WOKEN

    run(body)


def test_bad_words_leave_nothing_behind(run, memory):
    async def body(words):
        with pytest.raises(ValueError):
            await words.waitv([])
        with pytest.raises(InvalidArgument):
            await words.waitv([(memory, 0, 0), (memory, 2, 0)])
        await until(lambda: words.waiting == 0)

    run(body)
