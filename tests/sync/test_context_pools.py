"""Pools of a context, whose workers die: the task of each fails, and nothing hangs."""

import os
import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import pytest
from sync.participants import (
    HOW_TO_END,
    RefusesToArrive,
    double,
    end_at_three,
    kill,
    killed_at_three,
    megabytes,
    pause_at_three,
)
from sync.sleeping import state

from pyfutex import sync

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

SECONDS = 30


@pytest.fixture
def pool(context):
    with context.Pool(2) as made:
        yield made
        made.close()
        made.join()


def test_a_pool_works(pool):
    assert pool.map(double, range(20)) == [*range(0, 40, 2)]
    assert [*pool.imap(double, range(5), chunksize=2)] == [*range(0, 10, 2)]
    assert len(pool.apply(megabytes, (3,))) == 3 << 20
    assert pool.map(len, [megabytes(1)] * 4, chunksize=1) == [1 << 20] * 4


@pytest.mark.parametrize("how", HOW_TO_END)
def test_the_task_of_a_worker_that_ends_fails_and_the_pool_goes_on(how, pool):
    others = [pool.apply_async(end_at_three, (number, how)) for number in range(6)]
    for number, result in enumerate(others):
        if number == 3:
            with pytest.raises(sync.WorkerDied, match="exit code"):
                result.get(SECONDS)
        else:
            assert result.get(SECONDS) == 2 * number
    with pytest.raises(sync.WorkerDied):
        pool.starmap_async(end_at_three, [(number, how) for number in range(6)]).get(SECONDS)
    assert pool.map_async(double, range(9)).get(SECONDS) == [*range(0, 18, 2)]


def test_an_iterator_raises_in_the_place_of_the_task_and_goes_on(pool):
    results = pool.imap(killed_at_three, range(6))
    assert [results.next(SECONDS) for _ in range(3)] == [0, 2, 4]
    with pytest.raises(sync.WorkerDied):
        results.next(SECONDS)
    assert [results.next(SECONDS) for _ in range(2)] == [8, 10]
    with pytest.raises(StopIteration):
        results.next(SECONDS)


def test_workers_that_are_killed_while_they_wait_lose_nothing(pool, wait_until):
    for _ in range(3):
        wait_until(pool._inqueue._rlock.locked)
        for worker in [*pool._pool]:
            kill(worker)
        assert pool.map_async(double, range(9)).get(SECONDS) == [*range(0, 18, 2)]


def test_tasks_are_taken_while_no_worker_is_there(context):
    with context.Pool(2) as pool:
        workers, pool._pool = pool._pool, []
        for iterable in range(9), iter(range(9)):
            results = pool.map_async(double, iterable)
            assert results.get(SECONDS) == [*range(0, 18, 2)]
        assert pool.map(double, []) == []
        pool._pool = workers
        pool.close()
        pool.join()


def test_workers_that_have_done_their_share_are_not_taken_for_dead(context):
    with context.Pool(2, maxtasksperchild=1) as pool:
        assert pool.map_async(double, range(9), chunksize=1).get(SECONDS) == [*range(0, 18, 2)]
        pool.close()
        pool.join()


def test_a_task_that_cannot_be_unpickled_fails(pool):
    with pytest.raises(sync.WorkerDied):
        pool.apply_async(double, (RefusesToArrive(),)).get(SECONDS)
    assert pool.apply(double, (1,)) == 2


def test_a_pool_is_terminated_with_workers_killed_and_tasks_left(context, wait_until):
    pool = context.Pool(2)
    results = [pool.apply_async(pause_at_three, (3,)) for _ in range(50)]
    wait_until(lambda: all(worker._slot.task() is not None for worker in pool._pool))
    kill(pool._pool[0])
    with pytest.raises(sync.WorkerDied):
        wait_until(lambda: next((result for result in results if result.ready()), None)).get()
    pool.terminate()
    pool.join()


def test_an_executor_breaks_when_a_worker_is_killed(context):
    with ProcessPoolExecutor(2, mp_context=context) as executor:
        with pytest.raises(BrokenProcessPool):
            [*executor.map(end_at_three, range(6), ["killed"] * 6, timeout=SECONDS)]


def test_an_executor_breaks_when_a_worker_is_killed_in_the_middle_of_a_result(context, wait_until):
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        assert executor.submit(double, 1).result(SECONDS) == 2
        (worker,) = executor._processes.values()
        writing = executor._result_queue._wlock
        while True:
            future = executor.submit(megabytes, 16)
            wait_until(writing.locked)
            os.kill(worker.pid, signal.SIGSTOP)
            wait_until(lambda: state(worker.pid, worker.pid) == "T")
            if writing.locked():
                break
            os.kill(worker.pid, signal.SIGCONT)
            future.result(SECONDS)
        kill(worker)
        with pytest.raises(BrokenProcessPool):
            future.result(SECONDS)
