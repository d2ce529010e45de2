"""RLock: taken again by its owner, in an object and in shared memory."""

import os
import pickle
import signal

import pytest

from pyfutex import sync

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def test_its_owner_takes_it_again(make, spawn):
    lock = make(sync.RLock)
    assert [lock.acquire(), lock.acquire(False), lock.acquire(timeout=0)] == [True] * 3
    for _ in range(2):
        lock.release()
        assert spawn(lock.acquire, False).result() is False
    lock.release()
    assert not lock.locked()


def test_it_counts_how_often_it_was_taken(make, spawn):
    lock = make(sync.RLock)
    with lock, lock:
        assert lock._recursion_count() == 2
        assert spawn(lock._recursion_count).result() == 0
    assert lock._recursion_count() == 0


def test_nobody_else_lets_it_go(make, spawn):
    lock = make(sync.RLock)
    with lock, pytest.raises(RuntimeError, match="un-acquired"):
        spawn(lock.release).result()
    with pytest.raises(RuntimeError, match="un-acquired"):
        lock.release()


def test_it_is_let_go_when_a_block_ends(make):
    lock = make(sync.RLock)
    with pytest.raises(KeyError), lock, lock:
        raise KeyError
    assert not lock.locked()


def test_another_process_waits_for_all_of_it(page, fork, wait_until):
    lock = sync.RLock.create(page)
    lock.acquire()
    lock.acquire()
    child = fork(lambda: sync.RLock.attach(page).acquire())
    wait_until(child.is_asleep)
    lock.release()
    assert child.is_asleep()
    lock.release()
    wait_until(child.has_ended)
    assert child.status == 0


def test_a_dead_owner_leaves_it_held_once(page, fork, wait_until):
    lock = sync.RLock.create(page)

    def die():
        lock.acquire()
        lock.acquire()
        lock.acquire()
        os.kill(os.getpid(), signal.SIGKILL)

    child = fork(die)
    wait_until(child.has_ended)
    with pytest.raises(sync.OwnerDied):
        lock.acquire()
    assert lock._recursion_count() == 1
    lock.consistent()
    lock.release()
    assert not lock.locked()


def test_a_dead_owner_nobody_made_good_for(page, fork, wait_until):
    lock = sync.RLock.create(page)
    wait_until(fork(lambda: lock.acquire() and os.kill(os.getpid(), signal.SIGKILL)).has_ended)
    with pytest.raises(sync.OwnerDied):
        lock.acquire()
    lock.release()
    with pytest.raises(sync.NotRecoverable):
        lock.acquire()
    assert not lock.locked()


def test_a_forked_child_does_not_own_its_parents(page, all_succeed):
    lock = sync.RLock.create(page)

    def try_all():
        with pytest.raises(RuntimeError):
            lock.release()
        return lock.acquire(False) is False

    with lock:
        all_succeed(try_all)


def test_a_lock_is_no_rlock(page):
    sync.Lock.create(page)
    with pytest.raises(ValueError, match="a Lock, not a RLock"):
        sync.RLock.attach(page)


def test_it_is_not_pickled():
    with pytest.raises(TypeError, match="attach"):
        pickle.dumps(sync.RLock())
