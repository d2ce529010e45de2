"""RWLock: threads and processes that read and write at random, killed at any moment."""

import os
import signal
import struct

import pytest
from stress.crew import scaled
from sync.holding import state

from pyfutex.sync import OwnerDied, RWLock


@pytest.fixture(params=["private", "shared", "robust"])
def lock(request, page):
    """A lock of each sort."""
    if request.param == "private":
        return RWLock()
    return RWLock.create(page, readers=8, robust=request.param == "robust")


class Pair:
    """Two numbers in shared memory that a writer keeps equal, and how often one did."""

    def __init__(self, page):
        self._numbers = page
        self._at = len(page) - 16

    def read(self):
        """Both, one after the other."""
        return self._number(0), self._number(8)

    def _number(self, at):
        return struct.unpack_from("Q", self._numbers, self._at + at)[0]

    def _set(self, at, value):
        struct.pack_into("Q", self._numbers, self._at + at, value)

    def write(self):
        """One more, half by half."""
        first = self._number(0) + 1
        self._set(0, first)
        os.sched_yield()
        self._set(8, first)

    def repair(self):
        """Make good what a dead writer left."""
        self._set(8, self._number(0))


def work(lock, pair, rng, rounds):
    """Read and write in turn; True if no half-done write was seen."""
    for _ in range(rounds):
        try:
            if rng.random() < 0.7:
                with lock.read():
                    first, second = pair.read()
            else:
                with lock.write():
                    first, second = pair.read()
                    pair.write()
        except OwnerDied:
            pair.repair()
            lock.consistent()
            lock.release_write()
            continue
        if first != second:
            return False
    return True


@pytest.mark.stress
def test_no_thread_sees_a_half_done_write(lock, page, spawn, rng):
    pair = Pair(page)
    for running in [spawn(work, lock, pair, rng, scaled(4000)) for _ in range(6)]:
        assert running.result()
    assert state(lock) == (0, False, False)


@pytest.mark.stress
@pytest.mark.parametrize("robust", [False, True])
def test_no_process_sees_a_half_done_write(page, fork, wait_until, rng, robust):
    lock, pair = RWLock.create(page, readers=2, robust=robust), Pair(page)
    children = [fork(lambda: work(lock, pair, rng, scaled(10000))) for _ in range(4)]
    for child in children:
        wait_until(child.has_ended)
        assert child.status == 0
    first, second = pair.read()
    assert first == second > 0
    assert state(lock) == (0, False, False)


@pytest.mark.stress
@pytest.mark.parametrize(("robust", "readers"), [(False, 1), (True, 1), (True, 2)])
def test_of_a_reader_and_a_writer_that_come_at_once_one_sees_the_other(
    page, fork, wait_until, robust, readers
):
    lock = RWLock.create(page, readers=readers, robust=robust)
    numbers = memoryview(page)[-16:].cast("Q")
    rounds = scaled(1_500_000)

    def read():
        for _ in range(rounds):
            lock.acquire_read()
            seen = numbers[0]
            if numbers[1] != seen:
                return False
            lock.release_read()
        return True

    def write():
        for number in range(1, rounds + 1):
            lock.acquire_write()
            numbers[0] = number
            numbers[1] = number
            lock.release_write()
        return True

    children = [fork(read), fork(write)]
    for child in children:
        wait_until(child.has_ended)
        assert child.status == 0
    numbers.release()


@pytest.mark.stress
@pytest.mark.parametrize("robust", [False, True])
def test_readers_that_come_and_leave_at_once_are_all_counted(page, all_succeed, robust):
    lock = RWLock.create(page, readers=2, robust=robust)

    def read():
        for _ in range(scaled(1_000_000)):
            lock.acquire_read()
            lock.release_read()
        return True

    all_succeed(read, read)
    assert state(lock) == (0, False, False)


@pytest.mark.stress
def test_processes_killed_at_any_moment_leave_the_others_going(page, fork, wait_until, rng):
    lock, pair = RWLock.create(page, readers=3), Pair(page)
    children = [fork(lambda: work(lock, pair, rng, 1 << 40)) for _ in range(4)]
    for _ in range(scaled(150)):
        goal = pair.read()[0] + rng.randrange(6)
        wait_until(lambda: pair.read()[0] >= goal)
        victim = children.pop(0)
        victim.kill()
        assert victim.status == -signal.SIGKILL
        assert not any(child.has_ended() for child in children)
        children.append(fork(lambda: work(lock, pair, rng, 1 << 40)))
        # Every survivor gets on.
        goal = pair.read()[0] + 2
        wait_until(lambda: pair.read()[0] >= goal)
    for child in children:
        child.kill()
    try:
        assert lock.acquire_write()
    except OwnerDied:
        pair.repair()
        lock.consistent()
    assert len(set(pair.read())) == 1
    lock.release_write()
