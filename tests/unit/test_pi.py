"""lock_pi, trylock_pi, unlock_pi: the word, the queue, and who owns the lock."""

import errno
import threading

import pytest
from expect import oserror
from model import OWNER_DIED, WAITERS

from pyfutex import CompletionQueue, InvalidArgument, KeyKind, Manager, Mappable, Memory, Waiter, WaiterState


@pytest.fixture
def lock_waiter(manager, memory):
    """Queue a PI waiter: ``lock_waiter(tid, addr=0, on_wake=)``."""

    def queue(tid, addr=0, on_wake=None):
        w = Waiter(on_wake, tag=tid)
        assert manager.lock_pi_prepare(w, memory, addr, tid=tid) is None
        return w

    return queue


def test_lock_of_a_free_word_takes_it(manager, memory):
    assert manager.lock_pi(memory, 0, tid=7) is True
    assert memory.load(0) == 7
    assert len(manager) == 0


def test_lock_takes_the_callers_own_tid_by_default(manager, memory):
    assert manager.lock_pi(memory, 0)
    assert memory.load(0) == threading.get_native_id()
    manager.unlock_pi(memory, 0)
    assert memory.load(0) == 0


def test_trylock_of_a_free_word_takes_it(manager, memory):
    assert manager.trylock_pi(memory, 0, tid=7) is True
    assert memory.load(0) == 7


def test_prepare_of_a_free_word_answers_zero(manager, memory):
    w = Waiter()
    assert manager.lock_pi_prepare(w, memory, 0, tid=7) == 0
    assert memory.load(0) == 7
    assert w.state is not WaiterState.QUEUED


def test_unlock_without_waiters_leaves_zero(manager, memory):
    for word in (7, WAITERS | 7, OWNER_DIED | 7, WAITERS | OWNER_DIED | 7):
        memory.store(0, word)
        assert manager.unlock_pi(memory, 0, tid=7) is None
        assert memory.load(0) == 0


def test_trylock_of_a_held_word_is_false_and_sets_waiters(manager, memory):
    memory.store(0, 9)
    assert manager.trylock_pi(memory, 0, tid=7) is False
    assert memory.load(0) == WAITERS | 9
    assert len(manager) == 0


def test_prepare_of_a_held_word_queues_and_sets_waiters(manager, memory, lock_waiter):
    memory.store(0, 9)
    w = lock_waiter(7)
    assert memory.load(0) == WAITERS | 9
    [info] = manager.waiters(memory, 0)
    assert (info.kind, info.tid, info.waiter) == ("PI", 7, w)
    assert w.cancel()


def test_cancel_leaves_the_waiters_bit_which_unlock_clears(manager, memory, lock_waiter):
    memory.store(0, 9)
    assert lock_waiter(7).cancel()
    assert memory.load(0) == WAITERS | 9
    manager.unlock_pi(memory, 0, tid=9)
    assert memory.load(0) == 0


def test_unlock_hands_the_word_to_the_first_waiter(manager, memory, lock_waiter):
    memory.store(0, 9)
    first, second = lock_waiter(7), lock_waiter(8)
    manager.unlock_pi(memory, 0, tid=9)
    assert memory.load(0) == WAITERS | 7
    assert (first.state, first.result, second.state) == (WaiterState.DONE, 0, WaiterState.QUEUED)


def test_unlock_hands_over_first_come_first(manager, memory, lock_waiter):
    memory.store(0, 9)
    log = []
    for tid in (3, 1, 2):
        lock_waiter(tid, on_wake=lambda w: log.append(w.tag))
    for owner in (9, 3, 1):
        manager.unlock_pi(memory, 0, tid=owner)
    assert log == [3, 1, 2]
    assert memory.load(0) == WAITERS | 2
    manager.unlock_pi(memory, 0, tid=2)
    assert memory.load(0) == 0


def test_unlock_keeps_waiters_for_the_last_waiter(manager, memory, lock_waiter):
    memory.store(0, 9)
    lock_waiter(7)
    manager.unlock_pi(memory, 0, tid=9)
    assert memory.load(0) == WAITERS | 7
    assert len(manager) == 0


def test_unlock_drops_owner_died_at_the_hand_over(manager, memory, lock_waiter):
    memory.store(0, OWNER_DIED | 9)
    lock_waiter(7)
    manager.unlock_pi(memory, 0, tid=9)
    assert memory.load(0) == WAITERS | 7


def test_lock_keeps_owner_died_when_it_takes_over(manager, memory):
    memory.store(0, OWNER_DIED)
    assert manager.lock_pi(memory, 0, tid=7)
    assert memory.load(0) == OWNER_DIED | 7


def test_lock_drops_a_stale_waiters_bit_when_nobody_is_queued(manager, memory):
    memory.store(0, WAITERS | OWNER_DIED)
    assert manager.lock_pi(memory, 0, tid=7)
    assert memory.load(0) == OWNER_DIED | 7


def test_lock_waits_behind_those_whom_a_dead_owner_left(manager, memory, lock_waiter):
    memory.store(0, 9)
    first = lock_waiter(8)
    memory.store(0, OWNER_DIED | WAITERS)
    assert manager.trylock_pi(memory, 0, tid=7) is False
    second = lock_waiter(7)
    assert manager.owner_exit(9) == 1
    assert first.woken
    assert not second.woken
    assert memory.load(0) == OWNER_DIED | WAITERS | 8
    manager.unlock_pi(memory, 0, tid=8)
    assert second.woken
    assert memory.load(0) == WAITERS | 7


@pytest.mark.parametrize("word", [0, WAITERS, 5, WAITERS | 5, OWNER_DIED | 5])
def test_lock_of_a_word_that_is_not_its_waiters_owners_is_invalid(manager, memory, lock_waiter, word):
    memory.store(0, 9)
    w = lock_waiter(8)
    memory.store(0, word)
    with oserror(errno.EINVAL, InvalidArgument):
        manager.lock_pi(memory, 0, tid=7)
    with oserror(errno.EINVAL, InvalidArgument):
        manager.trylock_pi(memory, 0, tid=7)
    assert memory.load(0) == word
    assert w.cancel()


def test_lock_of_a_word_one_owns_is_a_deadlock(manager, memory):
    memory.store(0, 7)
    with oserror(errno.EDEADLK):
        manager.lock_pi(memory, 0, tid=7)
    with oserror(errno.EDEADLK):
        manager.trylock_pi(memory, 0, tid=7)
    w = Waiter()
    assert manager.lock_pi_prepare(w, memory, 0, tid=7) == -errno.EDEADLK
    assert memory.load(0) == 7
    assert len(manager) == 0


def test_unlock_by_another_is_a_permission_error(manager, memory, lock_waiter):
    memory.store(0, 9)
    w = lock_waiter(7)
    with oserror(errno.EPERM, PermissionError):
        manager.unlock_pi(memory, 0, tid=7)
    assert memory.load(0) == WAITERS | 9
    assert w.state is WaiterState.QUEUED


def test_unlock_of_a_free_word_is_a_permission_error(manager, memory):
    with oserror(errno.EPERM, PermissionError):
        manager.unlock_pi(memory, 0, tid=7)


def test_unlock_looks_at_the_owner_before_the_alignment(manager, memory):
    with oserror(errno.EPERM, PermissionError):
        manager.unlock_pi(memory, 2, tid=7)
    memory.store(0, 7 << 16)
    with oserror(errno.EINVAL, InvalidArgument):
        manager.unlock_pi(memory, 2, tid=7)


@pytest.mark.parametrize("call", ["lock_pi", "trylock_pi"])
def test_lock_refuses_bad_addresses(manager, memory, call):
    with oserror(errno.EINVAL, InvalidArgument):
        getattr(manager, call)(memory, 2, tid=7)
    for addr in (-4, 4096):
        with oserror(errno.EFAULT):
            getattr(manager, call)(memory, addr, tid=7)


def test_unlock_refuses_addresses_outside(manager, memory):
    for addr in (-4, 4096):
        with oserror(errno.EFAULT):
            manager.unlock_pi(memory, addr, tid=7)


def test_prepare_answers_errors_of_the_address(manager, memory):
    assert manager.lock_pi_prepare(Waiter(), memory, 2, tid=7) == -errno.EINVAL
    assert manager.lock_pi_prepare(Waiter(), memory, 4096, tid=7) == -errno.EFAULT


def test_lock_among_plain_waiters_is_invalid(manager, memory, queue_up):
    queue_up(0)
    with oserror(errno.EINVAL, InvalidArgument):
        manager.lock_pi(memory, 0, tid=7)
    with oserror(errno.EINVAL, InvalidArgument):
        manager.trylock_pi(memory, 0, tid=7)
    assert manager.lock_pi_prepare(Waiter(), memory, 0, tid=7) == -errno.EINVAL
    assert memory.load(0) == 0


def test_unlock_never_hands_the_word_to_a_plain_waiter(manager, memory, queue_up):
    plain = queue_up(0)
    memory.store(0, WAITERS | 9)
    with oserror(errno.EINVAL, InvalidArgument):
        manager.unlock_pi(memory, 0, tid=9)
    assert plain.state is WaiterState.QUEUED
    assert memory.load(0) == WAITERS | 9


def test_lock_of_a_dead_owner_is_no_such_process_with_waiters_left(memory):
    asked = []

    def alive(tid):
        asked.append(tid)
        return tid != 9

    manager = Manager(owner_alive=alive)
    memory.store(0, 9)
    with oserror(errno.ESRCH, ProcessLookupError):
        manager.lock_pi(memory, 0, tid=7)
    assert memory.load(0) == WAITERS | 9
    memory.store(0, 9)
    with oserror(errno.ESRCH, ProcessLookupError):
        manager.trylock_pi(memory, 0, tid=7)
    assert memory.load(0) == WAITERS | 9
    assert manager.lock_pi_prepare(Waiter(), memory, 0, tid=7) == -errno.ESRCH
    assert set(asked) == {9}
    assert len(manager) == 0


def test_owner_alive_that_lives_lets_the_waiter_queue(memory):
    manager = Manager(owner_alive=lambda tid: True)
    memory.store(0, 9)
    w = Waiter()
    assert manager.lock_pi_prepare(w, memory, 0, tid=7) is None
    assert w.cancel()


def test_owner_alive_that_raises_lets_the_exception_through(memory):
    def alive(tid):
        raise LookupError(tid)

    manager = Manager(owner_alive=alive)
    memory.store(0, 9)
    with pytest.raises(LookupError):
        manager.lock_pi(memory, 0, tid=7)
    assert len(manager) == 0


def test_owner_alive_may_use_the_manager(memory):
    manager = Manager(owner_alive=lambda tid: manager.wake(memory, 64) == 0)
    memory.store(0, 9)
    w = Waiter()
    assert manager.lock_pi_prepare(w, memory, 0, tid=7) is None
    assert w.cancel()


def test_lock_times_out_with_waiters_left(manager, memory):
    memory.store(0, 9)
    assert manager.lock_pi(memory, 0, 0.01, tid=7) is False
    assert manager.lock_pi(memory, 0, 0, tid=7) is False
    assert memory.load(0) == WAITERS | 9
    assert len(manager) == 0


@pytest.mark.parametrize("tid", [-1, 0, 1 << 30, 2**32])
def test_lock_refuses_a_tid_that_does_not_fit_the_word(manager, memory, tid):
    with pytest.raises((ValueError, OverflowError)):
        manager.lock_pi(memory, 0, tid=tid)
    assert memory.load(0) == 0


def test_lock_sleeps_until_it_is_handed_the_word(manager, memory, spawn, wait_until):
    assert manager.lock_pi(memory, 0, tid=1)
    sleeper = spawn(manager.lock_pi, memory, 0, tid=2)
    wait_until(lambda: len(manager) == 1)
    manager.unlock_pi(memory, 0, tid=1)
    assert sleeper.result() is True
    assert memory.load(0) == WAITERS | 2


def test_lock_of_many_threads_excludes_and_ends_free(manager, memory, spawn):
    count = [0]

    def work():
        for _ in range(50):
            if not memory.compare_exchange(0, 0, threading.get_native_id()):
                assert manager.lock_pi(memory, 0)
            seen = count[0]
            count[0] = seen + 1
            if not memory.compare_exchange(0, threading.get_native_id(), 0):
                manager.unlock_pi(memory, 0)

    workers = [spawn(work) for _ in range(4)]
    for worker in workers:
        worker.result()
    assert count == [200]
    assert memory.load(0) == 0
    assert len(manager) == 0


def test_lock_waiters_reach_their_completion_queue(manager, memory):
    memory.store(0, 9)
    completions = CompletionQueue()
    w = Waiter(queue=completions)
    assert manager.lock_pi_prepare(w, memory, 0, tid=7) is None
    manager.unlock_pi(memory, 0, tid=9)
    assert completions.drain() == [w]
    assert w.result == 0


def test_lock_is_shared_where_the_memory_has_a_mappable(manager):
    mem = Memory(bytearray(64), mappable=Mappable())
    mem.store(0, 9)
    w = Waiter()
    assert manager.lock_pi_prepare(w, mem, 0, tid=7) is None
    assert w.key.kind is KeyKind.SHARED_MAPPABLE
    manager.fork().unlock_pi(mem, 0, tid=9)
    assert w.woken
