"""A shared condition: coroutines, threads and processes wait on it and notify each other."""

import asyncio
import os
import struct

import pytest
from awaitedwords.awaiting import started, until
from sync.conftest import fork, page

from pyfutex import sync
from pyfutex.aio import shared

__all__ = ["fork", "page"]  # fixtures
LOCK_AT = 512
COUNT_AT = 1024
ITEMS = 150


@pytest.fixture(params=["own", "robust", "plain"])
def condition(request, page):
    """A shared condition, over its own lock, over one with an owner, and over one without."""
    if request.param == "own":
        return sync.Condition.create(page)
    return sync.Condition.create(page, 0, sync.Lock.create(page, LOCK_AT, robust=request.param == "robust"))


def count(page):
    """What the lock protects."""
    return struct.unpack_from("Q", page, COUNT_AT)[0]


def put(page, n):
    """Write it."""
    struct.pack_into("Q", page, COUNT_AT, n)


async def waiting_on(awaited, words, n=1):
    """Tasks that wait on a condition."""

    async def wait():
        async with awaited:
            return await awaited.wait()

    tasks = []
    for _ in range(n):
        tasks += await started([wait()], words)
    return tasks


def test_a_process_that_notifies_wakes_tasks(run, condition, fork):
    def child():
        with condition:
            condition.notify_all()
        return True

    async def body(words):
        tasks = await waiting_on(shared.Condition(condition, words=words), words, 3)
        fork(child)
        assert await asyncio.gather(*tasks) == [True] * 3
        assert not condition.locked()

    run(body)


def test_a_task_that_notifies_wakes_processes(run, condition, fork):
    def child():
        with condition:
            return condition.wait()

    async def body(words):
        awaited = shared.Condition(condition, words=words)
        waiters = [fork(child) for _ in range(2)]
        await until(lambda: all(each.is_asleep() for each in waiters))
        async with awaited:
            awaited.notify()
            awaited.notify()
        await until(lambda: all(each.has_ended() for each in waiters))
        assert [each.status for each in waiters] == [0, 0]

    run(body)


def test_tasks_notify_each_other(run, condition):
    async def body(words):
        awaited = shared.Condition(condition, words=words)
        tasks = await waiting_on(awaited, words, 3)
        async with awaited:
            awaited.notify_all()
        assert await asyncio.gather(*tasks) == [True] * 3

    run(body)


def test_items_go_to_tasks_and_processes(run, condition, page, fork):
    """Each waits for its turn, which the others give it: no notice is lost, or it would never end."""

    def turns(me):
        for turn in range(me, ITEMS, 3):
            with condition:
                condition.wait_for(lambda turn=turn: count(page) == turn)
                put(page, turn + 1)
                condition.notify_all()
        return True

    async def body(words):
        awaited = shared.Condition(condition, words=words)
        other = fork(lambda: turns(0))

        async def take_turns(me):
            for turn in range(me, ITEMS, 3):
                async with awaited:
                    await awaited.wait_for(lambda turn=turn: count(page) == turn)
                    put(page, turn + 1)
                    awaited.notify_all()

        await asyncio.gather(take_turns(1), take_turns(2))
        await until(other.has_ended)
        assert other.status == 0
        assert count(page) == ITEMS

    run(body)


def test_a_cancelled_wait_has_the_lock_again(run, condition):
    async def body(words):
        async def wait():
            async with awaited:
                try:
                    await awaited.wait()
                finally:
                    held.append(condition.locked())

        held = []
        awaited = shared.Condition(condition, words=words)
        (task,) = await started([wait()], words)
        async with awaited:
            for _ in range(3):
                task.cancel()
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                assert not held
        with pytest.raises(asyncio.CancelledError):
            await task
        assert held == [True]
        assert not condition.locked()

    run(body)


@pytest.mark.parametrize("turns", [0, 3], ids=["woken", "asleep"])
def test_the_notice_of_a_cancelled_wait_goes_to_another(run, condition, turns):
    """Whether the lock has woken it before the cancellation came, or not."""

    async def body(words):
        awaited = shared.Condition(condition, words=words)
        first, second = await waiting_on(awaited, words, 2)
        async with awaited:
            awaited.notify()
            first.cancel()
            for _ in range(turns):
                await asyncio.sleep(0)
        assert await second
        assert (await asyncio.gather(first, return_exceptions=True))[0] is not None

    run(body)


def test_a_killed_waiter_holds_up_nobody(run, condition, fork):
    def child():
        with condition:
            return condition.wait()

    def in_loop():
        async def wait(words):
            awaited = shared.Condition(condition, words=words)
            async with awaited:
                await awaited.wait()

        run(wait)
        return True

    async def body(words):
        awaited = shared.Condition(condition, words=words)
        victims = [fork(child), fork(in_loop)]
        await until(lambda: condition_waiters(condition) == 2)
        await until(victims[0].is_asleep)
        (task,) = await waiting_on(awaited, words)
        for each in victims:
            each.kill()
        async with awaited:
            awaited.notify_all()
        assert await task

    run(body)


def test_a_notified_task_lets_the_one_before_it_have_the_lock(run, condition, fork):
    """The lock's wake is spent on it, while another task of the loop, before it in the queue, sleeps on the lock."""
    listening, told = os.pipe()
    reading, writing = os.pipe()

    def child():
        with condition:
            condition.notify()
            os.write(told, b"x")
            return os.read(reading, 1) == b"x"

    async def body(words):
        awaited = shared.Condition(condition, words=words)
        (notified,) = await waiting_on(awaited, words)
        holder = fork(child)
        assert os.read(listening, 1) == b"x"
        (before,) = await started([awaited.acquire()], words)
        os.write(writing, b"x")
        done, _ = await asyncio.wait([before, notified], return_when=asyncio.FIRST_COMPLETED)
        if before in done:
            awaited.release()
            assert await notified
        else:
            assert await before
            awaited.release()
        await until(holder.has_ended)

    run(body)
    for fd in (listening, told, reading, writing):
        os.close(fd)


def condition_waiters(condition):
    """How many wait, as the condition shows."""
    return int(repr(condition).rpartition(", ")[2].rstrip(")>"))


def test_whose_owner_dies_a_notified_task_gets(run, page, fork):
    condition = sync.Condition.create(page)

    def child():
        with condition:
            condition.notify()
            os._exit(0)

    async def body(words):
        awaited = shared.Condition(condition, words=words)
        await awaited.acquire()
        task = asyncio.create_task(awaited.wait())
        await until(lambda: words.waiting)
        fork(child)
        with pytest.raises(sync.OwnerDied):
            await task
        awaited.consistent()
        awaited.release()

    run(body)


def test_without_the_lock_nobody_waits_or_notifies(run, page):
    async def body(words):
        awaited = shared.Condition(sync.Condition.create(page), words=words)
        with pytest.raises(RuntimeError):
            await awaited.wait()
        with pytest.raises(RuntimeError):
            awaited.notify_all()

    run(body)


def test_the_lock_may_be_used_by_itself(run, page):
    async def body(words):
        lock = shared.Lock(sync.Lock.create(page, LOCK_AT), words=words)
        condition = sync.Condition.create(page, 0, lock._lock)
        awaited = shared.Condition(condition, lock, words=words)
        async with lock:
            awaited.notify()
        with pytest.raises(ValueError):
            shared.Condition(condition, shared.Lock(sync.Lock.create(page, 256), words=words))
        with pytest.raises(TypeError):
            shared.Condition(sync.Condition())

    run(body)
