"""What a loop that ends leaves behind: no queued waiter, no descriptor, no wake."""

import asyncio
import gc
import warnings

import pytest
from forking import os_fork, run_in_child

from pyfutex import WaitResult, aio


@pytest.fixture
def abandoned(new_loop):
    """Run a coroutine's first steps in a loop, and close it with the task still waiting: the loop's task is returned."""

    def start_and_close(coroutine, before_close=lambda: None):
        loop = new_loop()
        task = loop.create_task(coroutine)
        loop.call_soon(loop.stop)
        loop.run_forever()
        before_close()
        loop.close()
        task._log_destroy_pending = False
        return task

    return start_and_close


def test_a_loop_gives_its_descriptor_back_when_it_closes(run, word, bells):
    async def main():
        asyncio.get_running_loop().call_soon(word.wake)
        return await aio.wait(word, 0)

    before = bells()
    for _ in range(3):
        assert run(main()) is WaitResult.WOKEN
    assert bells() <= before


def test_a_loop_that_closes_takes_its_waiters_out(abandoned, word, manager):
    task = abandoned(aio.wait(word, 0))
    assert len(manager) == 0
    assert not task.done()


def test_the_descriptor_goes_though_tasks_wait_still(abandoned, word, bells):
    before = bells()
    task = abandoned(aio.wait(word, 0))
    assert bells() <= before
    assert not task.done()


def test_a_wake_that_a_closed_loop_had_got_goes_to_the_next(abandoned, word, queue_up, bells):
    before = bells()
    others = []

    def wake_first():
        others.append(queue_up())
        assert word.wake() == 1

    task = abandoned(aio.wait(word, 0), wake_first)
    (other,) = others
    assert other.woken
    del task
    assert bells() <= before


def test_a_wake_is_given_on_once_though_the_abandoned_coroutine_ends_later(abandoned, word, queue_up):
    others = []

    def wake_first():
        others.extend(queue_up() for _ in range(2))
        assert word.wake() == 1

    task = abandoned(aio.wait(word, 0), wake_first)
    del task
    gc.collect()
    assert [other.woken for other in others] == [True, False]


def test_a_wake_that_was_given_on_before_the_loop_closed_is_not_given_on_again(
    abandoned, word, queue_up, bells
):
    async def woken_and_closed():
        coroutine = aio.wait(word, 0)
        coroutine.send(None)
        others.extend(queue_up() for _ in range(2))
        assert word.wake() == 1
        coroutine.close()

    before, others = bells(), []
    abandoned(woken_and_closed())
    assert [other.woken for other in others] == [True, False]
    assert bells() <= before


def test_a_loop_that_is_thrown_away_unclosed_gives_its_descriptor_back(word, bells):
    async def woken():
        asyncio.get_running_loop().call_soon(word.wake)
        await aio.wait(word, 0)

    before = bells()
    loop = asyncio.SelectorEventLoop()
    loop.run_until_complete(woken())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        del loop
        gc.collect()
    assert bells() <= before


def test_a_coroutine_that_is_closed_leaves_the_queue(run, word, manager):
    async def main():
        coroutine = aio.wait(word, 0)
        coroutine.send(None)
        assert len(manager) == 1
        coroutine.close()
        return len(manager)

    assert run(main()) == 0


def test_a_waiter_of_a_closed_loop_has_to_be_queued_again(abandoned, run, manager, memory, word, queue_up):
    w = queue_up()

    async def again():
        with pytest.raises(RuntimeError, match="not queued"):
            await w
        manager.wait_prepare(w, memory, 0, 0)
        asyncio.get_running_loop().call_soon(word.wake)
        return await w

    abandoned(aio.woken(w))
    assert run(again()) is WaitResult.WOKEN


def test_await_refuses_a_second_loop_while_the_first_waits(new_loop, run, queue_up):
    w = queue_up()
    first = new_loop()
    task = first.create_task(aio.woken(w))
    first.call_soon(first.stop)
    first.run_forever()

    async def second():
        with pytest.raises(RuntimeError, match="awaited already"):
            await w

    run(second())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        first.run_until_complete(task)
    first.close()


def test_the_child_of_a_fork_waits_in_a_loop_of_its_own(run, word, queued):
    async def one():
        asyncio.get_running_loop().call_soon(word.wake)
        return await aio.wait(word, 0)

    def check():
        with asyncio.Runner() as runner:
            assert runner.run(one()) is WaitResult.WOKEN

    async def main():
        task = asyncio.create_task(aio.wait(word, 0))
        await queued(1)
        run_in_child(os_fork, check)  # asyncio knows nothing of a fork by C code
        assert word.wake() == 1
        return await task

    assert run(main()) is WaitResult.WOKEN
