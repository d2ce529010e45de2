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


def deleted_or_made(arena, rng):
    """Delete a random name, or make what it is to stand for."""
    name = f"{rng.randrange(N_NAMES)}"
    try:
        if rng.random() < 0.5:
            arena.delete(name)
        else:
            (arena.lock if rng.random() < 0.5 else arena.event)(name)
    except (KeyError, ValueError):
        pass
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise


@contextlib.contextmanager
def held(lock):
    """A lock that is held, whoever died with it."""
    try:
        lock.acquire()
    except OwnerDied:
        lock.consistent()
    try:
        yield
    finally:
        lock.release()


def found_and_used(arena, guard, rng):
    """Set an event, or take a lock and let it go, and keep others from deleting it in between."""
    name = f"{rng.randrange(N_NAMES)}"
    taken = None
    with held(guard), contextlib.suppress(ValueError):
        if rng.random() < 0.5:
            arena.event(name).set()
        else:
            lock = arena.lock(name)
            try:
                taken = lock if lock.acquire(blocking=False) else None
            except OwnerDied:
                lock.consistent()
                taken = lock
    if taken is not None:
        taken.release()


def test_processes_are_killed_while_they_change_it(tmp_path, rng):
    path = tmp_path / "arena"
    arena = Arena.create(path)
    arena.semaphore("stays", 7)
    arena.lock("guard")

    def work(seed):
        mine = Arena.attach(path)
        guard = mine.lock("guard")
        random = type(rng)(seed)
        while True:
            if random.random() < 0.5:
                found_and_used(mine, guard, random)
            else:
                with held(guard):
                    deleted_or_made(mine, random)

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
                    deleted_or_made(arena, rng)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, saved)
    check(arena)
