"""`aio.Lock`: tasks of several loops and threads exclude each other."""

import asyncio
import threading

import pytest
from aio.loopturns import asleep, turns

from pyfutex import aio

TURNS = range(6)  # more than there are between a release and the return of acquire


async def holding(lock, then=lambda: None):
    """Acquire a lock, do something, and release it."""
    async with lock:
        then()


def test_it_is_locked_while_it_is_held(run):
    async def main():
        lock = aio.Lock()
        states = [lock.locked()]
        async with lock:
            states.append(lock.locked())
        return [*states, lock.locked()]

    assert run(main()) == [False, True, False]


def test_tasks_get_it_in_the_order_in_which_they_came(run):
    async def main():
        lock, order = aio.Lock(), []
        async with lock:
            tasks = [asyncio.create_task(holding(lock, lambda i=i: order.append(i))) for i in range(20)]
            await turns(3)
            assert order == []
        await asyncio.gather(*tasks)
        return order

    assert run(main()) == list(range(20))


def test_a_task_waits_for_a_thread(run, spawn):
    async def main():
        task = asyncio.create_task(holding(lock))
        await turns(3)
        assert not task.done()
        release.set()
        await task
        return lock.locked()

    def hold():
        with lock:
            held.set()
            release.wait()

    lock, held, release = aio.Lock(), threading.Event(), threading.Event()
    spawn(hold)
    held.wait()
    assert run(main()) is False


def test_a_thread_waits_for_a_task(run, spawn):
    async def main():
        async with lock:
            thread = spawn(lock.acquire_blocking)
            assert lock.acquire_blocking(blocking=False) is False
            assert spawn(lock.acquire_blocking, timeout=0.001).result() is False
        assert thread.result() is True
        assert lock.locked()
        lock.release()

    lock = aio.Lock()
    run(main())
    assert not lock.locked()


def test_two_loops_and_two_threads_count_together(new_loop, spawn):
    n, total = 300, 0
    lock = aio.Lock()

    def once():
        nonlocal total
        seen = total
        total = seen + 1

    async def task():
        nonlocal total
        for _ in range(n // 5):
            async with lock:
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
            with lock:
                once()

    for running in [spawn(loop), spawn(loop), spawn(thread), spawn(thread)]:
        running.result()
    assert total == 4 * n
    assert not lock.locked()


@pytest.mark.parametrize("is_thread", [False, True], ids=["held by a task", "held by a thread"])
@pytest.mark.parametrize("released_first", [False, True])
@pytest.mark.parametrize("before", TURNS)
def test_a_cancel_at_any_await_leaves_the_lock_to_the_next(run, spawn, is_thread, released_first, before):
    async def main():
        lock = aio.Lock()
        if is_thread:
            spawn(lock.acquire_blocking).result()
        else:
            await lock.acquire()
        first, second = (asyncio.create_task(holding(lock)) for _ in range(2))
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
        await holding(lock)

    run(main())


@pytest.mark.parametrize("before", TURNS)
def test_a_cancel_at_any_await_leaves_the_lock_to_a_thread(run, spawn, wait_until, before):
    async def main():
        lock = aio.Lock()
        await lock.acquire()
        thread = spawn(lock.acquire_blocking)
        wait_until(lambda: asleep(lock) == 1)
        task = asyncio.create_task(holding(lock))
        await turns(3)
        lock.release()
        await turns(before)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert thread.result() is True
        lock.release()

    run(main())


def test_release_of_a_free_lock_is_refused():
    with pytest.raises(RuntimeError, match="free"):
        aio.Lock().release()


def test_release_elsewhere_of_a_lock_that_a_task_holds_is_refused(run, spawn):
    async def main():
        lock = aio.Lock()
        async with lock:
            with pytest.raises(RuntimeError, match="another thread"):
                spawn(lock.release).result()
            assert lock.locked()

    run(main())


def test_another_task_of_the_loop_may_release_it(run):
    async def main():
        lock = aio.Lock()
        await lock.acquire()
        await asyncio.create_task(release(lock))
        return lock.locked()

    async def release(lock):
        lock.release()

    assert run(main()) is False


def test_blocking_a_running_loop_is_refused(run):
    async def main():
        lock = aio.Lock()
        with pytest.raises(RuntimeError, match="event loop"):
            with lock:
                pass
        assert lock.acquire_blocking(blocking=False) is True
        lock.release()

    run(main())


@pytest.mark.parametrize("arguments", [(False, 1), (True, -2)])
def test_arguments_are_those_of_threading(arguments):
    for lock in aio.Lock(), threading.Lock():
        acquire = lock.acquire_blocking if isinstance(lock, aio.Lock) else lock.acquire
        with pytest.raises(ValueError, match="timeout"):
            acquire(*arguments)
