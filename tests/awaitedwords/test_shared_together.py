"""Tasks of a loop that wait for one shared primitive: one of them waits in the kernel for all."""

import asyncio

import pytest
from awaitedwords.awaiting import crowded, until
from sync.conftest import page

from pyfutex import sync
from pyfutex.aio import shared

__all__ = ["page"]  # a fixture


@pytest.fixture
def semaphore(page):
    """A shared semaphore that has no permit."""
    return sync.Semaphore.create(page, value=0)


@pytest.fixture
def event(page):
    """A shared event."""
    return sync.Event.create(page)


def lock(page):
    """Of a lock without owner: who waits for it, and what lets them go."""
    lock = sync.Lock.create(page, robust=False)
    lock.acquire()

    def waits(words):
        awaited = shared.Lock(lock, words=words)

        async def one():
            async with awaited:
                pass

        return one

    return waits, lock.release


def permits(page):
    """The same of a semaphore."""
    semaphore = sync.Semaphore.create(page, value=0)
    return lambda words: shared.Semaphore(semaphore, words=words).acquire, lambda: semaphore.release(500)


def flag(page):
    """The same of an event."""
    event = sync.Event.create(page)
    return lambda words: shared.Event(event, words=words).wait, event.set


@pytest.mark.parametrize("made", [lock, permits, flag])
def test_many_tasks_take_one_wait_and_no_second_thread(run, page, made):
    async def body(words):
        one = waits(words)
        tasks = await crowded([one() for _ in range(500)], words)
        assert words.threads == (words.engine == "futex_waitv")
        release()
        await asyncio.gather(*tasks)

    waits, release = made(page)
    run(body)


def test_tasks_get_permits_in_the_order_in_which_they_came(run, semaphore):
    async def body(words):
        async def take(i):
            await awaited.acquire()
            order.append(i)

        awaited, order = shared.Semaphore(semaphore, words=words), []
        tasks = await crowded([take(i) for i in range(20)], words)
        for _ in range(10):
            semaphore.release(2)
            await until(lambda: semaphore.value == 0)
        await asyncio.gather(*tasks)
        return order

    assert run(body) == list(range(20))


@pytest.mark.parametrize("n_cancelled", [1, 2, 5])
@pytest.mark.parametrize("is_set_first", [False, True])
def test_those_who_wait_go_on_though_the_one_that_slept_for_them_is_cancelled(
    run, event, n_cancelled, is_set_first
):
    async def body(words):
        awaited = shared.Event(event, words=words)
        tasks = await crowded([awaited.wait() for _ in range(6)], words)
        if is_set_first:
            event.set()
            event.clear()
        for task in tasks[:n_cancelled]:
            task.cancel()
            if not is_set_first:
                await asyncio.sleep(0)
        if not is_set_first:
            event.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = run(body)
    assert results[n_cancelled:] == [True] * (6 - n_cancelled)
    assert all(isinstance(error, asyncio.CancelledError) for error in results[:n_cancelled])


def test_who_comes_after_an_event_was_cleared_waits_for_the_next_time(run, event):
    async def body(words):
        awaited = shared.Event(event, words=words)
        early = await crowded([awaited.wait() for _ in range(3)], words)
        event.set()
        event.clear()
        late = [asyncio.create_task(awaited.wait()) for _ in range(3)]
        assert await asyncio.gather(*early) == [True] * 3
        await until(lambda: words.waiting == 1)
        assert not any(task.done() for task in late)
        event.set()
        return await asyncio.gather(*late)

    assert run(body) == [True] * 3


def test_waits_that_were_given_up_leave_nothing_behind(run, event):
    async def body(words):
        awaited = shared.Event(event, words=words)
        (first,) = await crowded([awaited.wait()], words)
        for _ in range(10):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await awaited.wait()
        left = len(awaited._crowds.here()._others)
        event.set()
        return left, await first

    assert run(body) == (0, True)
