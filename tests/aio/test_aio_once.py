"""`aio.Once`: one task or thread does it, and the others wait until it is done."""

import asyncio
import threading

import pytest
from aio.loopturns import asleep, turns

from pyfutex import aio


class Work:
    """What is to be done once: how often it was begun and done; it waits for `go` meanwhile."""

    def __init__(self):
        self.begun = self.done = 0
        self.go = aio.Event()

    async def in_a_task(self):
        self.begun += 1
        await self.go.wait()
        self.done += 1

    def in_a_thread(self):
        self.begun += 1
        self.go.wait_blocking()
        self.done += 1


@pytest.fixture
def work():
    """Work that nobody has begun."""
    return Work()


def test_it_is_done_once(run, work):
    async def main():
        once = aio.Once()
        work.go.set()
        states = [once.done, await once.call(work.in_a_task), once.done, await once.call(work.in_a_task)]
        assert once.call_blocking(work.in_a_thread) is False
        return states

    assert run(main()) == [False, True, True, False]
    assert work.done == 1


def test_a_function_that_is_not_awaited_is_done_at_once(run):
    async def main():
        once, called = aio.Once(), []
        assert await once.call(lambda: called.append(1)) is True
        return called, once.done

    assert run(main()) == ([1], True)


@pytest.mark.parametrize("first", ["task", "thread"])
def test_tasks_of_two_loops_and_a_thread_wait_for_whoever_does_it(
    run, new_loop, spawn, wait_until, work, first
):
    def other_loop():
        with asyncio.Runner(loop_factory=new_loop) as runner:
            return runner.run(once.call(work.in_a_task))

    async def main():
        if first == "task":
            task = asyncio.create_task(once.call(work.in_a_task))
            await turns(3)
        else:
            thread = spawn(once.call_blocking, work.in_a_thread)
        wait_until(lambda: work.begun)
        others = [spawn(once.call_blocking, work.in_a_thread), spawn(other_loop)]
        wait_until(lambda: asleep(once._lock._lock) == 2)
        tasks = [asyncio.create_task(once.call(work.in_a_task)) for _ in range(3)]
        await turns(3)
        assert work.done == 0
        work.go.set()
        did = await task if first == "task" else thread.result()
        return did, await asyncio.gather(*tasks), [other.result() for other in others]

    once = aio.Once()
    assert run(main()) == (True, [False] * 3, [False] * 2)
    assert (work.begun, work.done) == (1, 1)


@pytest.mark.parametrize("next_is", ["task", "thread"])
def test_one_that_is_cancelled_at_it_leaves_it_to_the_next(run, spawn, wait_until, work, next_is):
    async def main():
        once = aio.Once()
        first = asyncio.create_task(once.call(work.in_a_task))
        await turns(3)
        if next_is == "task":
            second = asyncio.create_task(once.call(work.in_a_task))
            await turns(3)
        else:
            thread = spawn(once.call_blocking, work.in_a_thread)
            wait_until(lambda: asleep(once._lock._lock) == 1)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        assert first.cancelled()
        assert not once.done
        work.go.set()
        return thread.result() if next_is == "thread" else await second

    assert run(main()) is True
    assert (work.begun, work.done) == (2, 1)


def test_one_that_is_cancelled_while_it_waits_leaves_it_be(run, work):
    async def main():
        once = aio.Once()
        first = asyncio.create_task(once.call(work.in_a_task))
        await turns(3)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await once.call(work.in_a_task)
        third = asyncio.create_task(once.call(work.in_a_task))
        await turns(3)
        work.go.set()
        return await first, await third

    assert run(main()) == (True, False)


def test_one_that_fails_has_not_done_it(run, work):
    async def fails():
        await asyncio.sleep(0)
        raise KeyError

    def raises():
        raise KeyError

    async def main():
        once = aio.Once()
        for function in fails, raises:
            with pytest.raises(KeyError):
                await once.call(function)
            assert not once.done
        work.go.set()
        return await once.call(work.in_a_task)

    assert run(main()) is True
    once = aio.Once()
    with pytest.raises(KeyError):
        once.call_blocking(raises)
    assert once.call_blocking(lambda: None) is True


def test_a_function_that_calls_itself_is_refused(run):
    async def main():
        once = aio.Once()

        async def again():
            with pytest.raises(RuntimeError, match="calls itself"):
                await once.call(again)

        return await once.call(again)

    once = aio.Once()

    def again_in_a_thread():
        with pytest.raises(RuntimeError, match="calls itself"):
            once.call_blocking(again_in_a_thread)

    assert run(main()) is True
    assert once.call_blocking(again_in_a_thread) is True


def test_blocking_a_running_loop_is_refused(run):
    async def main():
        once = aio.Once()
        with pytest.raises(RuntimeError, match="event loop"):
            once.call_blocking(threading.Event)

    run(main())
