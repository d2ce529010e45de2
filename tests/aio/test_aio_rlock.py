"""`aio.RLock`: the task or the thread that holds it takes it again, and keeps all others out."""

import asyncio

import pytest
from aio.loopturns import asleep, turns

from pyfutex import aio

TURNS = range(6)


async def twice(lock, then=lambda: None):
    """Acquire a lock, and once more."""
    async with lock, lock:
        then()


def test_who_holds_it_takes_it_again(run):
    async def main():
        lock, states = aio.RLock(), []
        async with lock:
            async with lock:
                assert await lock.acquire() is True
                lock.release()
                states.append(lock.locked())
            states.append(lock.locked())
        return [*states, lock.locked()]

    assert run(main()) == [True, True, False]


def test_a_thread_takes_it_again(spawn):
    lock = aio.RLock()
    with lock, lock:
        assert lock.acquire_blocking(blocking=False) is True
        lock.release()
        assert spawn(lock.acquire_blocking, blocking=False).result() is False
        assert spawn(lock.acquire_blocking, timeout=0.001).result() is False
    assert not lock.locked()


def test_another_task_of_the_loop_waits_and_cannot_release(run):
    async def main():
        lock, order = aio.RLock(), []
        async with lock:
            tasks = [asyncio.create_task(twice(lock, lambda i=i: order.append(i))) for i in range(5)]
            await turns(3)
            async with lock:
                pass
            assert order == []
            with pytest.raises(RuntimeError, match="un-acquired"):
                await asyncio.create_task(released(lock))
            assert lock.locked()
        await asyncio.gather(*tasks)
        return order

    async def released(lock):
        lock.release()

    assert run(main()) == list(range(5))


def test_the_thread_of_the_loop_is_not_its_task(run, spawn):
    async def main():
        loop, released = asyncio.get_running_loop(), asyncio.Event()
        async with lock:
            loop.call_soon(refused)
            loop.call_soon(released.set)
            await released.wait()
            with pytest.raises(RuntimeError, match="un-acquired"):
                spawn(lock.release).result()

    def refused():
        with pytest.raises(RuntimeError, match="un-acquired"):
            lock.release()
        refusals.append(1)

    lock, refusals = aio.RLock(), []
    run(main())
    assert refusals == [1]


def test_two_loops_and_two_threads_count_together(new_loop, spawn):
    n, total = 100, 0
    lock = aio.RLock()

    def once():
        nonlocal total
        seen = total
        total = seen + 1

    async def task():
        nonlocal total
        for _ in range(n // 5):
            async with lock, lock:
                seen = total
                await asyncio.sleep(0)
                total = seen + 1

    async def tasks():
        await asyncio.gather(*(task() for _ in range(5)))

    def loop():
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(tasks())

    def thread():
        for _ in range(n):
            with lock, lock:
                once()

    for running in [spawn(loop), spawn(loop), spawn(thread), spawn(thread)]:
        running.result()
    assert total == 4 * n
    assert not lock.locked()


@pytest.mark.parametrize("released_first", [False, True])
@pytest.mark.parametrize("before", TURNS)
def test_a_cancel_at_any_await_leaves_the_lock_to_the_next(run, released_first, before):
    async def main():
        lock = aio.RLock()
        await lock.acquire()
        first, second = (asyncio.create_task(twice(lock)) for _ in range(2))
        await turns(3)
        if released_first:
            lock.release()
        await turns(before)
        first.cancel()
        if not released_first:
            await turns(before)
            lock.release()
        await asyncio.gather(first, return_exceptions=True)
        await second
        assert not lock.locked()
        await twice(lock)

    run(main())


def test_a_cancelled_wait_leaves_the_lock_to_a_thread(run, spawn, wait_until):
    async def main():
        lock = aio.RLock()
        async with lock:
            task = asyncio.create_task(timed_out(lock))
            thread = spawn(lock.acquire_blocking)
            wait_until(lambda: asleep(lock._lock) == 1)
            await task
        assert thread.result() is True

    async def timed_out(lock):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await lock.acquire()

    run(main())


def test_blocking_a_running_loop_is_refused(run):
    async def main():
        lock = aio.RLock()
        with pytest.raises(RuntimeError, match="event loop"):
            lock.acquire_blocking()
        assert lock.acquire_blocking(blocking=False) is True
        await twice(lock)
        lock.release()
        assert not lock.locked()

    run(main())


def test_release_of_a_free_lock_is_refused():
    with pytest.raises(RuntimeError, match="un-acquired"):
        aio.RLock().release()
