"""PI locks taken in every order, by threads that find out when they would deadlock, give up, are cancelled, or die."""

import errno
import os
import threading

import pytest
from stress.crew import scaled

from pyfutex import Manager, Waiter, WaitResult

pytestmark = pytest.mark.stress

LOCKS = [64 * i for i in range(1, 6)]
CONDITION, LOCK = 0, 64
WAITERS = 0x8000_0000
OWNER_DIED = 0x4000_0000
TID_MASK = 0x3FFF_FFFF


def lock_unless_circular(manager, target, addr):
    """Lock, or tell that this would close a circle."""
    try:
        return manager.lock_pi(target, addr)
    except OSError as error:
        if error.errno != errno.EDEADLK:
            raise
        return False


def unlock_if_owned(manager, target, addr, tid):
    """Unlock, unless the word went on to another meanwhile."""
    try:
        manager.unlock_pi(target, addr, tid=tid)
    except (PermissionError, BlockingIOError):
        return False
    return True


def test_circles_are_always_found(manager, target, crew):
    """Threads lock words in random order. Whoever would close a circle is told, lets go and goes on; nobody hangs."""
    owners = dict.fromkeys(LOCKS)
    n_threads, rounds = 4, scaled(1500)

    def body(rng):
        refused = 0
        me = threading.get_native_id()
        for _ in range(rounds):
            held = []
            for addr in rng.sample(LOCKS, 3):
                if not lock_unless_circular(manager, target, addr):
                    refused += 1
                    break
                assert owners[addr] is None
                owners[addr] = me
                held.append(addr)
                os.sched_yield()  # so that others take theirs meanwhile
            for addr in held:
                assert owners[addr] == me
                owners[addr] = None
                manager.unlock_pi(target, addr)
        return refused

    crew.add(body, n_threads)
    with crew:
        crew.join()
    assert sum(crew.results) > 0, "no circle was ever closed: the test shows nothing"
    assert all(target.load(addr) in (0, WAITERS) for addr in LOCKS)
    assert len(manager) == 0


def test_cancelled_and_granted_at_the_same_time(manager, target, crew):
    """A waiter that is handed the word while it is cancelled owns it, and says so."""
    n_threads, rounds = 4, scaled(1500)
    owner = [None]

    def body(rng):
        me = threading.get_native_id()
        w = Waiter()
        for _ in range(rounds):
            answer = manager.lock_pi_prepare(w, target, LOCK, tid=me, priority=rng.choice((0, 0, 1, 50)))
            assert answer in (0, None)
            if answer is None:
                if rng.random() < 0.5:
                    w.wait(rng.choice((0, 1e-4)))
                if w.cancel():
                    continue
                assert w.woken
            assert owner[0] is None
            owner[0] = me
            assert target.load(LOCK) & TID_MASK == me
            owner[0] = None
            manager.unlock_pi(target, LOCK, tid=me)

    crew.add(body, n_threads)
    with crew:
        crew.join()
    assert target.load(LOCK) & TID_MASK == 0
    assert len(manager) == 0


def test_owners_that_die_leave_their_words_to_the_next(manager, target, crew):
    """Each owner dies with the word held, and owner_exit gives it to the next; one who comes in between waits."""
    n_threads, rounds = 4, scaled(1000)
    deaths = []

    def body(rng):
        for i in range(rounds):
            tid = threading.get_native_id() * 1000 % TID_MASK + i + 1
            w = Waiter()
            if manager.lock_pi_prepare(w, target, LOCK, tid=tid) is None:
                assert w.wait() is WaitResult.WOKEN
                assert w.result == 0
            assert target.load(LOCK) & TID_MASK == tid
            if rng.random() < 0.5:
                manager.unlock_pi(target, LOCK, tid=tid)
                continue
            # As Linux: first the walk of a robust list, which keeps WAITERS; then those who queued before it inherit.
            seen = target.load(LOCK)
            while (found := target.compare_and_swap(LOCK, seen, seen & WAITERS | OWNER_DIED)) != seen:
                seen = found
            manager.owner_exit(tid)
            deaths.append(tid)

    crew.add(body, n_threads)
    with crew:
        crew.join()
    assert deaths
    assert len(manager) == 0


def test_condition_with_requeue_to_the_lock(manager, target, crew):
    """A PI condition variable: every signal ends one wait with the lock held, a broadcast all."""
    n_waiters, rounds = 3, scaled(600)
    inside = [0]
    waiting = [0]

    def consume(rng):
        me = threading.get_native_id()
        for _ in range(rounds):
            manager.lock_pi(target, LOCK)
            waiting[0] += 1
            seen = target.load(CONDITION)
            manager.unlock_pi(target, LOCK)
            result = manager.wait_requeue_pi(target, CONDITION, LOCK, seen)
            if result is WaitResult.MISMATCH:
                manager.lock_pi(target, LOCK)
            assert target.load(LOCK) & TID_MASK == me
            inside[0] += 1
            assert inside[0] == 1, "two owners"
            waiting[0] -= 1
            inside[0] -= 1
            manager.unlock_pi(target, LOCK)

    def signal(rng):
        done = 0
        while consumers_at_work():
            manager.lock_pi(target, LOCK)
            value = target.load(CONDITION)
            target.swap(CONDITION, (value + 1) & 0xFFFF_FFFF)
            manager.cmp_requeue_pi(
                target, CONDITION, LOCK, (value + 1) & 0xFFFF_FFFF, rng.choice((0, 1, 100))
            )
            manager.unlock_pi(target, LOCK)
            done += 1
        return done

    finished = []

    def consume_all(rng):
        consume(rng)
        finished.append(1)

    def consumers_at_work():
        return len(finished) < n_waiters

    crew.add(consume_all, n_waiters)
    crew.add(signal)
    with crew:
        crew.join()
    assert waiting == [0]
    assert target.load(LOCK) & TID_MASK == 0
    assert len(manager) == 0


def test_lent_priorities_return_to_what_they_were(target, crew):
    """Whatever was lent and taken back, in the end everybody stands where its own priority puts it."""
    manager = Manager()
    rounds = scaled(500)

    def body(rng):
        mine = [rng.getrandbits(28) | 1 << 28 for _ in range(6)]
        for _ in range(rounds):
            waiters = []
            for tid in mine:
                for addr in rng.sample(LOCKS, 2):
                    w = Waiter()
                    answer = manager.lock_pi_prepare(w, target, addr, tid=tid, priority=rng.randrange(4))
                    if answer is None:
                        waiters.append(w)
                        break
                    assert answer in (0, -errno.EDEADLK)
            rng.shuffle(waiters)
            for w in waiters:
                w.cancel()
            for tid in mine:
                manager.owner_exit(tid)
                for addr in LOCKS:
                    seen = target.load(addr)
                    if seen & TID_MASK == tid:
                        unlock_if_owned(manager, target, addr, tid)

    crew.add(body, 3)
    with crew:
        crew.join()
    assert len(manager) == 0
    assert all(target.load(addr) & TID_MASK == 0 for addr in LOCKS)
