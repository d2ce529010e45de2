"""A shared lock: coroutines, threads and processes meet on it."""

import asyncio
import os
import struct

import pytest
from awaitedwords.awaiting import started, until
from sync.conftest import fork, page

from pyfutex import sync
from pyfutex.aio import shared

__all__ = ["fork", "page"]  # fixtures
COUNT_AT = 1024
ROUNDS = 100
SECONDS = 20


@pytest.fixture(params=[True, False], ids=["robust", "plain"])
def lock(request, page):
    """A shared lock, with an owner and without one."""
    return sync.Lock.create(page, robust=request.param)


@pytest.fixture
def robust(page):
    """A shared lock that outlives its owner."""
    return sync.Lock.create(page)


def add_one(page):
    """What the lock is for."""
    (n,) = struct.unpack_from("Q", page, COUNT_AT)
    os.sched_yield()
    struct.pack_into("Q", page, COUNT_AT, n + 1)


@pytest.fixture
def counting(fork, lock, page):
    """Start a process that counts under the lock: ``counting()``."""

    def child():
        for _ in range(ROUNDS):
            with lock:
                add_one(page)
        return True

    return lambda: fork(child)


def test_what_is_free_is_taken_at_once(run, lock):
    async def body(words):
        awaited = shared.Lock(lock, words=words)
        async with awaited:
            assert lock.locked()
            assert awaited.locked()
            assert not lock.acquire(blocking=False)
        assert not lock.locked()
        assert words.waiting == 0

    run(body)


def test_tasks_of_a_loop_get_it_one_after_the_other(run, lock):
    async def body(words):
        got = []

        async def task(i):
            async with awaited:
                got.append(i)
                await asyncio.sleep(0)
                assert got[-1] == i

        awaited = shared.Lock(lock, words=words)
        await asyncio.gather(*[task(i) for i in range(20)])
        assert got == list(range(20))

    run(body)


def test_two_objects_for_one_lock_have_one_queue(run, robust, page):
    async def body(words):
        first, second = shared.Lock(robust, words=words), shared.Lock(sync.Lock.attach(page), words=words)
        await first.acquire()
        task = asyncio.create_task(second.acquire())
        await asyncio.sleep(0)
        assert not task.done()
        first.release()
        assert await task
        second.release()

    run(body)


def test_tasks_and_processes_lose_no_count(run, lock, page, counting):
    async def body(words):
        async def task():
            for _ in range(ROUNDS // 10):
                async with awaited:
                    add_one(page)
                    await asyncio.sleep(0)

        awaited = shared.Lock(lock, words=words)
        children = [counting() for _ in range(2)]
        await asyncio.gather(*[task() for _ in range(10)])
        await until(lambda: all(each.has_ended() for each in children))
        assert [each.status for each in children] == [0, 0]
        assert struct.unpack_from("Q", page, COUNT_AT) == (3 * ROUNDS,)

    run(body)


def test_two_loops_in_two_threads_share_one_object(robust, page, spawn):
    awaited = shared.Lock(robust)

    async def task():
        for _ in range(ROUNDS):
            async with awaited:
                add_one(page)
                await asyncio.sleep(0)

    async def two_tasks():
        await asyncio.wait_for(asyncio.gather(task(), task()), SECONDS)

    for loop in [spawn(asyncio.run, two_tasks()) for _ in range(2)]:
        loop.result()
    assert struct.unpack_from("Q", page, COUNT_AT) == (4 * ROUNDS,)
    assert not robust.locked()


def test_two_loops_in_two_processes_lose_no_count(run, robust, page, fork):
    async def rounds(words):
        awaited = shared.Lock(robust, words=words)
        for _ in range(ROUNDS):
            async with awaited:
                add_one(page)

    def child():
        run(rounds)
        return True

    async def body(words):
        await rounds(words)
        await until(other.has_ended)
        assert other.status == 0

    other = fork(child)
    run(body)
    assert struct.unpack_from("Q", page, COUNT_AT) == (2 * ROUNDS,)


def test_a_process_that_lets_go_wakes_a_task(run, lock, fork):
    reading, writing = os.pipe()

    def child():
        with lock:
            os.write(told, b"x")
            return os.read(reading, 1) == b"x"

    async def body(words):
        assert os.read(listening, 1) == b"x"
        (task,) = await started([shared.Lock(lock, words=words).acquire()], words)
        os.write(writing, b"x")
        assert await task
        await until(holder.has_ended)
        lock.release()

    listening, told = os.pipe()
    holder = fork(child)
    run(body)
    for fd in (reading, writing, listening, told):
        os.close(fd)


def test_a_task_that_lets_go_wakes_a_process(run, lock, fork):
    def child():
        with lock:
            return True

    async def body(words):
        awaited = shared.Lock(lock, words=words)
        async with awaited:
            waiter = fork(child)
            await until(waiter.is_asleep)
        await until(waiter.has_ended)
        assert waiter.status == 0

    run(body)


def test_a_thread_that_lets_go_wakes_a_task(run, lock, spawn):
    async def body(words):
        def hold():
            with lock:
                held.append(True)
                while not words.waiting:
                    os.sched_yield()

        held = []
        holder = spawn(hold)
        await until(lambda: held)
        await asyncio.wait_for(shared.Lock(lock, words=words).acquire(), SECONDS)
        holder.result()
        lock.release()

    run(body)


def test_whose_owner_is_killed_a_task_gets(run, robust, fork):
    def child():
        robust.acquire()
        return bool(os.read(reading, 1))

    async def body(words):
        awaited = shared.Lock(robust, words=words)
        holder = fork(child)
        await until(robust.locked)
        (task,) = await started([awaited.acquire()], words)
        holder.kill()
        with pytest.raises(sync.OwnerDied):
            await task
        assert robust.locked()
        awaited.consistent()
        awaited.release()
        async with awaited:
            pass

    reading, writing = os.pipe()
    run(body)
    os.close(reading)
    os.close(writing)


def test_a_task_that_lets_it_go_inconsistent_ends_it(run, robust, fork):
    async def body(words):
        awaited = shared.Lock(robust, words=words)
        holder = fork(robust.acquire)
        await until(holder.has_ended)
        with pytest.raises(sync.OwnerDied):
            await awaited.acquire()
        awaited.release()
        for _ in range(2):
            with pytest.raises(sync.NotRecoverable):
                await awaited.acquire()

    run(body)


def test_who_dies_with_it_in_a_loop_leaves_it_to_threads(run, robust, fork, wait_until):
    async def hold(words):
        await shared.Lock(robust, words=words).acquire()
        os._exit(0)

    holder = fork(lambda: run(hold))
    wait_until(holder.has_ended)
    with pytest.raises(sync.OwnerDied):
        robust.acquire()
    robust.consistent()
    robust.release()


def test_a_process_killed_between_wake_and_take_holds_others_up_for_a_second(
    run, exact, robust, fork, wait_until
):
    """Its wait is the kernel's, which spends the wake on it; it never looks. Others look again by themselves."""
    listening, told = os.pipe()

    def deaf():
        async def body(words):
            await started([shared.Lock(robust, words=words).acquire()], words)
            os.write(told, b"x")
            os.read(listening_for_ever, 1)

        run(body)

    def next_one():
        with robust:
            return True

    listening_for_ever, never = os.pipe()
    robust.acquire()
    first = fork(deaf)
    assert os.read(listening, 1) == b"x"
    second = fork(next_one)
    wait_until(second.is_asleep)
    robust.release()
    first.kill()
    wait_until(second.has_ended)
    assert second.status == 0
    for fd in (listening, told, listening_for_ever, never):
        os.close(fd)


def test_a_cancelled_wait_leaves_the_lock_to_others(run, lock):
    async def body(words):
        awaited = shared.Lock(lock, words=words)
        async with asyncio.timeout(SECONDS):
            await awaited.acquire()
            first, second = (asyncio.create_task(awaited.acquire()) for _ in range(2))
            await asyncio.sleep(0)
            first.cancel()
            await asyncio.wait([first])
            awaited.release()
            assert await second
            awaited.release()
        assert not lock.locked()

    run(body)


def test_cancels_and_releases_race_and_nobody_is_left_asleep(run, lock, page, counting, rng):
    async def body(words):
        async def task():
            for _ in range(ROUNDS // 10):
                try:
                    async with asyncio.timeout(rng.random() * 0.001):
                        await awaited.acquire()
                except TimeoutError:
                    continue
                add_one(page)
                awaited.release()
                done.append(True)

        done = []
        awaited = shared.Lock(lock, words=words)
        other = counting()
        await asyncio.gather(*[task() for _ in range(10)])
        await until(other.has_ended)
        assert other.status == 0
        assert struct.unpack_from("Q", page, COUNT_AT) == (ROUNDS + len(done),)
        await until(lambda: words.waiting == 0)
        assert not lock.locked()

    run(body)


def test_the_loops_thread_does_not_take_it_twice(run, robust):
    async def body(words):
        awaited = shared.Lock(robust, words=words)
        with robust, pytest.raises(RuntimeError, match="holds this lock already"):
            await awaited.acquire()
        async with awaited:
            with pytest.raises(RuntimeError):
                await asyncio.to_thread(awaited.release)
        with pytest.raises(RuntimeError):
            awaited.release()

    run(body)


def test_what_cannot_be_awaited_is_refused(page):
    with pytest.raises(TypeError):
        shared.Lock(sync.Lock())
    with pytest.raises(TypeError):
        shared.Lock(sync.RLock())
    with pytest.raises(ValueError, match="priority inheritance"):
        shared.Lock(sync.Lock.create(page, pi=True))
