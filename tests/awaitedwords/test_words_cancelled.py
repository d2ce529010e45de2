"""Awaits of words that are cancelled: a wake that one had taken is passed on, and none is lost."""

import asyncio
import threading

import pytest
from awaitedwords.awaiting import started, until

from pyfutex import Kernel, WaitResult

KERNEL = Kernel()
PAIRS = 500
CREW = 40


async def settled(tasks):
    """What each task came to: its result, or the exception it ended with."""
    return await asyncio.gather(*tasks, return_exceptions=True)


def test_a_cancelled_wait_takes_no_wake(run, exact, memory):
    async def body(words):
        first, second = await started([words.wait(memory, 0, 0) for _ in range(2)], words)
        first.cancel()
        await settled([first])
        assert words.waiting == 1
        assert KERNEL.wake(memory, 0) == 1
        assert await second is WaitResult.WOKEN

    run(body)


def test_a_wake_that_it_had_taken_is_passed_on(run, exact, memory):
    async def body(words):
        first, second = await started([words.wait(memory, 0, 0) for _ in range(2)], words)
        assert KERNEL.wake(memory, 0) == 1
        first.cancel()
        assert await second is WaitResult.WOKEN
        await settled([first])

    run(body)


def test_a_wake_that_the_loop_knew_of_already_is_passed_on(run, exact, memory):
    async def body(words):
        first, second = await started([words.wait(memory, 0, 0) for _ in range(2)], words)
        KERNEL.wake(memory, 0)
        words._engine.drain()
        first.cancel()
        assert await second is WaitResult.WOKEN
        assert first.cancelled()

    run(body)


def test_wakes_and_cancels_in_either_order_lose_nothing(run, exact, memory, rng):
    async def body(words):
        for _ in range(PAIRS):
            first, second = await started([words.wait(memory, 0, 0) for _ in range(2)], words)
            steps = [first.cancel, lambda: KERNEL.wake(memory, 0)]
            rng.shuffle(steps)
            for step in steps:
                step()
            # Before the cancelled task runs, its wait is there still, and may take the wake.
            assert await second is WaitResult.WOKEN
            await settled([first])
            assert words.waiting == 0

    run(body)


@pytest.mark.stress
def test_wakes_of_another_thread_race_with_cancels(run, exact, memory, rng):
    """As many tasks are woken as wakes found a waiter, however many of them were cancelled meanwhile."""

    async def one_round(words):
        tasks = await started([words.wait(memory, 0, 0) for _ in range(CREW)], words)
        to_wake = CREW // 4

        def wake():
            woken.extend(KERNEL.wake(memory, 0) for _ in range(to_wake))

        woken = []
        waker = threading.Thread(target=wake)
        waker.start()
        to_cancel = rng.sample(tasks, CREW // 2)
        for task in to_cancel:
            task.cancel()
            await asyncio.sleep(0)
        waker.join()
        assert woken == [1] * to_wake
        await until(lambda: all(task.done() for task in to_cancel))
        # One that was woken before it could be cancelled is no cancelled one.
        n_cancelled = sum(task.cancelled() for task in tasks)
        await until(lambda: sum(task.done() for task in tasks) == n_cancelled + to_wake)
        rest = [task for task in tasks if not task.done()]
        assert KERNEL.wake(memory, 0, CREW) == len(rest)
        assert await settled(rest) == [WaitResult.WOKEN] * len(rest)

    async def body(words):
        for _ in range(25):
            await one_round(words)

    run(body)


def test_a_timeout_that_races_with_a_wake_loses_nothing(run, exact, memory, rng):
    async def body(words):
        woken = 0
        for _ in range(PAIRS):
            task = asyncio.create_task(words.wait(memory, 0, 0, 0))
            for _ in range(rng.randrange(3)):
                await asyncio.sleep(0)
            found = KERNEL.wake(memory, 0)
            assert await task is (WaitResult.WOKEN if found else WaitResult.TIMEOUT)
            woken += found
        assert woken

    run(body)


def test_a_cancelled_await_of_a_changed_word_wakes_nobody(run, memory):
    async def body(words):
        (waits,) = await started([words.wait(memory, 0, 0)], words)
        memory.store(0, 1)
        late = asyncio.create_task(words.wait(memory, 0, 0))
        await asyncio.sleep(0)
        late.cancel()
        await settled([late])
        memory.store(0, 0)
        assert not waits.done()
        waits.cancel()
        await settled([waits])

    run(body)
