"""`aio.Latch`: tasks of several loops and threads wait for one count to go down."""

import asyncio

import pytest
from aio.loopturns import asleep, until_asleep

from pyfutex import aio, sync


def test_it_counts_down_to_zero_and_stays_there(run, spawn):
    async def main():
        return await latch.wait()

    latch = aio.Latch(3)
    latch.count_down()
    assert latch.count == 2
    assert latch.wait_blocking(0) is False
    latch.count_down(2)
    assert latch.count == 0
    assert run(main()) is True
    assert latch.wait_blocking() is True


@pytest.mark.parametrize("counter", ["task", "thread"])
def test_tasks_of_two_loops_and_a_thread_go_on_at_zero(run, new_loop, spawn, wait_until, counter):
    def other_loop():
        with asyncio.Runner(loop_factory=new_loop) as runner:
            return runner.run(latch.wait())

    async def main():
        others = [spawn(latch.wait_blocking), spawn(other_loop)]
        wait_until(lambda: asleep(latch) == 2)
        tasks = [asyncio.create_task(latch.wait()) for _ in range(3)]
        await until_asleep(latch, 5)
        latch.count_down()
        assert asleep(latch) == 5
        if counter == "task":
            latch.count_down()
        else:
            spawn(latch.count_down).result()
        return await asyncio.gather(*tasks), [other.result() for other in others]

    latch = aio.Latch(2)
    assert run(main()) == ([True] * 3, [True] * 2)


def test_a_wait_that_began_at_another_count_goes_on_at_zero(run):
    async def main():
        latch = aio.Latch(3)
        first = asyncio.create_task(latch.wait())
        await until_asleep(latch, 1)
        latch.count_down()
        second = asyncio.create_task(latch.wait())
        await until_asleep(latch, 2)
        latch.count_down(2)
        return await first, await second

    assert run(main()) == (True, True)


def test_a_cancelled_wait_leaves_the_others(run):
    async def main():
        latch = aio.Latch(1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await latch.wait()
        first, second = (asyncio.create_task(latch.wait()) for _ in range(2))
        await until_asleep(latch, 2)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        assert asleep(latch) == 1
        latch.count_down()
        return await second

    assert run(main()) is True


def test_a_timeout_of_a_thread():
    latch = aio.Latch(1)
    assert latch.wait_blocking(0.001) is False
    assert asleep(latch) == 0


@pytest.mark.parametrize("n", [0, -1, 3])
def test_it_is_not_counted_below_zero(n):
    for latch in aio.Latch(2), sync.Latch(2):
        with pytest.raises(ValueError):
            latch.count_down(n)
        assert latch.count == 2


@pytest.mark.parametrize(("count", "error"), [(-1, ValueError), (1 << 31, OverflowError)])
def test_the_count_has_the_range_of_a_latch_of_threads(count, error):
    for latch in aio.Latch, sync.Latch:
        with pytest.raises(error):
            latch(count)


def test_blocking_a_running_loop_is_refused(run):
    async def main():
        with pytest.raises(RuntimeError, match="event loop"):
            aio.Latch(0).wait_blocking()

    run(main())
