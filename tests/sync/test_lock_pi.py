"""Priority inheritance: who holds a lock is as urgent as who waits for it."""

import fcntl
import mmap
import os
import signal
import socket
import threading
from errno import EINVAL, ENOLCK
from pathlib import Path

import pytest
from sync.holding import Holder
from sync.programs import Program, ended, finds_a_dead_owner, forked, sleeps
from sync.sleeping import sleeps_for_pi

from pyfutex import Kernel, Memory
from pyfutex.sync import Condition, Lock, OwnerDied, RLock

WORD = 16
LINKS = slice(36, 56)
WAITERS = 1 << 31
MOST_HELD = 1024
URGENT = os.sched_param(10)
INHERITED = -11  # as /proc has a real-time priority of 10

pytestmark = [
    pytest.mark.skipif("pi" not in Kernel.supported, reason="the kernel knows no priority inheritance"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


@pytest.fixture
def memory():
    return mmap.mmap(-1, 64 * (MOST_HELD + 1))


@pytest.fixture(params=["private", "shared"])
def lock(request, memory):
    return Lock(pi=True) if request.param == "private" else Lock.create(memory, pi=True)


@pytest.fixture
def hold(spawn):
    """Have a lock held by another thread: ``hold(lock)`` gives its `Holder`."""
    holders = []

    def start(lock):
        holders.append(Holder(spawn, lock.acquire, lock.release))
        return holders[-1]

    yield start
    for each in holders:
        each.lets_go()


def priority(tid):
    """What the kernel runs a thread of this process with."""
    return int(Path(f"/proc/self/task/{tid}/stat").read_text().rpartition(")")[2].split()[15])


@pytest.fixture
def spawn_urgent(spawn, schedulers):
    """Run a call in a thread of real-time priority."""

    def become_urgent():
        os.sched_setscheduler(0, os.SCHED_FIFO, URGENT)

    def run(call):
        become_urgent()
        return call()

    try:
        spawn(become_urgent).result()
    except PermissionError:
        pytest.skip("this user may not have real-time priority")
    return lambda call: spawn(run, call)


def take_and_let_go(lock):
    with lock:
        return True


# --- priority ---


def test_the_owner_is_as_urgent_as_who_waits(lock, hold, spawn_urgent, wait_until):
    owner = hold(lock)
    before = priority(owner.tid)
    waiting = spawn_urgent(lambda: take_and_let_go(lock))
    wait_until(lambda: priority(owner.tid) == INHERITED)
    assert before != INHERITED
    owner.lets_go()
    assert waiting.result()


def test_the_owner_of_another_lock_is_not(memory, hold, spawn_urgent, wait_until):
    lock = Lock.create(memory)
    owner = hold(lock)
    waiting = spawn_urgent(lambda: take_and_let_go(lock))
    wait_until(lambda: sleeps(waiting.tid))
    assert priority(owner.tid) != INHERITED
    owner.lets_go()
    waiting.result()


def test_the_most_urgent_is_next(lock, hold, spawn, spawn_urgent, wait_until):
    order = []

    def take(name):
        with lock:
            order.append(name)

    owner = hold(lock)
    waiting = [spawn(take, "first")]
    wait_until(lambda: sleeps(waiting[0].tid))
    waiting.append(spawn_urgent(lambda: take("urgent")))
    wait_until(lambda: sleeps(waiting[1].tid))
    owner.lets_go()
    for each in waiting:
        each.result()
    assert order == ["urgent", "first"]


def test_a_notifier_is_as_urgent_as_whom_it_notifies(lock, memory, spawn, spawn_urgent, wait_until):
    is_private = "shared" not in repr(lock)
    condition = Condition(lock) if is_private else Condition.create(memory, 64, lock)
    notified, let_go = threading.Event(), threading.Event()

    def wait():
        with condition:
            return condition.wait()

    def notify():
        with condition:
            condition.notify_all()
            notified.set()
            let_go.wait()

    waiting = spawn_urgent(wait)
    wait_until(lambda: sleeps(waiting.tid))
    notifier = spawn(notify)
    notified.wait()
    wait_until(lambda: priority(notifier.tid) == INHERITED)
    let_go.set()
    notifier.result()
    assert waiting.result()


# --- an owner ---


def test_another_thread_may_not_release_it(lock, hold):
    hold(lock)
    with pytest.raises(RuntimeError, match="another thread holds"):
        lock.release()
    assert not lock.acquire(blocking=False)
    assert lock.locked()


def test_its_owner_does_not_wait_for_itself(lock):
    with lock:
        with pytest.raises(RuntimeError, match="holds this lock already"):
            lock.acquire()
        assert not lock.acquire(blocking=False)
    assert not lock.locked()


def test_who_would_wait_for_ever_is_told(memory, spawn, wait_until):
    one, two = Lock.create(memory, pi=True), Lock.create(memory, 64, pi=True)

    def take_both():
        with two, one:
            return True

    with one:
        waiting = spawn(take_both)
        wait_until(lambda: sleeps(waiting.tid))
        with pytest.raises(RuntimeError, match="waits for one that the calling thread holds"):
            two.acquire()
    assert waiting.result()


def test_it_outlives_the_thread_that_holds_it(lock, spawn):
    spawn(lock.acquire).result()
    finds_a_dead_owner(lock)


def test_who_waits_is_told_of_the_end_of_the_thread_that_holds_it(lock, spawn, wait_until):
    let_go = threading.Event()

    def die_with_it():
        lock.acquire()
        let_go.wait()

    owner = spawn(die_with_it)
    wait_until(lock.locked)
    waiting = spawn(finds_a_dead_owner, lock)
    wait_until(lambda: sleeps(waiting.tid))
    let_go.set()
    owner.result()
    waiting.result()


def test_a_private_one_that_is_dropped_while_held_keeps_its_memory(spawn):
    def drop():
        locks = [Lock(pi=True)]
        locks[0].acquire()
        locks.clear()
        with Lock(pi=True):
            pass

    with pytest.warns(ResourceWarning, match="dropped while it is held"):
        spawn(drop).result()


# --- processes that die ---


def test_who_was_given_the_lock_and_dies_before_it_runs_has_held_it(memory, wait_until, one_processor):
    for i in range(8):
        lock = Lock.create(memory, 64 * i, pi=True)
        lock.acquire()
        with forked(lock.acquire) as first:
            wait_until(lambda pid=first: sleeps(pid))
            os.sched_setscheduler(first, os.SCHED_IDLE, os.sched_param(0))
            with forked(lambda lock=lock: finds_a_dead_owner(lock)) as second:
                wait_until(lambda pid=second: sleeps(pid))
                lock.release()
                os.kill(first, signal.SIGKILL)
                ended(first)
                assert ended(second) == 0


def test_a_waiter_that_is_killed_in_its_sleep_is_forgotten(memory, wait_until):
    lock = Lock.create(memory, pi=True)
    lock.acquire()
    with forked(lock.acquire) as first, forked(lambda: take_and_let_go(lock)) as second:
        wait_until(lambda: sleeps(first) and sleeps(second))
        os.kill(first, signal.SIGKILL)
        ended(first)
        lock.release()
        assert ended(second) == 0
    assert not lock.locked()
    assert lock.acquire(blocking=False)
    lock.release()


def test_an_owner_whose_list_was_written_over_is_found_dead_when_it_is_gone(memory):
    lock = Lock.create(memory, pi=True)

    def die_unseen():
        lock.acquire()
        # What is in its list before it is read first, and leads nowhere.
        with Lock.create(memory, 64):
            memory[64 + LINKS.start : 64 + LINKS.stop] = bytes(4) + (8).to_bytes(8, "little") * 2
            os._exit(0)

    with forked(die_unseen) as pid:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert Memory(memory).load(WORD) == pid
        assert not lock.acquire(timeout=0.05)
        ended(pid)
    finds_a_dead_owner(lock)


# --- signals ---


@pytest.fixture
def wakeup_fd():
    """A descriptor that Python writes the numbers of signals to, as an event loop has one; where they are read."""
    reads, writes = socket.socketpair()
    with reads, writes:
        writes.setblocking(False)
        before = signal.set_wakeup_fd(writes.fileno())
        yield reads, writes.fileno()
        signal.set_wakeup_fd(before)


def test_an_event_loop_hears_of_signals_as_ever(lock, hold, handle, spawn, wait_until, wakeup_fd):
    owner = hold(lock)
    reads, writes = wakeup_fd
    main = threading.current_thread()
    seen = []

    def handler():
        seen.append(signal.set_wakeup_fd(writes))
        owner.lets_go()

    def interrupt():
        wait_until(lambda: sleeps_for_pi(main.native_id))
        signal.pthread_kill(main.ident, signal.SIGUSR1)

    handle(handler)
    sender = spawn(interrupt)
    assert lock.acquire()
    sender.result()
    lock.release()
    assert seen == [writes]
    assert signal.set_wakeup_fd(writes) == writes
    assert reads.recv(10) == bytes([signal.SIGUSR1])


def test_a_descriptor_that_the_program_has_closed_is_not_set_again(lock, hold, spawn, wait_until):
    reads, writes = socket.socketpair()
    writes.setblocking(False)
    # A number that nobody gets next: the lowest free one is taken.
    descriptor = fcntl.fcntl(writes, fcntl.F_DUPFD, 500)
    before = signal.set_wakeup_fd(descriptor)
    owner = hold(lock)
    me = threading.current_thread().native_id

    def close():
        wait_until(lambda: sleeps_for_pi(me))
        os.close(descriptor)
        owner.lets_go()

    closer = spawn(close)
    assert lock.acquire()
    closer.result()
    lock.release()
    assert signal.set_wakeup_fd(before) == -1
    reads.close()
    writes.close()


def test_descriptors_that_the_program_closes_are_not_missed(tmp_path, wait_until):
    path = tmp_path / "locks"
    path.write_bytes(bytes(mmap.PAGESIZE))
    body = "lock.acquire(timeout=0.001)\nos.closerange(3, 100)\nfile = open(sys.argv[1])\nlock.acquire()"
    with path.open("r+b") as opened:
        lock = Lock.create(mmap.mmap(opened.fileno(), 0), pi=True)
    with lock, Program(body, path) as program:
        wait_until(lambda: sleeps(program.process.pid))
        program.process.send_signal(signal.SIGINT)
        status, said = program.ends()
    assert status == -signal.SIGINT
    assert "KeyboardInterrupt" in said


def test_a_fork_while_the_main_thread_waits_leaves_both_their_signals(lock, hold, spawn, wait_until):
    owner = hold(lock)
    main = threading.current_thread().native_id
    before = signal.set_wakeup_fd(-1)
    assert before == -1

    def child():
        assert signal.set_wakeup_fd(-1) == -1
        other = Lock(pi=True)
        assert other.acquire(timeout=1)

    def fork():
        wait_until(lambda: sleeps_for_pi(main))
        with forked(child) as pid:
            status = ended(pid)
        owner.lets_go()
        return status

    forking = spawn(fork)
    assert lock.acquire()
    lock.release()
    assert forking.result() == 0
    assert signal.set_wakeup_fd(-1) == -1


# --- what is refused ---


def test_it_needs_an_owner(memory):
    with pytest.raises(ValueError, match="owner"):
        Lock.create(memory, robust=False, pi=True)
    with pytest.raises(TypeError):
        Lock(True)
    assert memory[:64] == bytes(64)


def test_its_head_says_what_it_is(memory):
    lock = Lock.create(memory, pi=True)
    assert memory[:8] == b"pf\x01\x12\0\0\0\0"
    with pytest.raises(FileExistsError):
        Lock.create(memory)
    with pytest.raises(ValueError, match="Lock of priority inheritance"):
        RLock.attach(memory)
    with lock:
        assert Lock.attach(memory).locked()
    memory[64:72] = b"pf\x01\x13\0\0\0\0"
    memory[128:136] = b"pf\x01\x22\0\0\0\0"
    for kind, at in (Lock, 64), (RLock, 128):
        with pytest.raises(ValueError, match="of"):
            kind.attach(memory, at)


def test_a_thread_that_holds_too_many_is_not_queued(memory, hold, spawn):
    locks = [Lock.create(memory, 64 * i, pi=True) for i in range(MOST_HELD + 1)]
    hold(locks[-1])

    def hold_too_many():
        for each in locks[:-1]:
            each.acquire()
        with pytest.raises(OSError) as caught:
            locks[-1].acquire()
        for each in locks[:-1]:
            each.release()
        assert not locks[-1].acquire(timeout=0.001)
        return caught.value.errno

    assert spawn(hold_too_many).result() == ENOLCK


def test_a_release_that_the_kernel_refuses_leaves_it_held(memory, spawn, wait_until):
    """A sleeper that is not in the queue, but on the word, as nobody is who goes by the header."""
    lock = Lock.create(memory, pi=True)
    lock.acquire()
    word = Memory(memory)
    seen = word.fetch_or(WORD, WAITERS) | WAITERS
    stranger = spawn(Kernel().wait, word, WORD, seen, private=False)
    wait_until(lambda: sleeps(stranger.tid))
    with pytest.raises(OSError) as caught:
        lock.release()
    assert caught.value.errno == EINVAL
    assert lock.locked()
    Kernel().wake(word, WORD, private=False)
    stranger.result()
    lock.release()
    assert not lock.locked()


def test_it_is_recoverable_no_more_unless_somebody_makes_it_good(lock, spawn):
    spawn(lock.acquire).result()
    with pytest.raises(OwnerDied):
        lock.acquire()
    lock.release()
    with pytest.raises(OSError, match="not recoverable"):
        lock.acquire()
    assert not lock.locked()
