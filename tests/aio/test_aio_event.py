"""`aio.Event`: tasks of several loops and threads wait for one flag."""

import asyncio

import pytest
from aio.loopturns import asleep, until_asleep

from pyfutex import aio


def test_it_is_set_and_cleared():
    event = aio.Event()
    states = [event.is_set()]
    for change in (event.set, event.set, event.clear, event.clear, event.set):
        change()
        states.append(event.is_set())
    assert states == [False, True, True, False, False, True]


def test_a_set_event_is_not_waited_for(run, spawn):
    async def main():
        return await event.wait()

    event = aio.Event()
    event.set()
    assert run(main()) is True
    assert event.wait_blocking(0) is True


@pytest.mark.parametrize("setter", ["task", "thread"])
def test_all_who_wait_go_on_though_it_is_cleared_at_once(run, new_loop, spawn, wait_until, setter):
    def set_and_clear():
        event.set()
        event.clear()

    def other_loop():
        with asyncio.Runner(loop_factory=new_loop) as runner:
            return runner.run(event.wait())

    async def main():
        others = [spawn(event.wait_blocking), spawn(other_loop)]
        wait_until(lambda: asleep(event) == 2)
        tasks = [asyncio.create_task(event.wait()) for _ in range(3)]
        await until_asleep(event, 5)
        if setter == "task":
            set_and_clear()
        else:
            spawn(set_and_clear)
        return await asyncio.gather(*tasks), [other.result() for other in others]

    event = aio.Event()
    assert run(main()) == ([True] * 3, [True] * 2)
    assert not event.is_set()


def test_a_cancelled_wait_leaves_the_others(run):
    async def main():
        event = aio.Event()
        first, second = (asyncio.create_task(event.wait()) for _ in range(2))
        await until_asleep(event, 2)
        first.cancel()
        await until_asleep(event, 1)
        event.set()
        assert await second is True
        return first.cancelled()

    assert run(main()) is True


def test_a_wait_cancelled_after_set_wakes_nobody_of_the_next_generation(run):
    async def main():
        event = aio.Event()
        first = asyncio.create_task(event.wait())
        await until_asleep(event, 1)
        event.set()
        event.clear()
        second = asyncio.create_task(event.wait())  # waits before the first one gives its wake on
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await until_asleep(event, 1)
        await asyncio.sleep(0)
        assert not second.done()
        event.set()
        return await second, first.cancelled()

    assert run(main()) == (True, True)


def test_a_timeout_of_a_thread(spawn):
    event = aio.Event()
    assert event.wait_blocking(0.001) is False
    assert event.wait_blocking(0) is False


def test_a_timeout_of_a_task(run):
    async def main():
        event = aio.Event()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await event.wait()
        return asleep(event)

    assert run(main()) == 0


def test_blocking_a_running_loop_is_refused(run):
    async def main():
        with pytest.raises(RuntimeError, match="event loop"):
            aio.Event().wait_blocking()

    run(main())
