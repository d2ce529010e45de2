"""Shared semaphores and events: coroutines, threads and processes meet on them."""

import asyncio
import os

import pytest
from awaitedwords.awaiting import crowded, until
from sync.conftest import fork, page

from pyfutex import sync
from pyfutex.aio import shared

__all__ = ["fork", "page"]  # fixtures
ROUNDS = 100


@pytest.fixture
def semaphore(page):
    """A shared semaphore of two permits."""
    return sync.BoundedSemaphore.create(page, value=2)


@pytest.fixture
def event(page):
    """A shared event."""
    return sync.Event.create(page)


def test_permits_are_taken_and_given_back(run, semaphore):
    async def body(words):
        awaited = shared.Semaphore(semaphore, words=words)
        async with awaited, awaited:
            assert awaited.locked()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await awaited.acquire()
        assert semaphore.value == 2
        with pytest.raises(ValueError):
            awaited.release()

    run(body)


def test_a_process_that_gives_back_wakes_tasks(run, semaphore, fork):
    def child():
        semaphore.release(2)
        return True

    async def body(words):
        awaited = shared.Semaphore(semaphore, words=words)
        async with awaited, awaited:
            pass
        await awaited.acquire()
        await awaited.acquire()
        tasks = await crowded([awaited.acquire() for _ in range(2)], words)
        fork(child)
        assert await asyncio.gather(*tasks) == [True, True]

    run(body)


def test_a_task_that_gives_back_wakes_a_process(run, semaphore, fork):
    def child():
        return semaphore.acquire()

    async def body(words):
        awaited = shared.Semaphore(semaphore, words=words)
        async with awaited, awaited:
            waiter = fork(child)
            await until(waiter.is_asleep)
        await until(waiter.has_ended)
        assert waiter.status == 0

    run(body)


def test_no_permit_is_lost_or_made(run, semaphore, fork, rng):
    def child():
        for _ in range(ROUNDS):
            with semaphore:
                os.sched_yield()
        return True

    async def body(words):
        async def task():
            for _ in range(ROUNDS // 10):
                try:
                    async with asyncio.timeout(rng.random() * 0.002), awaited:
                        await asyncio.sleep(0)
                except TimeoutError:
                    pass

        awaited = shared.Semaphore(semaphore, words=words)
        others = [fork(child) for _ in range(2)]
        await asyncio.gather(*[task() for _ in range(10)])
        await until(lambda: all(each.has_ended() for each in others))
        assert [each.status for each in others] == [0, 0]
        assert semaphore.value == 2

    run(body)


def test_a_cancelled_wait_leaves_its_permit_to_another(run, semaphore):
    async def body(words):
        awaited = shared.Semaphore(semaphore, words=words)
        await awaited.acquire()
        await awaited.acquire()
        first, second = await crowded([awaited.acquire() for _ in range(2)], words)
        awaited.release()
        first.cancel()
        assert await second
        assert first.cancelled() or await first

    run(body)


def test_an_event_that_a_process_sets_wakes_all(run, event, fork):
    def child():
        event.set()
        return True

    async def body(words):
        awaited = shared.Event(event, words=words)
        tasks = await crowded([awaited.wait() for _ in range(100)], words)
        assert not awaited.is_set()
        fork(child)
        assert await asyncio.gather(*tasks) == [True] * 100
        assert await awaited.wait()

    run(body)


def test_an_event_that_a_task_sets_wakes_a_process(run, event, fork):
    async def body(words):
        awaited = shared.Event(event, words=words)
        waiter = fork(event.wait)
        await until(waiter.is_asleep)
        awaited.set()
        await until(waiter.has_ended)
        assert waiter.status == 0
        awaited.clear()
        assert not event.is_set()

    run(body)


def test_an_event_that_is_cleared_at_once_has_been_set(run, event):
    async def body(words):
        awaited = shared.Event(event, words=words)
        tasks = await crowded([awaited.wait() for _ in range(3)], words)
        awaited.set()
        awaited.clear()
        assert await asyncio.gather(*tasks) == [True] * 3

    run(body)


def test_a_wait_for_an_event_is_given_up(run, event):
    async def body(words):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await shared.Event(event, words=words).wait()
        await until(lambda: words.waiting == 0)

    run(body)


def test_what_cannot_be_awaited_is_refused(page):
    with pytest.raises(TypeError):
        shared.Semaphore(sync.Semaphore())
    with pytest.raises(ValueError, match="undo"):
        shared.Semaphore(sync.Semaphore.create(page, value=1, undo=True))
    with pytest.raises(TypeError):
        shared.Event(sync.Event())
