"""A cancelled await leaves nothing queued, and no wake is lost with it."""

import asyncio

import pytest

from pyfutex import Waiter, WaitResult, aio


def completions():
    """Those of the running loop."""
    return aio._awaits._completions_of(asyncio.get_running_loop())


async def cancelled(task):
    """Cancel a task and see that it ends so."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_cancelled_await_is_not_queued_any_more(run, word, manager, queued):
    async def main():
        task = asyncio.create_task(aio.wait(word, 0))
        await queued(1)
        await cancelled(task)
        return len(manager), len(completions())

    assert run(main()) == (0, 0)


def test_a_timeout_of_asyncio_ends_it(run, word, manager):
    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await aio.wait(word, 0)
        return len(manager), len(completions())

    assert run(main()) == (0, 0)


def test_a_wake_within_the_timeout_is_no_timeout(run, word):
    async def main():
        asyncio.get_running_loop().call_soon(word.wake)
        async with asyncio.timeout(1000):
            return await aio.wait(word, 0)

    assert run(main()) is WaitResult.WOKEN


@pytest.mark.parametrize("drained", [False, True], ids=["in the queue", "about to go on"])
def test_a_wake_that_a_cancelled_await_had_got_goes_to_the_next(run, word, queued, drained):
    async def main():
        first, second = (asyncio.create_task(aio.wait(word, 0)) for _ in range(2))
        await queued(2)
        assert word.wake() == 1
        if drained:
            completions().drain()
        await cancelled(first)
        return await second, len(completions())

    assert run(main()) == (WaitResult.WOKEN, 0)


def test_a_wake_that_is_given_on_may_be_given_on_again(run, word, queued):
    async def main():
        tasks = [asyncio.create_task(aio.wait(word, 0)) for _ in range(20)]
        await queued(20)
        assert word.wake() == 1
        for task in tasks[:-1]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results[:-1])
        return results[-1]

    assert run(main()) is WaitResult.WOKEN


def test_a_wake_that_is_given_on_reaches_a_thread(run, word, manager, queued, spawn, wait_until):
    async def main():
        task = asyncio.create_task(aio.wait(word, 0))
        await queued(1)
        sleeper = spawn(word.wait, 0)
        wait_until(lambda: len(manager) == 2)
        assert word.wake() == 1
        await cancelled(task)
        return sleeper.result()

    assert run(main()) is WaitResult.WOKEN


def test_a_wake_for_which_nobody_else_waits_is_given_to_nobody(run, word, manager, queued):
    async def main():
        task = asyncio.create_task(aio.wait(word, 0))
        await queued(1)
        assert word.wake() == 1
        await cancelled(task)
        task = asyncio.create_task(aio.wait(word, 0))
        await queued(1)
        await asyncio.sleep(0)
        assert not task.done()
        await cancelled(task)

    run(main())


def test_a_cancelled_await_of_a_closed_manager_ends_as_cancelled(run, word, manager, queued):
    async def main():
        task = asyncio.create_task(aio.wait(word, 0))
        await queued(1)
        manager.close()
        await cancelled(task)
        return len(completions())

    assert run(main()) == 0


def test_a_waiter_whose_await_was_cancelled_can_be_queued_and_awaited_again(run, word, manager, memory):
    async def main():
        w = Waiter()
        manager.wait_prepare(w, memory, 0, 0)
        coroutine = aio.woken(w)
        coroutine.send(None)
        coroutine.close()
        manager.wait_prepare(w, memory, 0, 0)
        asyncio.get_running_loop().call_later(0.001, word.wake)
        return await w

    assert run(main()) is WaitResult.WOKEN


def test_a_cancel_by_somebody_else_does_not_end_the_next_await(run, word, manager, memory):
    async def main():
        w = Waiter()
        manager.wait_prepare(w, memory, 0, 0)
        coroutine = aio.woken(w)
        coroutine.send(None)
        w.cancel()  # the loop will hear of it, and too late
        coroutine.close()
        manager.wait_prepare(w, memory, 0, 0)
        asyncio.get_running_loop().call_later(0.001, word.wake)
        return await w

    assert run(main()) is WaitResult.WOKEN


def test_a_cancelled_await_of_a_vector_gives_its_wake_on(run, word, manager, memory, queued):
    async def main():
        w = Waiter()
        assert manager.waitv_prepare(w, [(memory, 64, 0), (memory, 0, 0)]) is None
        first = asyncio.ensure_future(w)
        await asyncio.sleep(0)
        second = asyncio.create_task(aio.wait(word, 0))
        await queued(3)
        assert word.wake() == 1
        await cancelled(first)
        return await second

    assert run(main()) is WaitResult.WOKEN


def test_a_cancelled_await_that_had_got_a_pi_word_keeps_it(run, manager, memory):
    async def main():
        assert manager.trylock_pi(memory, 0, tid=7)
        first, second = Waiter(), Waiter()
        for waiter, tid in ((first, 8), (second, 9)):
            assert manager.lock_pi_prepare(waiter, memory, 0, tid=tid) is None
        task = asyncio.ensure_future(first)
        await asyncio.sleep(0)
        manager.unlock_pi(memory, 0, tid=7)
        await cancelled(task)
        assert (first.woken, second.woken) == (True, False)
        manager.unlock_pi(memory, 0, tid=8)
        return await second

    assert run(main()) is WaitResult.WOKEN
