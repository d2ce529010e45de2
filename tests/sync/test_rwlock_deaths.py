"""RWLock: what becomes of it when a thread ends that holds it or waits for it, in whatever way."""

import mmap
import signal
import subprocess
import sys

import pytest
from sync.holding import Holder, state

from pyfutex.sync import NotRecoverable, OwnerDied, RWLock


@pytest.fixture
def robust(page):
    """One in shared memory, with room for four readers."""
    return RWLock.create(page, readers=4)


def holding(fork, wait_until, body):
    """A child that has run `body` and does nothing more."""
    held = mmap.mmap(-1, mmap.PAGESIZE)

    def run():
        body()
        held[0] = 1
        signal.pause()

    child = fork(run)
    wait_until(lambda: held[0])
    return child


def killed(fork, wait_until, body):
    """A child that runs `body`, and is killed then."""
    holding(fork, wait_until, body).kill()


def test_a_reader_that_is_killed_has_let_go(robust, fork, wait_until):
    killed(fork, wait_until, robust.acquire_read)
    assert state(robust) == (0, False, False)
    with robust.write():
        pass
    killed(fork, wait_until, robust.acquire_read)
    for _ in range(2):
        with robust.read():
            pass


def test_a_writer_that_waits_hears_that_the_last_reader_was_killed(robust, fork, wait_until):
    reading = mmap.mmap(-1, mmap.PAGESIZE)

    def read():
        with robust.read():
            reading[0] += 1
            signal.pause()

    def write():
        with robust.write():
            return True

    readers = []
    for n in (1, 2):
        readers.append(fork(read))
        wait_until(lambda: reading[0] == n)
    writer = fork(write)
    for reader in readers:
        wait_until(writer.is_asleep)
        reader.kill()
    wait_until(writer.has_ended)
    assert writer.status == 0


def test_the_place_of_a_reader_that_was_killed_while_a_writer_waited_is_free(robust, fork, wait_until, spawn):
    reader = holding(fork, wait_until, robust.acquire_read)
    writer = fork(lambda: robust.acquire_write() and robust.release_write() is None)
    wait_until(writer.is_asleep)
    reader.kill()
    wait_until(writer.has_ended)
    assert writer.status == 0
    # Whichever it was: all four are taken.
    holders = [Holder(spawn, robust.acquire_read, robust.release_read) for _ in range(4)]
    assert state(robust) == (4, False, True)
    for holder in holders:
        holder.lets_go()


@pytest.mark.parametrize("side", ["read", "write"])
def test_who_comes_after_a_writer_that_was_killed_holds_it_for_writing(robust, fork, wait_until, side):
    acquire = getattr(robust, f"acquire_{side}")
    killed(fork, wait_until, robust.acquire_write)
    assert not robust.write_locked
    with pytest.raises(OwnerDied):
        acquire()
    assert state(robust) == (0, True, True)
    robust.consistent()
    robust.release_write()
    with robust.read():
        pass
    with robust.write(), pytest.raises(RuntimeError):
        robust.consistent()


@pytest.mark.parametrize("blocking", [False, True])
@pytest.mark.parametrize("side", ["read", "write"])
def test_who_waits_for_a_writer_that_is_killed_hears_of_it(robust, fork, wait_until, side, blocking):
    def hear():
        try:
            getattr(robust, f"acquire_{side}")()
        except OwnerDied:
            robust.consistent()
            robust.release_write()
            return True
        return False

    writer = holding(fork, wait_until, robust.acquire_write)
    if blocking:
        waiting = fork(hear)
        wait_until(waiting.is_asleep)
        writer.kill()
        wait_until(waiting.has_ended)
        assert waiting.status == 0
    else:
        writer.kill()
        with pytest.raises(OwnerDied):
            getattr(robust, f"acquire_{side}")(blocking=False)
        robust.release_write()


def test_without_consistent_it_is_recoverable_no_more(robust, fork, wait_until):
    killed(fork, wait_until, robust.acquire_write)
    with pytest.raises(OwnerDied):
        robust.acquire_read()
    robust.release_write()
    for acquire in (robust.acquire_read, robust.acquire_write):
        for arguments in ((), (False,)):
            with pytest.raises(NotRecoverable):
                acquire(*arguments)
    assert state(robust) == (0, False, False)


def test_what_a_dead_writer_left_is_told_until_it_is_made_good(robust, fork, wait_until):
    def find():
        with pytest.raises(OwnerDied):
            robust.acquire_read()

    killed(fork, wait_until, robust.acquire_write)
    killed(fork, wait_until, find)
    find()
    robust.consistent()
    robust.release_write()
    with robust.read():
        pass


def test_a_writer_that_was_killed_before_it_was_in_is_not_heard_of(robust, fork, wait_until, spawn):
    # Another one has been in before.
    with robust.write():
        pass
    reading = Holder(spawn, robust.acquire_read, robust.release_read)
    writer = fork(robust.acquire_write)
    wait_until(writer.is_asleep)
    writer.kill()
    with robust.read():
        assert robust.n_readers == 2
    reading.lets_go()
    with robust.write():
        pass


@pytest.mark.parametrize("side", ["read", "write"])
def test_who_is_killed_while_it_waits_takes_no_wake_with_it(robust, fork, wait_until, side):
    robust.acquire_write()

    def wait():
        getattr(robust, f"acquire_{side}")()
        getattr(robust, f"release_{side}")()
        return True

    waiting = [fork(wait) for _ in range(4)]
    wait_until(lambda: all(child.is_asleep() for child in waiting))
    # Stopped, it gets the wake and does nothing with it.
    waiting[0].send(signal.SIGSTOP)
    wait_until(waiting[0].is_stopped)
    robust.release_write()
    waiting[0].kill()
    for child in waiting[1:]:
        wait_until(child.has_ended)
        assert child.status == 0


def test_a_thread_that_ends_while_it_reads_has_let_go(robust, spawn, wait_until):
    spawn(robust.acquire_read).result()
    wait_until(lambda: robust.n_readers == 0)
    with robust.write():
        pass


def test_the_child_of_a_fork_holds_nothing(robust, fork, wait_until):
    def child():
        for release in (robust.release_read, robust.release_write):
            with pytest.raises(RuntimeError):
                release()
        return not robust.acquire_write(blocking=False)

    for side in (robust.read, robust.write):
        with side():
            other = fork(child)
            wait_until(other.has_ended)
            assert other.status == 0


ENDING = """
import mmap, os, sys
from pyfutex.sync import RWLock
file = open(sys.argv[1], "r+b")
lock = RWLock.attach(mmap.mmap(file.fileno(), 0))
lock.acquire_{side}()
{ending}
"""


@pytest.mark.parametrize(
    "ending", ["", "sys.exit(3)", "1/0", "del lock", "os._exit(1)", "os.kill(os.getpid(), 9)"]
)
@pytest.mark.parametrize("side", ["read", "write"])
def test_a_program_that_ends_while_it_holds(tmp_path, ending, side):
    path = tmp_path / "lock"
    path.write_bytes(bytes(RWLock.SIZE))
    program = ENDING.format(side=side, ending=ending)
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, path], stderr=subprocess.DEVNULL, check=False
    )
    with path.open("r+b") as file:
        lock = RWLock.attach(mmap.mmap(file.fileno(), 0))
    if side == "write":
        with pytest.raises(OwnerDied):
            lock.acquire_read()
        lock.consistent()
        lock.release_write()
    assert lock.acquire_write(blocking=False)
    lock.release_write()


def test_a_lock_that_is_dropped_while_it_is_read_keeps_its_memory(page, fork, wait_until):
    def drop():
        mine = RWLock.attach(page)
        mine.acquire_read()
        with pytest.warns(ResourceWarning):
            del mine
        return True

    child = fork(drop)
    wait_until(child.has_ended)
    assert child.status == 0
    with RWLock.attach(page).write():
        pass
