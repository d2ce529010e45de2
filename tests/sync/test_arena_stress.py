"""An arena whose names many processes make and delete at once, while they are killed or interrupted at random."""

import contextlib
import errno
import signal
import time

import pytest
from stress.crew import scaled
from sync.children import forked
from sync.test_arena_repair import check

from pyfutex.sync import Arena, OwnerDied

pytestmark = [
    pytest.mark.stress,
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]

N_NAMES = 40


class Stop(Exception):
    """What a signal handler raises."""


def change_at_random(arena, rng, *, holds=True):
    """Make, delete or hold what a random name stands for."""
    name = f"{rng.randrange(N_NAMES)}"
    try:
        if rng.random() < 0.4:
            arena.delete(name)
        elif rng.random() < 0.5:
            arena.event(name).set()
        else:
            lock = arena.lock(name)
            if holds and lock.acquire(blocking=False):
                lock.release()
    except (KeyError, ValueError, OwnerDied):
        pass
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.ENOTRECOVERABLE):
            raise


def test_processes_are_killed_while_they_change_it(tmp_path, rng):
    path = tmp_path / "arena"
    arena = Arena.create(path)
    arena.semaphore("stays", 7)

    def work(seed):
        mine = Arena.attach(path)
        random = type(rng)(seed)
        while True:
            change_at_random(mine, random)

    children = [forked(lambda seed=seed: work(seed)) for seed in range(3)]
    for kill in range(scaled(150)):
        time.sleep(rng.uniform(0, 0.01))  # a random moment, which is what the test is about
        at = rng.randrange(len(children))
        assert not children[at].has_ended(), children[at].status
        children[at].kill()
        children[at] = forked(lambda seed=kill: work(seed))
    for child in children:
        child.kill()
    check(Arena.attach(path))
    assert "stays" in arena


def test_a_thread_is_interrupted_while_it_changes_it(tmp_path, rng):
    arena = Arena.create(tmp_path / "arena")

    def stop(number, frame):
        raise Stop

    saved = signal.signal(signal.SIGALRM, stop)
    try:
        for _ in range(scaled(2000)):
            with contextlib.suppress(Stop):
                signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-6, 3e-4))
                while True:
                    change_at_random(arena, rng, holds=False)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, saved)
    check(arena)
