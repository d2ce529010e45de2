"""Processes of a queue and workers of a pool that are killed at random: the others go on, and what arrives is whole."""

import contextlib
import os
import signal

import pytest
from sync.participants import echo, get_for_ever, kill, put_for_ever

from pyfutex import sync

pytestmark = [
    pytest.mark.stress,
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]

KILLS = 100
SECONDS = 30
SIZES = [10, 1000, 100_000, 500_000]


@pytest.mark.parametrize("kind", ["Queue", "SimpleQueue"])
def test_a_queue_outlives_those_who_use_it(kind, rng, wait_until):
    context = sync.get_context("fork")
    queue, counts = getattr(context, kind)(), context.RawArray("l", 3)

    def begin(place):
        kinds = ((put_for_ever, (queue, rng.random())), (get_for_ever, (queue, counts)))
        process = context.Process(target=kinds[place % 2][0], args=kinds[place % 2][1], daemon=True)
        process.start()
        return process

    processes = [begin(place) for place in range(6)]
    try:
        for _ in range(KILLS):
            whole = counts[0]
            wait_until(lambda: counts[0] >= whole + rng.randrange(1, 20))
            place = rng.randrange(len(processes))
            assert processes[place].exitcode is None
            kill(processes[place])
            processes[place] = begin(place)
    finally:
        for process in processes:
            kill(process)
        queue.close()
    print(f"{counts[0]} whole, {counts[1]} torn")
    assert counts[2] == 0


def test_a_pool_outlives_its_workers(rng):
    failed = done = 0
    with sync.get_context("fork").Pool(4) as pool:
        for _ in range(KILLS):
            tasks = [(number, rng.choice(SIZES)) for number in range(12)]
            results = [pool.apply_async(echo, task) for task in tasks]
            results[rng.randrange(len(results))].wait(SECONDS)  # the others are under way or to come
            with contextlib.suppress(IndexError, ProcessLookupError):
                os.kill(rng.choice([*pool._pool]).pid, signal.SIGKILL)
            for task, result in zip(tasks, results, strict=True):
                try:
                    assert result.get(SECONDS) == (task[0], bytes(task[1]))
                    done += 1
                except sync.WorkerDied:
                    failed += 1
        pool.close()
        pool.join()
    print(f"{done} done, {failed} failed")
    assert failed <= KILLS
