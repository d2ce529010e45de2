"""await on a Waiter, in asyncio."""

import asyncio

import pytest

from pyfutex import CompletionQueue, Waiter, WaiterState, WaitResult


def test_await_gives_the_result_of_a_wake_in_the_same_loop(manager, memory, queue_up):
    async def main():
        w = queue_up()
        asyncio.get_running_loop().call_soon(manager.wake, memory, 0)
        return await w

    assert asyncio.run(main()) is WaitResult.WOKEN


def test_await_gives_the_result_of_a_wake_in_another_thread(manager, memory, queue_up, spawn, wait_until):
    def wake_when_queued():
        wait_until(lambda: len(manager) == 1)
        return manager.wake(memory, 0)

    async def main():
        waker = spawn(wake_when_queued)
        return await queue_up(), waker.result()

    assert asyncio.run(main()) == (WaitResult.WOKEN, 1)


def test_await_of_a_woken_waiter_gives_the_result(manager, memory, queue_up):
    async def main():
        w = queue_up()
        manager.wake(memory, 0)
        return await w

    assert asyncio.run(main()) is WaitResult.WOKEN


def test_await_serves_many_tasks(manager, memory, queue_up):
    async def wait_one(name):
        result = await queue_up(tag=name)
        order.append(name)
        return result

    async def main():
        tasks = [asyncio.create_task(wait_one(name)) for name in range(50)]
        while len(manager) < 50:
            await asyncio.sleep(0)
        assert manager.wake(memory, 0, 50) == 50
        return await asyncio.gather(*tasks)

    order = []
    assert asyncio.run(main()) == [WaitResult.WOKEN] * 50
    assert order == list(range(50))


def test_await_can_be_repeated_with_the_same_waiter(manager, memory):
    async def main():
        w = Waiter()
        loop = asyncio.get_running_loop()
        results = []
        for _ in range(3):
            assert manager.wait_prepare(w, memory, 0, 0) is None
            loop.call_soon(manager.wake, memory, 0)
            results.append(await w)
        return results

    assert asyncio.run(main()) == [WaitResult.WOKEN] * 3


def test_a_cancelled_await_cancels_the_waiter(manager, queue_up):
    async def main():
        w = queue_up()
        task = asyncio.ensure_future(w)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return w

    w = asyncio.run(main())
    assert w.state is WaiterState.CANCELLED
    assert len(manager) == 0


def test_a_timeout_of_asyncio_cancels_the_waiter(manager, queue_up):
    async def main():
        w = queue_up()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(w, 0.01)
        return w

    assert asyncio.run(main()).state is WaiterState.CANCELLED
    assert len(manager) == 0


def test_an_await_cancelled_after_its_wake_gives_the_wake_on(manager, memory, queue_up):
    async def main():
        first, second = queue_up(), queue_up()
        task = asyncio.ensure_future(first)
        await asyncio.sleep(0)
        assert manager.wake(memory, 0) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return first, second

    first, second = asyncio.run(main())
    assert first.state is WaiterState.DONE
    assert second.woken


def test_await_refuses_a_second_loop(queue_up, spawn, wait_until):
    w = queue_up()
    awaiting = []

    async def first():
        task = asyncio.ensure_future(w)
        await asyncio.sleep(0)
        awaiting.append(True)
        while awaiting:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def second():
        await w

    running = spawn(asyncio.run, first())
    wait_until(lambda: awaiting)
    with pytest.raises(RuntimeError):
        asyncio.run(second())
    awaiting.clear()
    running.result()


def test_await_without_a_running_loop_raises_runtime_error(queue_up):
    w = queue_up()
    with pytest.raises(RuntimeError):
        next(w.__await__())
    assert w.state is WaiterState.QUEUED


def test_await_leaves_nothing_behind_in_a_closed_loop(manager, memory, queue_up):
    async def main():
        asyncio.get_running_loop().call_soon(manager.wake, memory, 0)
        return await queue_up()

    for _ in range(3):
        assert asyncio.run(main()) is WaitResult.WOKEN


def test_a_completion_queue_serves_add_reader(manager, memory, queue_up):
    async def main():
        queue = CompletionQueue()
        loop = asyncio.get_running_loop()
        fetched = loop.create_future()
        loop.add_reader(queue.fileno(), lambda: fetched.done() or fetched.set_result(queue.drain()))
        w = queue_up(queue=queue)
        manager.wake(memory, 0)
        drained = await fetched
        loop.remove_reader(queue.fileno())
        return drained == [w]

    assert asyncio.run(main())
