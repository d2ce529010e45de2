"""`pyfutex.aio.anyio`: the same awaits under trio, and under asyncio with anyio's cancellation."""

import gc
import random

import pytest
from stress.crew import scaled

from pyfutex import Waiter, WaiterState, WaitResult

anyio = pytest.importorskip("anyio", reason="needs anyio")
aio = pytest.importorskip("pyfutex.aio.anyio")

N_RACES = scaled(300)


@pytest.fixture(params=["trio", "asyncio"])
def run(request):
    """Run a coroutine function in a loop of its own: ``run(main)``."""
    pytest.importorskip(request.param, reason=f"needs {request.param}")
    return lambda main: anyio.run(main, backend=request.param)


@pytest.fixture
def queued(manager):
    """Take turns with the loop until so many waiters are queued: ``await queued(2)``."""

    async def until(n):
        while len(manager) != n:
            await anyio.lowlevel.checkpoint()

    return until


def test_it_returns_if_the_word_differs(run, word, manager):
    async def main():
        return await aio.wait(word, 1)

    assert run(main) is WaitResult.MISMATCH
    assert len(manager) == 0


def test_a_wake_of_another_thread_ends_it(run, word, manager, spawn, wait_until):
    async def main():
        return await aio.wait(word, 0)

    waker = spawn(lambda: wait_until(lambda: len(manager) == 1) and word.wake())
    assert run(main) is WaitResult.WOKEN
    assert waker.result() == 1


def test_a_waiter_that_was_queued_or_woken_is_awaited(run, word, queue_up):
    async def main():
        first, second = queue_up(), queue_up()
        word.wake()
        assert await aio.woken(first) is WaitResult.WOKEN
        async with anyio.create_task_group() as group:
            group.start_soon(aio.woken, second)
            await anyio.lowlevel.checkpoint()
            word.wake()
        return second.state

    assert run(main) is WaiterState.DONE


def test_tasks_go_on_in_any_order_whoever_listens(run, manager, memory, rng, queued):
    words = [manager.futex(memory, 4 * i) for i in range(50)]

    async def one(i):
        await aio.wait(words[i], 0)
        ended.append(i)

    async def main():
        async with anyio.create_task_group() as group:
            for i in range(50):
                group.start_soon(one, i)
            await queued(50)
            for n, i in enumerate(order):
                words[i].wake()
                while len(ended) == n:
                    await anyio.lowlevel.checkpoint()

    order, ended = rng.sample(range(50), 50), []
    run(main)
    assert ended == order


def test_a_timeout_ends_it_and_the_others_wait_on(run, word, manager, queued):
    async def main():
        with pytest.raises(TimeoutError):
            with anyio.fail_after(0.001):
                await aio.wait(word, 0)
        assert len(manager) == 0
        scope = anyio.CancelScope()
        async with anyio.create_task_group() as group:
            group.start_soon(in_scope, scope)
            await queued(1)
            group.start_soon(aio.wait, word, 0)
            await queued(2)
            scope.cancel()
            await queued(1)
            word.wake()

    async def in_scope(scope):
        with scope:
            await aio.wait(word, 0)

    run(main)


def test_a_wake_that_a_cancelled_await_had_got_goes_to_the_next(run, word, queued):
    async def first(scope):
        with scope:
            await aio.wait(word, 0)

    async def main():
        scope = anyio.CancelScope()
        async with anyio.create_task_group() as group:
            group.start_soon(first, scope)
            await queued(1)
            group.start_soon(aio.wait, word, 0)
            await queued(2)
            assert word.wake() == 1
            scope.cancel()

    run(main)


def test_closing_the_manager_ends_it_with_an_error(run, word, manager, spawn, wait_until):
    async def main():
        with pytest.raises(RuntimeError, match="cancelled"):
            await aio.wait(word, 0)

    spawn(lambda: wait_until(lambda: len(manager) == 1) and manager.close())
    run(main)


def test_a_run_gives_its_descriptor_back(run, word, bells, queued):
    async def main():
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(aio.wait, word, 0)
                await queued(1)
                word.wake()
                scope.cancel()

    before = bells()
    run(main)
    gc.collect()
    assert bells() <= before


def test_nothing_is_lost_when_timeouts_and_wakes_race(run, manager, memory, spawn):
    """A semaphore of the bare word: as many permits are taken as were released, whoever gives up meanwhile."""
    word = manager.futex(memory, 0)
    taken = 0

    def release():
        for _ in range(N_RACES):
            word.fetch_add(1)
            word.wake()

    async def take():
        while (value := word.load()) == 0 or not word.compare_exchange(value, value - 1):
            await aio.wait(word, 0)

    async def taker(rng):
        nonlocal taken
        while taken < N_RACES:
            with anyio.move_on_after(rng.choice((0, 1e-5, 1e-4, 1e-3))):
                await take()
                taken += 1

    async def main():
        async with anyio.create_task_group() as group:
            for i in range(10):
                group.start_soon(taker, random.Random(i))
            spawn(release)

    run(main)
    assert (taken, word.load(), len(manager)) == (N_RACES, 0, 0)


def test_a_waiter_has_one_queue(run, queue_up):
    async def main():
        with pytest.raises(RuntimeError, match="not queued"):
            await aio.woken(Waiter())

    run(main)
