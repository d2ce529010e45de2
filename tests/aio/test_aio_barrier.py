"""`aio.Barrier`: tasks of several loops and threads wait for each other."""

import asyncio
import threading

import pytest
from aio.loopturns import asleep, turns

from pyfutex import aio, sync


def other_loop(new_loop, coroutine_function):
    """Run a coroutine in a loop of its own."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(coroutine_function())


async def arrived(barrier, n):
    """Give way until so many wait."""
    while barrier.n_waiting != n:
        await asyncio.sleep(0)


async def meeting(barrier):
    """Meet the others: the index."""
    async with barrier as index:
        return index


def test_tasks_of_a_loop_wait_until_all_have_come(run):
    async def main():
        barrier = aio.Barrier(3)
        tasks = [asyncio.create_task(barrier.wait()) for _ in range(2)]
        await arrived(barrier, 2)
        assert not any(task.done() for task in tasks)
        last = await barrier.wait()
        return [*await asyncio.gather(*tasks), last], barrier.n_waiting, barrier.broken

    assert run(main()) == ([0, 1, 2], 0, False)


def test_two_loops_and_two_threads_meet_again_and_again(new_loop, spawn):
    n, parties = 30, 6
    barrier, met = aio.Barrier(parties, action=lambda: met.append(len(inside))), []
    inside = []

    def enter():
        inside.append(1)

    async def task():
        for _ in range(n):
            enter()
            await barrier.wait()

    async def tasks():
        await asyncio.gather(task(), task())

    def thread():
        for _ in range(n):
            enter()
            barrier.wait_blocking()

    running = [spawn(other_loop, new_loop, tasks) for _ in range(2)] + [spawn(thread) for _ in range(2)]
    for each in running:
        each.result()
    assert met == [parties * i for i in range(1, n + 1)]


def test_the_index_of_each_is_another(run, spawn):
    async def main():
        barrier = aio.Barrier(4)
        threads = [spawn(barrier.wait_blocking) for _ in range(2)]
        tasks = [asyncio.create_task(meeting(barrier)) for _ in range(2)]
        indices = await asyncio.gather(*tasks)
        return sorted([*indices, *(thread.result() for thread in threads)])

    assert run(main()) == [0, 1, 2, 3]


def test_the_index_of_one_who_has_left_is_that_of_the_next_to_come(run):
    async def main():
        barrier = aio.Barrier(3)
        first, second = (asyncio.create_task(barrier.wait()) for _ in range(2))
        await arrived(barrier, 2)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        third, fourth = (asyncio.create_task(barrier.wait()) for _ in range(2))
        return await asyncio.gather(second, third, fourth)

    assert run(main()) == [1, 0, 2]


@pytest.mark.parametrize("by", ["cancel", "timeout"])
def test_a_task_that_is_cancelled_leaves_and_the_barrier_stays_as_it_was(run, by):
    async def main():
        barrier = aio.Barrier(2)
        if by == "timeout":
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await barrier.wait()
        else:
            task = asyncio.create_task(barrier.wait())
            await arrived(barrier, 1)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert task.cancelled()
        states = barrier.n_waiting, barrier.broken
        return states, sorted(await asyncio.gather(barrier.wait(), barrier.wait()))

    assert run(main()) == ((0, False), [0, 1])


@pytest.mark.parametrize("before", range(4))
def test_a_task_that_is_cancelled_when_all_have_come_holds_nobody_up(run, before):
    async def main():
        barrier = aio.Barrier(3)
        tasks = [asyncio.create_task(barrier.wait()) for _ in range(2)]
        await arrived(barrier, 2)
        await barrier.wait()
        await turns(before)
        tasks[0].cancel()
        await asyncio.gather(tasks[0], return_exceptions=True)
        assert await tasks[1] == 1
        assert (barrier.n_waiting, barrier.broken) == (0, False)
        return sorted(await asyncio.gather(*(barrier.wait() for _ in range(3))))

    assert run(main()) == [0, 1, 2]


@pytest.mark.parametrize("how", ["reset", "abort"])
def test_those_who_wait_are_let_go_with_an_error(run, new_loop, spawn, how):
    async def main():
        others = [spawn(other_loop, new_loop, barrier.wait), spawn(barrier.wait_blocking)]
        task = asyncio.create_task(barrier.wait())
        await arrived(barrier, 3)
        getattr(barrier, how)()
        with pytest.raises(threading.BrokenBarrierError):
            await task
        for other in others:
            with pytest.raises(threading.BrokenBarrierError):
                other.result()
        if how == "abort":
            assert barrier.broken
            with pytest.raises(threading.BrokenBarrierError):
                await barrier.wait()
            barrier.reset()
        assert not barrier.broken
        return sorted(await asyncio.gather(*(barrier.wait() for _ in range(4))))

    barrier = aio.Barrier(4)
    assert run(main()) == [0, 1, 2, 3]


@pytest.mark.parametrize("of", ["the barrier", "the call"])
def test_a_timeout_of_a_thread_breaks_it(run, spawn, of):
    async def main():
        task = asyncio.create_task(barrier.wait())
        await arrived(barrier, 1)
        thread = spawn(barrier.wait_blocking, None if of == "the barrier" else 0.001)
        with pytest.raises(threading.BrokenBarrierError):
            await task
        with pytest.raises(threading.BrokenBarrierError):
            thread.result()
        return barrier.broken

    barrier = aio.Barrier(3, timeout=0.001 if of == "the barrier" else 60)
    assert run(main()) is True


def test_a_timeout_that_ends_when_all_have_come_breaks_nothing(run, spawn, wait_until):
    async def main():
        thread = spawn(barrier.wait_blocking, 0.01)
        await arrived(barrier, 1)
        return await barrier.wait(), thread.result(), barrier.broken

    def action():
        # The thread whose time is over asks whether all have come, and waits on.
        wait_until(lambda: gave_up and asleep(gave_up[0].over) == 1)

    barrier, gave_up = aio.Barrier(2, action), []
    give_up = barrier._give_up
    barrier._give_up = lambda round_: (give_up(round_), gave_up.append(round_))
    assert run(main()) == (1, 0, False)


@pytest.mark.parametrize("last", ["task", "thread"])
def test_an_action_that_raises_breaks_it(run, spawn, last):
    async def main():
        first = asyncio.create_task(barrier.wait())
        await arrived(barrier, 1)
        with pytest.raises(KeyError):
            await barrier.wait() if last == "task" else spawn(barrier.wait_blocking).result()
        with pytest.raises(threading.BrokenBarrierError):
            await first
        return barrier.broken

    def action():
        raise KeyError

    barrier = aio.Barrier(2, action)
    assert run(main()) is True


def test_one_party_waits_for_nobody(run):
    async def main():
        barrier = aio.Barrier(1)
        return [await barrier.wait() for _ in range(3)], barrier.parties

    assert run(main()) == ([0, 0, 0], 1)


@pytest.mark.parametrize(("parties", "error"), [(0, ValueError), (-1, ValueError), ("2", TypeError)])
def test_the_parties_are_those_of_a_barrier_of_threads(parties, error):
    for barrier in aio.Barrier, sync.Barrier:
        with pytest.raises(error):
            barrier(parties)


def test_blocking_a_running_loop_is_refused(run):
    async def main():
        barrier = aio.Barrier(1)
        with pytest.raises(RuntimeError, match="event loop"):
            barrier.wait_blocking()
        return barrier.n_waiting

    assert run(main()) == 0
