"""Every way in which a Python process or thread ends that holds shared locks: the next to come gets OwnerDied, each time.

Each program holds two locks, `first` taken before `lock`: a list that the kernel cannot follow loses the older ones.
"""

import gc
import mmap
import os
import signal
import warnings
from errno import ENOTRECOVERABLE
from multiprocessing.shared_memory import SharedMemory

import pytest
from patience import CHILD_SECONDS
from sync.programs import PRELUDE, Program, ended, finds_a_dead_owner, forked, sleeps

from pyfutex.sync import Lock, NotRecoverable, OwnerDied

HOLD = "first.acquire(); lock.acquire()\n"
# What attaches from an interpreter older than 3.13 must not tell the resource tracker, which would unlink the segment.
SHARED_MEMORY = """
import sys
from multiprocessing import resource_tracker, shared_memory
from pyfutex.sync import Lock

resource_tracker.register = lambda *about: None
shm = shared_memory.SharedMemory(sys.argv[1])
lock, first = Lock.attach(shm.buf), Lock.attach(shm.buf, 64)
first.acquire(); lock.acquire()
"""

ENDINGS = {
    "the end of the program": (HOLD, 0),
    "sys.exit": (HOLD + "sys.exit(3)", 3),
    "sys.exit in a thread": (
        (
            "def hold():\n    first.acquire(); lock.acquire(); sys.exit()\n"
            "t = threading.Thread(target=hold); t.start(); t.join()"
        ),
        0,
    ),
    "an uncaught exception": (HOLD + "raise KeyError('lost')", 1),
    "a handle that is dropped": (HOLD + "del lock\nimport gc; gc.collect()", 0),
    "both handles dropped, and the memory": (HOLD + "del lock, first, memory\nfile.close()", 0),
    "kept in sys.modules": (HOLD + "sys.modules['kept'] = lock; sys.modules['kept before'] = first", 0),
    "kept by a cycle": (
        HOLD + "cycle = [lock, first, memory]; cycle.append(cycle); del lock, first, memory",
        0,
    ),
    "os._exit": (HOLD + "os._exit(4)", 4),
    "os.abort": (
        "import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n" + HOLD + "os.abort()",
        -6,
    ),
    "SIGTERM": (HOLD + "os.kill(os.getpid(), signal.SIGTERM)", -15),
    "SIGKILL": (HOLD + "os.kill(os.getpid(), signal.SIGKILL)", -9),
    "KeyboardInterrupt": (HOLD + "signal.raise_signal(signal.SIGINT)", -2),
    "a daemon thread at the end of the program": (
        (
            "held = threading.Event()\n"
            "def hold():\n    first.acquire(); lock.acquire(); held.set(); signal.pause()\n"
            "threading.Thread(target=hold, daemon=True).start(); held.wait()"
        ),
        0,
    ),
    "inside a with": ("with first:\n    with lock:\n        os._exit(0)", 0),
}

# The process lives on, and says so before the test looks.
STILL_ALIVE = {
    "a thread that ends": (
        "def hold():\n    first.acquire(); lock.acquire()\n"
        "t = threading.Thread(target=hold); t.start(); t.join()\nmeet()"
    ),
    "exec": HOLD + "os.execv(sys.executable, [sys.executable, '-c', 'print(\"here\", flush=True); input()'])",
    # Its id is gone with the exec, and the kernel looks for the locks of another.
    "exec by another thread": (
        "def hold():\n    first.acquire(); lock.acquire()\n"
        "    os.execv(sys.executable, [sys.executable, '-c', 'print(\"here\", flush=True); input()'])\n"
        "t = threading.Thread(target=hold); t.start(); t.join()"
    ),
}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "locks"
    path.write_bytes(bytes(mmap.PAGESIZE))
    return path


@pytest.fixture
def memory(file):
    with file.open("r+b") as opened:
        return mmap.mmap(opened.fileno(), 0)


@pytest.fixture
def locks(memory, pi):
    return Lock.create(memory, pi=pi), Lock.create(memory, 64, pi=pi)


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_next_to_come_finds_a_dead_owner_after(ending, file, locks):
    body, status = ENDINGS[ending]
    with Program(body, file) as program:
        assert program.ends()[0] == status
    for lock in locks:
        finds_a_dead_owner(lock)


@pytest.mark.parametrize("ending", STILL_ALIVE)
def test_the_next_to_come_finds_a_dead_owner_while_the_process_lives_after(ending, file, locks):
    with Program(STILL_ALIVE[ending], file) as program:
        program.meets()
        for lock in locks:
            finds_a_dead_owner(lock)
        assert program.process.poll() is None


def test_a_sleeper_is_woken_by_its_owners_death(file, locks, spawn, wait_until):
    with Program(HOLD + "meet()", file) as program:
        program.meets()
        sleeping = spawn(locks[0].acquire)
        wait_until(lambda: sleeps(sleeping.tid))
        program.process.kill()
        with pytest.raises(OwnerDied):
            sleeping.result()
        # The sleeper's thread has ended since, with the lock.
        finds_a_dead_owner(locks[0])


def test_memory_is_not_closed_while_a_lock_in_it_is_held():
    shm = SharedMemory(create=True, size=128)
    try:
        with Program(SHARED_MEMORY + "del lock\nshm.close()", shm.name, prelude="") as program:
            status, said = program.ends()
        assert status == 1
        assert "BufferError" in said
        for lock in Lock.attach(shm.buf), Lock.attach(shm.buf, 64):
            finds_a_dead_owner(lock)
        # The exceptions that were raised meanwhile refer to their locks.
        del lock
        gc.collect()
        shm.close()
    finally:
        shm.unlink()


def test_memory_closes_after_its_locks_are_free(memory):
    lock = Lock.create(memory)
    lock.acquire()
    with pytest.raises(BufferError):
        memory.close()
    lock.release()
    del lock
    memory.close()


def test_the_last_handle_that_is_dropped_while_held_says_so_and_keeps_the_memory(memory):
    handles = [Lock.create(memory)]
    handles[0].acquire()
    with pytest.warns(ResourceWarning, match="dropped while it is held"):
        handles.clear()
    Lock.attach(memory).release()
    with pytest.raises(BufferError):
        memory.close()


def test_a_handle_that_is_dropped_while_another_is_left_says_nothing(memory):
    lock = Lock.create(memory)
    with warnings.catch_warnings(), lock:
        warnings.simplefilter("error")
        assert Lock.attach(memory).locked()
    del lock
    memory.close()


def test_a_handle_that_is_dropped_while_another_process_holds_it_says_nothing(file, memory):
    lock = Lock.create(memory)
    with Program(HOLD + "meet()", file) as program:
        program.meets()
        assert lock.locked()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            del lock
        memory.close()


def test_a_second_handle_releases_what_the_first_took(memory):
    one, two = Lock.create(memory), Lock.attach(memory)
    one.acquire()
    two.release()
    assert not one.locked()


def test_a_handle_in_a_second_mapping_releases_what_the_first_took(file):
    with file.open("r+b") as opened:
        one = Lock.create(mmap.mmap(opened.fileno(), 0))
        before = Lock.create(mmap.mmap(opened.fileno(), 0), 64)
        two = Lock.attach(mmap.mmap(opened.fileno(), 0))
    for order in ((one, before), (before, one)):
        for lock in order:
            lock.acquire()
        two.release()
        before.release()
        assert not one.locked()
        assert not before.locked()
    one.acquire()
    with pytest.raises(RuntimeError):
        two.acquire()
    two.release()


def test_a_lock_that_is_released_before_it_is_consistent_is_recoverable_no_more(
    file, locks, spawn, wait_until
):
    lock, _ = locks
    with Program(HOLD, file) as program:
        program.ends()
    with pytest.raises(OwnerDied):
        lock.acquire()
    sleeping = [spawn(lock.acquire) for _ in range(3)]
    wait_until(lambda: all(sleeps(s.tid) for s in sleeping))
    lock.release()
    for s in sleeping:
        with pytest.raises(NotRecoverable):
            s.result()
    for _ in range(2):
        with pytest.raises(NotRecoverable) as caught:
            lock.acquire()
        assert caught.value.errno == ENOTRECOVERABLE
        with pytest.raises(NotRecoverable):
            lock.acquire(blocking=False)
        assert not lock.locked()


def test_who_finds_a_dead_owner_and_dies_leaves_another(file, locks):
    for _ in range(2):
        with Program(
            "for each in first, lock:\n    try:\n        each.acquire()\n    except OwnerDied:\n        pass",
            file,
        ) as p:
            p.ends()
    for lock in locks:
        finds_a_dead_owner(lock)


def test_consistent_is_for_the_holder_of_a_dead_owners_lock(file, locks):
    lock, first = locks
    with pytest.raises(RuntimeError, match="no dead owner"):
        lock.consistent()
    with lock, pytest.raises(RuntimeError, match="no dead owner"):
        lock.consistent()
    with Program(HOLD, file) as program:
        program.ends()
    with pytest.raises(RuntimeError, match="no dead owner"):
        lock.consistent()
    with pytest.raises(OwnerDied):
        lock.acquire(blocking=False)
    lock.consistent()
    with pytest.raises(RuntimeError, match="no dead owner"):
        lock.consistent()
    lock.release()
    with pytest.raises(OwnerDied):
        first.__enter__()
    first.consistent()
    first.release()


def test_the_child_of_a_fork_does_not_hold_what_its_parent_holds(locks):
    lock, first = locks

    def child():
        with pytest.raises(RuntimeError, match="another thread holds"):
            lock.release()
        with pytest.raises(RuntimeError):
            lock.consistent()
        assert not lock.acquire(blocking=False)
        first.acquire()
        first.release()

    lock.acquire()
    with forked(child) as pid:
        assert ended(pid) == 0
    assert lock.locked()
    lock.release()
    assert lock.acquire(timeout=CHILD_SECONDS)
    lock.release()


def test_the_child_of_a_fork_is_an_owner_of_its_own(locks):
    lock, first = locks

    def child():
        lock.acquire()
        os.kill(os.getpid(), signal.SIGKILL)

    first.acquire()
    with forked(child) as pid:
        assert ended(pid) == -signal.SIGKILL
    finds_a_dead_owner(lock)
    first.release()


def test_the_program_of_the_tests_is_whole(file):
    with Program("meet()\nwith lock:\n    pass", file, prelude=PRELUDE) as program:
        program.meets()
        program.go_on()
        assert program.ends() == (0, "")
