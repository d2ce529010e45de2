"""`aio.wait`: a coroutine waits on a word of a manager."""

import asyncio
import os

import pytest
from resources.test_descriptors import FewDescriptors

from pyfutex import CompletionQueue, Waiter, WaitResult, aio


def test_it_returns_at_once_if_the_word_differs(run, word, manager):
    async def main():
        others = []
        asyncio.get_running_loop().call_soon(others.append, "had a turn")
        return await aio.wait(word, 1), list(others)

    assert run(main()) == (WaitResult.MISMATCH, [])
    assert len(manager) == 0


def test_a_wake_in_the_same_loop_ends_it(run, word):
    async def main():
        asyncio.get_running_loop().call_soon(word.wake)
        return await aio.wait(word, 0)

    assert run(main()) is WaitResult.WOKEN


def test_a_wake_of_another_thread_ends_it(run, word, manager, spawn, wait_until):
    async def main():
        return await aio.wait(word, 0)

    waker = spawn(lambda: wait_until(lambda: len(manager) == 1) and word.wake())
    assert run(main()) is WaitResult.WOKEN
    assert waker.result() == 1


def test_tasks_are_woken_in_the_order_in_which_they_wait(run, word, queued):
    async def one(name):
        await aio.wait(word, 0)
        order.append(name)

    async def main():
        tasks = [asyncio.create_task(one(name)) for name in range(50)]
        await queued(50)
        for _ in range(25):
            assert word.wake() == 1
        assert word.wake(25) == 25
        await asyncio.gather(*tasks)

    order = []
    run(main())
    assert order == list(range(50))


def test_a_thread_and_a_task_meet_on_one_word(run, word, manager, spawn, wait_until):
    async def main():
        task = asyncio.create_task(aio.wait(word, 0))
        await asyncio.sleep(0)
        sleeper = spawn(word.wait, 0)
        wait_until(lambda: len(manager) == 2)
        assert word.wake(2) == 2
        return await task, sleeper.result()

    assert run(main()) == (WaitResult.WOKEN, WaitResult.WOKEN)


def test_loops_in_two_threads_meet_on_one_word(new_loop, word, manager, spawn, wait_until):
    def in_a_loop():
        with asyncio.Runner(loop_factory=new_loop) as runner:
            return runner.run(aio.wait(word, 0))

    loops = [spawn(in_a_loop) for _ in range(2)]
    wait_until(lambda: len(manager) == 2)
    assert word.wake(2) == 2
    assert [loop.result() for loop in loops] == [WaitResult.WOKEN] * 2


def test_words_of_every_size_are_awaited(run, manager, memory):
    async def main(word, value):
        word.store(value)
        asyncio.get_running_loop().call_soon(word.wake)
        return await aio.wait(word, value - 1), await aio.wait(word, value)

    for size in (1, 2, 4, 8):
        word = manager.futex(memory, 64, size)
        assert run(main(word, (1 << 8 * size) - 1)) == (WaitResult.MISMATCH, WaitResult.WOKEN)


def test_what_is_not_waited_for_leaves_nothing(run, word, manager, queue_up):
    async def main():
        with pytest.raises(TypeError):
            await aio.wait(word, "0")
        with pytest.raises(AttributeError):
            await aio.wait(None, 0)
        w = queue_up()
        word.wake()
        assert await w is WaitResult.WOKEN
        with pytest.raises(RuntimeError, match="not queued"):
            await Waiter()
        with pytest.raises(RuntimeError, match="into a queue"):
            await queue_up(queue=CompletionQueue())
        return len(aio._awaits._completions_of(asyncio.get_running_loop()))

    assert run(main()) == 0
    assert len(manager) == 1


@pytest.mark.parametrize("closer", ["here", "elsewhere"])
def test_closing_the_manager_ends_it_with_an_error(run, word, manager, queued, spawn, closer):
    async def main():
        task = asyncio.create_task(aio.wait(word, 0))
        await queued(1)
        if closer == "here":
            manager.close()
        else:
            spawn(manager.close)
        with pytest.raises(RuntimeError, match="cancelled"):
            await task

    run(main())


def test_a_waiter_that_is_cancelled_elsewhere_ends_its_await_and_can_be_queued_again(
    run, manager, memory, queue_up, spawn
):
    async def main():
        w = queue_up()
        task = asyncio.ensure_future(w)
        await asyncio.sleep(0)
        assert spawn(w.cancel).result()
        with pytest.raises(RuntimeError, match="cancelled"):
            await task
        manager.wait_prepare(w, memory, 0, 0)
        asyncio.get_running_loop().call_soon(manager.wake, memory, 0)
        return await w

    assert run(main()) is WaitResult.WOKEN


def test_a_waiter_is_awaited_by_one_task(run, word, queue_up):
    async def main():
        w = queue_up()
        task = asyncio.ensure_future(w)
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="awaited already"):
            await w
        word.wake()
        return await task

    assert run(main()) is WaitResult.WOKEN


def test_no_thread_and_one_descriptor_serve_all(run, word, queued, bells):
    async def main():
        threads, descriptors = set(os.listdir("/proc/self/task")), bells()
        tasks = [asyncio.create_task(aio.wait(word, 0)) for _ in range(100)]
        await queued(100)
        more = set(os.listdir("/proc/self/task")) - threads, len(bells() - descriptors)
        word.wake(100)
        await asyncio.gather(*tasks)
        return more

    assert run(main()) == (set(), 1)


def test_on_wake_of_an_awaited_waiter_is_called_before_its_task_goes_on(run, manager, memory):
    async def main():
        w = Waiter(lambda _: order.append("on_wake"))
        manager.wait_prepare(w, memory, 0, 0)
        asyncio.get_running_loop().call_soon(manager.wake, memory, 0)
        await w
        order.append("task")

    order = []
    run(main())
    assert order == ["on_wake", "task"]


def test_without_a_running_loop_it_raises_runtime_error(word, manager):
    coroutine = aio.wait(word, 0)
    with pytest.raises(RuntimeError, match="no running event loop"):
        coroutine.send(None)
    assert len(manager) == 0


def test_without_a_free_descriptor_the_first_wait_of_a_loop_raises_and_a_later_one_works(run, word, manager):
    async def main():
        with FewDescriptors(0):
            with pytest.raises(OSError, match="files"):
                await aio.wait(word, 0)
        assert len(manager) == 0
        asyncio.get_running_loop().call_soon(word.wake)
        return await aio.wait(word, 0)

    assert run(main()) is WaitResult.WOKEN
