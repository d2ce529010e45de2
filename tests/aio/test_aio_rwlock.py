"""`aio.RWLock`: tasks of several loops and threads read together, and write alone, writers first."""

import asyncio

import pytest
from aio.loopturns import asleep, turns

from pyfutex import aio

TURNS = range(6)


def state(lock):
    """How many read, and whether one writes, or anybody does anything."""
    return lock.n_readers, lock.write_locked, lock.locked()


async def holding(side, then=lambda: None):
    """Hold a side of a lock, and do something."""
    async with side:
        then()


def test_readers_share_and_a_writer_is_alone(run, spawn):
    async def main():
        lock = aio.RWLock()
        async with lock.read():
            assert state(lock) == (1, False, True)
            assert await asyncio.create_task(lock.acquire_read()) is True
            assert spawn(lock.acquire_read_blocking).result() is True
            assert spawn(lock.acquire_write_blocking, blocking=False).result() is False
            assert spawn(lock.acquire_write_blocking, timeout=0.001).result() is False
            # The writers that gave up have left the door open.
            assert lock.acquire_read_blocking(blocking=False) is True
            assert state(lock) == (4, False, True)
            for _ in range(3):
                lock.release_read()
        async with lock.write():
            assert state(lock) == (0, True, True)
            for acquire in lock.acquire_read_blocking, lock.acquire_write_blocking:
                assert spawn(acquire, blocking=False).result() is False
                assert spawn(acquire, timeout=0.001).result() is False
        return state(lock)

    assert run(main()) == (0, False, False)


def test_readers_wait_behind_a_writer_that_waits_and_go_on_in_their_order(run):
    async def main():
        lock, order = aio.RWLock(), []

        def task(side, name):
            return asyncio.create_task(holding(side, lambda: order.append(name)))

        async with lock.read():
            tasks = [task(lock.write(), "w0")]
            await turns(2)
            tasks += [task(lock.read(), "r0"), task(lock.write(), "w1"), task(lock.read(), "r1")]
            await turns(3)
            assert lock.acquire_read_blocking(blocking=False) is False
            assert order == []
        await asyncio.gather(*tasks)
        assert state(lock) == (0, False, False)
        return order

    assert run(main()) == ["w0", "r0", "w1", "r1"]


def test_no_reader_that_comes_between_two_writers_overtakes_the_second(run):
    async def main():
        lock, order = aio.RWLock(), []
        await lock.acquire_write()
        second = asyncio.create_task(holding(lock.write(), lambda: order.append("writer")))
        await turns(2)
        lock.release_write()
        assert lock.acquire_read_blocking(blocking=False) is False
        reader = asyncio.create_task(holding(lock.read(), lambda: order.append("reader")))
        await asyncio.gather(second, reader)
        return order

    assert run(main()) == ["writer", "reader"]


def test_two_loops_and_two_threads_write_alone(new_loop, spawn):
    n, total = 60, 0
    lock, readers = aio.RWLock(), []

    def written():
        nonlocal total
        assert not readers
        seen = total
        total = seen + 1
        assert not readers

    def has_read(before):
        readers.pop()
        assert total == before

    async def task():
        for _ in range(n):
            async with lock.write():
                written()
                await asyncio.sleep(0)
            async with lock.read():
                readers.append(1)
                before = total
                await asyncio.sleep(0)
                has_read(before)

    async def tasks():
        await asyncio.gather(*(task() for _ in range(3)))

    def loop():
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(tasks())

    def thread():
        for _ in range(n):
            with lock.write():
                written()
            with lock.read():
                readers.append(1)
                before = total
                has_read(before)

    for running in [spawn(loop), spawn(loop), spawn(thread), spawn(thread)]:
        running.result()
    assert total == 8 * n
    assert state(lock) == (0, False, False)


@pytest.mark.parametrize("held", ["read", "write"])
@pytest.mark.parametrize("wanted", ["read", "write"])
@pytest.mark.parametrize("released_first", [False, True])
@pytest.mark.parametrize("before", TURNS)
def test_a_cancel_at_any_await_leaves_the_lock_to_the_next(run, held, wanted, released_first, before):
    async def main():
        lock = aio.RWLock()
        await getattr(lock, f"acquire_{held}")()
        release = getattr(lock, f"release_{held}")
        # Behind a writer, or a reader would not wait.
        waiting = asyncio.create_task(holding(lock.write()))
        await turns(2)
        first = asyncio.create_task(holding(getattr(lock, wanted)()))
        others = [asyncio.create_task(holding(side)) for side in (lock.read(), lock.write(), lock.read())]
        await turns(3)
        if released_first:
            release()
        await turns(before)
        first.cancel()
        waiting.cancel()
        if not released_first:
            await turns(before)
            release()
        await asyncio.gather(first, waiting, return_exceptions=True)
        await asyncio.gather(*others)
        assert state(lock) == (0, False, False)
        await holding(lock.write())
        assert lock.acquire_read_blocking(blocking=False)

    run(main())


def test_a_timeout_lets_those_in_who_waited_behind(run, spawn):
    async def timed_out(lock):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await lock.acquire_write()

    async def main():
        lock = aio.RWLock()
        async with lock.read():
            writer = asyncio.create_task(timed_out(lock))
            await turns(2)
            thread = spawn(lock.acquire_read_blocking)
            assert await lock.acquire_read() is True
            await writer
            assert thread.result() is True
            return lock.n_readers

    assert run(main()) == 3


@pytest.mark.parametrize("before", TURNS)
def test_a_writing_task_that_is_cancelled_leaves_the_lock_to_a_thread(run, spawn, wait_until, before):
    async def main():
        lock = aio.RWLock()
        await lock.acquire_read()
        task = asyncio.create_task(holding(lock.write()))
        await turns(2)
        thread = spawn(lock.acquire_write_blocking)
        wait_until(lambda: asleep(lock._gate) == 1)
        lock.release_read()
        await turns(before)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert thread.result() is True
        return state(lock)

    assert run(main()) == (0, True, True)


def test_a_writer_that_asks_again_is_refused(run):
    async def main():
        lock = aio.RWLock()
        async with lock.write():
            for acquire in lock.acquire_read, lock.acquire_write:
                with pytest.raises(RuntimeError, match="holds it for writing"):
                    await acquire()
        return state(lock)

    assert run(main()) == (0, False, False)
    lock = aio.RWLock()
    with lock.write():
        for acquire in lock.acquire_read_blocking, lock.acquire_write_blocking:
            with pytest.raises(RuntimeError, match="holds it for writing"):
                acquire()


def test_who_does_not_hold_it_does_not_let_it_go(run, spawn):
    async def main():
        lock = aio.RWLock()
        async with lock.write():
            with pytest.raises(RuntimeError, match="not held"):
                spawn(lock.release_write).result()
            with pytest.raises(RuntimeError, match="not held"):
                await asyncio.create_task(released(lock))
            with pytest.raises(RuntimeError, match="nobody holds"):
                lock.release_read()
            assert lock.write_locked

    async def released(lock):
        lock.release_write()

    run(main())


@pytest.mark.parametrize("side", ["read", "write"])
def test_blocking_a_running_loop_is_refused(run, side):
    async def main():
        lock = aio.RWLock()
        acquire = getattr(lock, f"acquire_{side}_blocking")
        with pytest.raises(RuntimeError, match="event loop"):
            acquire()
        with pytest.raises(ValueError, match="timeout"):
            acquire(False, 1)
        assert state(lock) == (0, False, False)
        assert acquire(blocking=False) is True

    run(main())
