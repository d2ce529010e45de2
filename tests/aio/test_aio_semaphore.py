"""`aio.Semaphore`: tasks of several loops and threads share permits."""

import asyncio
import threading

import pytest
from aio.loopturns import asleep, turns

from pyfutex import aio

TURNS = range(6)


def test_permits_are_taken_and_given_back(run):
    async def main():
        semaphore = aio.Semaphore(2)
        values = [semaphore.value]
        async with semaphore:
            values.append(semaphore.value)
            assert await semaphore.acquire() is True
            values.append(semaphore.value)
            assert semaphore.locked()
        semaphore.release(3)
        return [*values, semaphore.value]

    assert run(main()) == [2, 1, 0, 4]


def test_tasks_get_permits_in_the_order_in_which_they_came(run):
    async def take(semaphore, i, order):
        await semaphore.acquire()
        order.append(i)

    async def main():
        semaphore, order = aio.Semaphore(0), []
        tasks = [asyncio.create_task(take(semaphore, i, order)) for i in range(20)]
        await turns(2)
        for n in (1, 2, 17):
            semaphore.release(n)
            await turns(1)
        await asyncio.gather(*tasks)
        return order

    assert run(main()) == list(range(20))


def test_who_comes_later_does_not_overtake_one_that_is_about_to_go_on(run):
    async def main():
        semaphore = aio.Semaphore(0)
        first = asyncio.create_task(semaphore.acquire())
        await turns(2)
        semaphore.release()
        second = asyncio.create_task(semaphore.acquire())
        await first
        assert not second.done()
        semaphore.release()
        return await second

    assert run(main()) is True


def test_several_permits_reach_several_threads(spawn, wait_until):
    semaphore = aio.Semaphore(0)
    threads = [spawn(semaphore.acquire_blocking) for _ in range(3)]
    wait_until(lambda: asleep(semaphore) == 3)
    semaphore.release(3)
    assert [thread.result() for thread in threads] == [True] * 3


def test_never_more_than_there_are_permits(new_loop, spawn):
    n, permits = 100, 3
    semaphore, inside, most = aio.Semaphore(permits), [], 0

    def enter(name):
        nonlocal most
        inside.append(name)
        most = max(most, len(inside))

    async def task(name):
        for _ in range(n):
            async with semaphore:
                enter(name)
                await asyncio.sleep(0)
                inside.remove(name)

    async def tasks(loop):
        await asyncio.gather(*(task((loop, i)) for i in range(5)))

    def loop(name):
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(tasks(name))

    def thread():
        name = threading.get_ident()
        for _ in range(n):
            with semaphore:
                enter(name)
                inside.remove(name)

    for running in [*(spawn(loop, name) for name in "ab"), *(spawn(thread) for _ in range(3))]:
        running.result()
    assert most <= permits
    assert semaphore.value == permits


@pytest.mark.parametrize("released_first", [False, True])
@pytest.mark.parametrize("before", TURNS)
def test_a_cancel_at_any_await_leaves_the_permit_to_the_next(run, spawn, released_first, before):
    async def main():
        semaphore = aio.Semaphore(0)
        first, second = (asyncio.create_task(semaphore.acquire()) for _ in range(2))
        await turns(3)
        if released_first:
            semaphore.release()
        await turns(before)
        first.cancel()
        if not released_first:
            await turns(before)
            spawn(semaphore.release)
        (ended,) = await asyncio.gather(first, return_exceptions=True)
        if ended is True:
            semaphore.release()
        await second
        return semaphore.value

    assert run(main()) == 0


def test_a_thread_waits_for_a_permit(run, spawn):
    async def main():
        thread = spawn(semaphore.acquire_blocking)
        await turns(3)
        semaphore.release()
        return thread.result()

    semaphore = aio.Semaphore(0)
    assert semaphore.acquire_blocking(blocking=False) is False
    assert semaphore.acquire_blocking(timeout=0.001) is False
    assert run(main()) is True


@pytest.mark.parametrize("value", [-1, 1 << 32])
def test_the_value_has_a_range(value):
    with pytest.raises(ValueError, match="initial value"):
        aio.Semaphore(value)


def test_what_cannot_be_released_is_refused():
    semaphore = aio.Semaphore((1 << 32) - 1)
    with pytest.raises(ValueError, match="too many"):
        semaphore.release()
    with pytest.raises(ValueError, match="one or more"):
        semaphore.release(0)
    with pytest.raises(ValueError, match="timeout"):
        semaphore.acquire_blocking(False, 1)


def test_blocking_a_running_loop_is_refused(run):
    async def main():
        with pytest.raises(RuntimeError, match="event loop"):
            aio.Semaphore().acquire_blocking()

    run(main())
