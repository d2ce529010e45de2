"""`aio.Condition`: tasks of several loops and threads wait for each other's news."""

import asyncio

import pytest
from aio.loopturns import asleep, turns, until_asleep

from pyfutex import aio

TURNS = range(8)


async def waiting(condition, order=None, name=None):
    """Wait once, under the lock."""
    async with condition:
        result = await condition.wait()
        assert condition.locked()
        if order is not None:
            order.append(name)
        return result


def waiting_thread(condition, timeout=None):
    """The same in a thread."""
    with condition:
        return condition.wait_blocking(timeout)


def test_those_who_have_waited_longest_are_notified_first(run):
    async def main():
        condition, order = aio.Condition(), []
        tasks = [asyncio.create_task(waiting(condition, order, i)) for i in range(10)]
        await until_asleep(condition, 10)
        async with condition:
            condition.notify()
            condition.notify(2)
        await until_asleep(condition, 7)
        while len(order) < 3:
            await asyncio.sleep(0)
        assert order == [0, 1, 2]
        async with condition:
            condition.notify_all()
        assert await asyncio.gather(*tasks) == [True] * 10
        return order

    assert run(main()) == list(range(10))


def test_two_loops_and_a_thread_notify_each_other(new_loop, spawn):
    """Each waits for its turn, and gives it to the next."""
    n, n_parties, turn = 50, 4, 0
    condition = aio.Condition()

    async def task(mine):
        nonlocal turn
        for _ in range(n):
            async with condition:
                await condition.wait_for(lambda: turn % n_parties == mine)
                turn += 1
                condition.notify_all()

    def loop(*numbers):
        async def tasks():
            await asyncio.gather(*(task(number) for number in numbers))

        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(tasks())

    def thread(mine):
        nonlocal turn
        for _ in range(n):
            with condition:
                condition.wait_for_blocking(lambda: turn % n_parties == mine)
                turn += 1
                condition.notify_all()

    for running in [spawn(loop, 0, 2), spawn(loop, 1), spawn(thread, 3)]:
        running.result()
    assert turn == n * n_parties


@pytest.mark.parametrize("notified_first", [False, True])
@pytest.mark.parametrize("before", TURNS)
def test_a_cancel_at_any_await_leaves_the_notice_to_the_next(run, notified_first, before):
    async def main():
        condition = aio.Condition()
        first, second = (asyncio.create_task(waiting(condition)) for _ in range(2))
        await until_asleep(condition, 2)
        if notified_first:
            async with condition:
                condition.notify()
        await turns(before)
        first.cancel()
        if not notified_first:
            await turns(before)
            async with condition:
                condition.notify()
        (ended,) = await asyncio.gather(first, return_exceptions=True)
        if ended is True:
            async with condition:
                condition.notify()
        assert await second is True
        return condition.locked(), asleep(condition)

    assert run(main()) == (False, 0)


@pytest.mark.parametrize("before", TURNS)
def test_a_wait_that_is_cancelled_while_the_lock_is_held_ends_with_the_lock(run, before):
    async def main():
        condition = aio.Condition()
        first, second = (asyncio.create_task(waiting(condition)) for _ in range(2))
        await until_asleep(condition, 2)
        async with condition:
            condition.notify()
            await turns(before)
            first.cancel()
            await turns(before)
            assert not first.done()
            first.cancel()
        (ended,) = await asyncio.gather(first, return_exceptions=True)
        assert isinstance(ended, asyncio.CancelledError)
        assert await second is True
        return condition.locked()

    assert run(main()) is False


def test_a_timeout_of_a_task_ends_with_the_lock(run):
    async def main():
        condition = aio.Condition()
        async with condition:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await condition.wait()
            return condition.locked(), asleep(condition)

    assert run(main()) == (True, 0)


def test_a_timeout_of_a_thread_ends_with_the_lock():
    condition = aio.Condition()
    with condition:
        assert condition.wait_blocking(0.001) is False
        assert condition.wait_for_blocking(lambda: 0, 0.001) == 0
        assert condition.locked()
    assert asleep(condition) == 0


@pytest.mark.parametrize("method", ["notify", "notify_all", "wait_blocking"])
def test_without_the_lock_it_is_refused(method):
    with pytest.raises(RuntimeError, match="nobody holds"):
        getattr(aio.Condition(), method)()


def test_wait_without_the_lock_is_refused(run):
    async def main():
        with pytest.raises(RuntimeError, match="nobody holds"):
            await aio.Condition().wait()

    run(main())


def test_conditions_share_a_lock(run):
    async def main():
        lock = aio.Lock()
        first, second = aio.Condition(lock), aio.Condition(lock)
        task = asyncio.create_task(waiting(first))
        await until_asleep(first, 1)
        async with second:
            second.notify_all()
            assert asleep(first) == 1
            first.notify()
        return await task

    assert run(main()) is True


def test_blocking_a_running_loop_is_refused(run):
    async def main():
        condition = aio.Condition()
        async with condition:
            with pytest.raises(RuntimeError, match="event loop"):
                condition.wait_blocking()
            assert asleep(condition) == 0

    run(main())
