"""Cancels in a loop race with wakes of other threads, and no wake is lost."""

import asyncio
import random
import threading
from collections import Counter

import pytest
from stress.crew import scaled

from pyfutex import Memory, WaitResult, aio

N_WORDS = 200
PASSES = scaled(5)  # a campaign of PYFUTEX_STRESS=100 is 100,000 races
LIMIT_SECONDS = 120
STRIDE = 64

pytestmark = pytest.mark.stress


@pytest.fixture
def words(manager):
    """Words that all hold 0."""
    memory = Memory(bytearray(STRIDE * N_WORDS))
    return [manager.futex(memory, STRIDE * i) for i in range(N_WORDS)]


@pytest.mark.parametrize("n_wakers", [1, 2])
def test_one_of_two_tasks_is_cancelled_and_the_wake_is_not_lost(run, words, rng, queued, spawn, n_wakers):
    """Whichever comes first, of each word one of the two tasks goes on: the wake that was counted found somebody."""

    def wake(number):
        share = words[number::n_wakers]
        random.Random(number).shuffle(share)
        gate.wait()
        return sum(word.wake() for word in share)

    async def one_pass():
        pairs = [[asyncio.ensure_future(aio.wait(word, 0)) for _ in range(2)] for word in words]
        await queued(2 * N_WORDS)
        wakers = [spawn(wake, number) for number in range(n_wakers)]
        gate.wait()
        for i, (first, _) in enumerate(rng.sample(pairs, N_WORDS)):
            first.cancel()
            if i % 8 == 0:
                await asyncio.sleep(0)
        for first, second in pairs:
            if first.cancelled() or await ended_as_cancelled(first):
                assert await second is WaitResult.WOKEN
                counts["cancelled"] += 1
            else:
                assert not second.done()
                second.cancel()
                counts["woken"] += 1
        assert sum(waker.result() for waker in wakers) == N_WORDS
        await asyncio.gather(*(second for _, second in pairs), return_exceptions=True)

    async def main():
        async with asyncio.timeout(LIMIT_SECONDS):
            for _ in range(PASSES):
                await one_pass()

    gate = threading.Barrier(n_wakers + 1)
    counts = Counter()
    run(main())
    assert counts.total() == PASSES * N_WORDS


async def ended_as_cancelled(task):
    """Wait for a task; whether it was cancelled."""
    return isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)


def test_permits_of_a_word_reach_tasks_that_are_cancelled_at_random(run, manager, memory, rng, spawn):
    """A semaphore of the bare word: as many tasks get a permit as were released, whoever is cancelled meanwhile."""
    n_permits = scaled(2000)
    word = manager.futex(memory, 0)

    def release():
        for _ in range(n_permits):
            word.fetch_add(1)
            word.wake()

    async def take():
        while True:
            value = word.load()
            if value == 0:
                await aio.wait(word, 0)
            elif word.compare_exchange(value, value - 1):
                return

    async def main():
        taken, tasks = 0, {asyncio.ensure_future(take()) for _ in range(50)}
        releasing = [spawn(release) for _ in range(2)]
        async with asyncio.timeout(LIMIT_SECONDS):
            while taken < 2 * n_permits:
                for task in rng.sample(sorted(tasks, key=id), 10):
                    task.cancel()
                ended, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                taken += sum(not task.cancelled() for task in ended)
                tasks |= {asyncio.ensure_future(take()) for _ in ended}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for thread in releasing:
            thread.result()
        return taken

    assert run(main()) == 2 * n_permits
    assert word.load() == 0


def test_a_lock_is_never_lost_between_cancelled_tasks_and_threads_that_give_up(new_loop, rng, spawn):
    n_threads, n_loops, n_tasks, n = 2, 2, 8, scaled(200)
    lock, inside, met = aio.Lock(), 0, 0

    def enter():
        nonlocal inside, met
        met += inside
        inside += 1

    def leave():
        nonlocal inside
        inside -= 1

    async def hold():
        async with lock:
            enter()
            try:
                await asyncio.sleep(0)
            finally:
                leave()

    async def tasks(choose):
        waiting = set()
        for _ in range(n):
            waiting |= {asyncio.ensure_future(hold()) for _ in range(n_tasks - len(waiting))}
            for task in choose.sample(sorted(waiting, key=id), n_tasks // 2):
                task.cancel()
            _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        async with asyncio.timeout(LIMIT_SECONDS):
            await asyncio.gather(*waiting, return_exceptions=True)

    def loop(seed):
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(tasks(random.Random(seed)))

    def thread(seed):
        choose = random.Random(seed)
        for _ in range(n):
            if lock.acquire_blocking(timeout=choose.choice((0, 1e-5, 1e-3, LIMIT_SECONDS))):
                enter()
                leave()
                lock.release()

    running = [spawn(loop, rng.random()) for _ in range(n_loops)]
    running += [spawn(thread, rng.random()) for _ in range(n_threads)]
    for each in running:
        each.result(LIMIT_SECONDS)
    assert (met, inside) == (0, 0)
    assert not lock.locked()


def test_an_rwlock_whose_users_give_up_lets_the_others_in(new_loop, spawn):
    """Tasks of two loops and two threads, with timeouts that race with their turns: no wake is lost, no writer met."""

    def enter(writes):
        with mutex:
            assert not inside["writers"]
            assert not (writes and inside["readers"])
            inside["writers" if writes else "readers"] += 1

    def leave(writes):
        with mutex:
            inside["writers" if writes else "readers"] -= 1

    async def task(rng):
        for _ in range(20 * PASSES):
            writes = rng.random() < 0.4
            try:
                async with (
                    asyncio.timeout(rng.choice([None, rng.random() * 0.0006])),
                    lock.write() if writes else lock.read(),
                ):
                    enter(writes)
                    try:
                        await asyncio.sleep(0)
                    finally:
                        leave(writes)
            except TimeoutError:
                pass

    async def tasks(number):
        await asyncio.gather(*(task(random.Random(f"{number} {i}")) for i in range(5)))

    def loop(number):
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(tasks(number))

    def thread(number):
        rng = random.Random(number)
        for _ in range(60 * PASSES):
            writes = rng.random() < 0.4
            acquire = lock.acquire_write_blocking if writes else lock.acquire_read_blocking
            if acquire(timeout=rng.choice([-1, rng.random() * 0.0006])):
                enter(writes)
                leave(writes)
                (lock.release_write if writes else lock.release_read)()

    lock, mutex, inside = aio.RWLock(), threading.Lock(), Counter()
    for running in [spawn(loop, 1), spawn(loop, 2), spawn(thread, 3), spawn(thread, 4)]:
        running.result(LIMIT_SECONDS)
    assert not lock.locked()
    assert lock.acquire_write_blocking(blocking=False)
