"""Signals, deadlines, forks and the end of the interpreter while somebody waits for a lock."""

import mmap
import os
import signal
import threading
import time

import pytest
from patience import CHILD_SECONDS
from sync.programs import Program, ended, forked, sleeps
from sync.sleeping import within
from sync.stepping import pending

from pyfutex import Memory
from pyfutex.sync import Lock

WORD = 16
TID_MASK = 0x3FFF_FFFF

LOCKS = {
    "private": Lock,
    "private-pi": lambda: Lock(pi=True),
    "shared": lambda: Lock.create(mmap.mmap(-1, mmap.PAGESIZE), robust=False),
    "robust": lambda: Lock.create(mmap.mmap(-1, mmap.PAGESIZE)),
    "pi": lambda: Lock.create(mmap.mmap(-1, mmap.PAGESIZE), pi=True),
}


@pytest.fixture(params=LOCKS)
def lock(request):
    return LOCKS[request.param]()


class Held:
    """A lock in the hands of another thread, until `let_go` is set."""

    def __init__(self, lock, spawn):
        self.let_go = threading.Event()
        self._lock = lock
        self._taken = threading.Event()
        self._holding = spawn(self._hold)
        self._taken.wait()

    def _hold(self):
        with self._lock:
            self._taken.set()
            self.let_go.wait()

    def ends(self):
        """Let go, and wait for the end of the thread."""
        self.let_go.set()
        self._holding.result()


@pytest.fixture
def held(lock, spawn):
    other = Held(lock, spawn)
    yield other
    other.ends()


def interrupted_by(wait_until, handler, call):
    """What `call` answers or raises, when the main thread gets SIGUSR1 as soon as it sleeps."""
    before = signal.signal(signal.SIGUSR1, handler)
    me = threading.main_thread().native_id

    def interrupt():
        wait_until(lambda: sleeps(me))
        os.kill(os.getpid(), signal.SIGUSR1)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        return call()
    finally:
        thread.join()
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.usefixtures("held")
def test_an_exception_of_a_signal_handler_ends_a_wait(lock, wait_until):
    def handler(*_):
        raise KeyboardInterrupt

    for call in lock.acquire, lock.__enter__, lambda: lock.acquire(timeout=1000):
        with pytest.raises(KeyboardInterrupt):
            interrupted_by(wait_until, handler, call)
        assert lock.locked()


def test_a_handler_that_returns_does_not_end_a_wait(lock, held, wait_until):
    """The handler runs at once: it is what lets the owner go on."""
    assert interrupted_by(wait_until, lambda *_: held.let_go.set(), lock.acquire)
    lock.release()


def test_a_handler_may_take_other_locks_meanwhile(wait_until, spawn, pi):
    memory = mmap.mmap(-1, mmap.PAGESIZE)
    lock, other = Lock.create(memory, pi=pi), Lock.create(memory, 64, pi=pi)
    held = Held(lock, spawn)

    def handler(*_):
        other.acquire()
        held.let_go.set()

    assert interrupted_by(wait_until, handler, lock.acquire)
    held.ends()
    assert other.locked()
    # In the order of their taking, so that neither is the last of the list.
    other.release()
    lock.release()


@pytest.fixture
def memory():
    return mmap.mmap(-1, mmap.PAGESIZE)


@pytest.fixture
def robust(memory, pi):
    return Lock.create(memory, pi=pi)


def test_who_sleeps_says_for_which_lock_but_not_to_a_handler(memory, robust, spawn, wait_until):
    word = within(memory).start + WORD
    held, main, seen = Held(robust, spawn), threading.main_thread(), []

    def interrupt():
        for n in range(2):
            wait_until(
                lambda n=n: len(seen) == n and sleeps(main.native_id) and pending(main.native_id) == word
            )
            signal.pthread_kill(main.ident, signal.SIGUSR1)
        held.let_go.set()

    before = signal.signal(signal.SIGUSR1, lambda *_: seen.append(pending(main.native_id)))
    interrupting = spawn(interrupt)
    robust.acquire()
    signal.signal(signal.SIGUSR1, before)
    interrupting.result()
    assert seen == [0, 0]
    assert pending(main.native_id) == 0
    robust.release()
    held.ends()


def test_who_does_not_get_a_lock_is_not_about_to_take_it(robust, spawn, wait_until):
    def fail(*_):
        raise KeyboardInterrupt

    held = Held(robust, spawn)
    for call in lambda: robust.acquire(False), lambda: robust.acquire(timeout=0.001):
        assert call() is False
        assert pending(threading.get_native_id()) == 0
    with pytest.raises(KeyboardInterrupt):
        interrupted_by(wait_until, fail, robust.acquire)
    assert pending(threading.get_native_id()) == 0
    held.ends()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_that_a_handler_forks_takes_the_lock_as_itself(memory, robust, spawn, wait_until):
    held, children, owner = Held(robust, spawn), [], 0

    def handler(*_):
        children.append(os.fork())
        if children == [0]:
            signal.alarm(CHILD_SECONDS)
        held.let_go.set()

    try:
        interrupted_by(wait_until, handler, robust.acquire)
        owner = Memory(memory).load(WORD) & TID_MASK
        robust.release()
    finally:
        if children == [0]:
            os._exit(owner != os.getpid())
    held.ends()
    assert ended(*children) == 0
    assert robust.acquire(False)
    robust.release()


@pytest.mark.usefixtures("held")
def test_a_deadline_is_kept(lock):
    for timeout in 0, 0.001, 0.05:
        begun = time.monotonic()
        assert lock.acquire(timeout=timeout) is False
        assert time.monotonic() - begun >= timeout
    assert lock.acquire(blocking=False) is False


@pytest.mark.usefixtures("held")
def test_a_handler_that_returns_does_not_prolong_a_deadline(lock, wait_until):
    begun = time.monotonic()
    assert interrupted_by(wait_until, lambda *_: None, lambda: lock.acquire(timeout=0.3)) is False
    assert time.monotonic() - begun >= 0.3


def test_a_lock_is_usable_after_an_interrupted_wait(lock, held, wait_until):
    def handler(*_):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        interrupted_by(wait_until, handler, lock.acquire)
    held.ends()
    assert lock.acquire(blocking=False)
    lock.release()


def test_ctrl_c_ends_a_program_that_waits(tmp_path, wait_until, pi):
    path = tmp_path / "locks"
    path.write_bytes(bytes(mmap.PAGESIZE))
    with path.open("r+b") as opened:
        memory = mmap.mmap(opened.fileno(), 0)
    lock = Lock.create(memory, pi=pi)
    with lock, Program("lock.acquire()", path) as program:
        wait_until(lambda: sleeps(program.process.pid))
        program.process.send_signal(signal.SIGINT)
        status, said = program.ends()
    assert status == -signal.SIGINT
    assert "KeyboardInterrupt" in said
    assert not lock.locked()


@pytest.mark.parametrize(
    "make",
    [
        "Lock()",
        "Lock(pi=True)",
        "Lock.create(memory, 128, robust=False)",
        "Lock.create(memory, 128)",
        "Lock.create(memory, 128, pi=True)",
    ],
)
def test_a_daemon_thread_that_waits_does_not_keep_a_program(tmp_path, wait_until, make):
    path = tmp_path / "locks"
    path.write_bytes(bytes(mmap.PAGESIZE))
    body = (
        f"lock = {make}\nlock.acquire()\n"
        "waiting = threading.Thread(target=lock.acquire, daemon=True)\nwaiting.start()\n"
        "meet()\n"
    )
    with Program(body, path) as program:
        program.meets()
        pid = program.process.pid
        (waiting,) = (tid for tid in os.listdir(f"/proc/{pid}/task") if int(tid) != pid)
        wait_until(lambda: sleeps(waiting))
        program.go_on()
        status, _ = program.ends()
    assert status == 0


def test_a_private_lock_in_the_child_of_a_fork_is_as_it_was_in_the_parent(spawn, pi):
    """As threading's: whoever forks while another thread holds one has to make it anew, or to let it go."""
    lock = Lock(pi=pi)
    held = Held(lock, spawn)

    def child():
        assert lock.locked()
        assert not lock.acquire(timeout=0.01)
        lock._at_fork_reinit()
        with lock:
            assert lock.locked()
        assert not lock.locked()

    with forked(child) as pid:
        assert ended(pid) == 0
    assert lock.locked()
    held.ends()


def test_a_shared_lock_in_the_child_of_a_fork_stays_its_owners(spawn, wait_until, pi):
    lock = Lock.create(mmap.mmap(-1, mmap.PAGESIZE), pi=pi)
    held = Held(lock, spawn)

    def child():
        lock._at_fork_reinit()
        with lock:
            pass

    with forked(child) as pid:
        wait_until(lambda: sleeps(pid))
        held.ends()
        assert ended(pid) == 0
