"""Hazards that are races, without the luck: a bucket lock is held, or a taken waiter is left unmarked, just then.

tests/hazards has all ten hazards by name, and runs those that are races in loops.
"""

import mmap

import pytest

from pyfutex import ALL, Mappable, Memory, Waiter, WaitResult

halfway = pytest.importorskip("pyfutex_native.halfway", reason="pyfutex-native-tests is not installed")

A, B = 64, 2048
NOT_MEANT, MEANT = 1, 2
ADD_NOTHING_IF_ZERO = 0x1000_0000
ADD_ONE_IF_ZERO = 0x1000_1000

TWO_WORD_OPERATIONS = {
    "requeue": lambda m, mem: m.requeue(mem, A, B, 0, ALL),
    "requeue back": lambda m, mem: m.requeue(mem, B, A, 0, ALL),
    "cmp_requeue": lambda m, mem: m.cmp_requeue(mem, A, B, 0, 0, ALL),
    "wake_op": lambda m, mem: m.wake_op(mem, A, B, ADD_NOTHING_IF_ZERO),
    "wake_op back": lambda m, mem: m.wake_op(mem, B, A, ADD_NOTHING_IF_ZERO),
}


def queued(manager, memory, addr, bitset=NOT_MEANT):
    w = Waiter()
    assert manager.wait_prepare(w, memory, addr, 0, bitset=bitset) is None
    return w


@pytest.fixture(params=[False, True], ids=["private", "shared"])
def words(request):
    return Memory(mmap.mmap(-1, mmap.PAGESIZE), mappable=Mappable("page") if request.param else None)


@pytest.mark.parametrize("operation", TWO_WORD_OPERATIONS.values(), ids=TWO_WORD_OPERATIONS.keys())
@pytest.mark.parametrize("locked", [A, B])
def test_hazard_01_and_08_operation_on_two_words_waits_for_either_lock(
    manager, words, spawn, wait_until, operation, locked
):
    waiters = [queued(manager, words, addr) for addr in (A, B)]
    held = halfway.HeldBucket(manager, waiters[locked == B])
    running = spawn(operation, manager, words)
    try:
        wait_until(lambda: held.sleepers() or running.done)
        assert not running.done
    finally:
        held.release()
    running.result()
    assert sum(w.cancel() + w.woken for w in waiters) == 2


@pytest.fixture
def taken_too_late(manager, words, spawn, wait_until):
    """A thread that was taken when its time was up, but before it had the lock to leave; and whoever is to mark it."""
    w = queued(manager, words, A)

    def attempt():
        sleeper = spawn(manager.wait, words, A, 0, 0.1, bitset=MEANT)
        wait_until(lambda: len(manager) == 2 or sleeper.done)
        held = halfway.HeldBucket(manager, w)
        wait_until(lambda: held.sleepers() or sleeper.done)
        n_taken = held.take_threads(MEANT)
        held.release()
        return (sleeper, held) if n_taken else None

    yield wait_until(attempt)
    assert w.cancel()


def test_hazard_03_taken_thread_is_woken_though_its_time_is_up(taken_too_late):
    sleeper, held = taken_too_late
    held.mark_threads()
    assert sleeper.result() is WaitResult.WOKEN


def test_hazard_05_taken_thread_does_not_return_before_its_mark(taken_too_late, wait_until):
    sleeper, held = taken_too_late
    wait_until(lambda: sleeper.done or held.awaits_mark())
    assert not sleeper.done
    held.mark_threads()
    assert sleeper.result() is WaitResult.WOKEN


def test_hazard_07_word_that_changes_while_the_lock_is_waited_for_is_not_slept_on(
    manager, words, spawn, wait_until
):
    w = queued(manager, words, A)
    held = halfway.HeldBucket(manager, w)
    waiting = spawn(manager.wait, words, A, 0, 5.0)
    wait_until(held.sleepers)
    words.store(A, 1)
    held.release()
    assert waiting.result() is WaitResult.MISMATCH
    assert w.cancel()


@pytest.mark.parametrize("locked", [A, B])
def test_hazard_07_cmp_requeue_compares_under_the_locks(manager, words, spawn, wait_until, locked):
    waiters = [queued(manager, words, addr) for addr in (A, B)]
    held = halfway.HeldBucket(manager, waiters[locked == B])
    requeueing = spawn(manager.cmp_requeue, words, A, B, 0)
    wait_until(held.sleepers)
    words.store(A, 1)
    held.release()
    assert requeueing.result() is None
    assert all(w.cancel() for w in waiters)


@pytest.mark.parametrize("locked", [A, B])
def test_hazard_08_wake_op_changes_nothing_before_it_has_both_locks(
    manager, words, spawn, wait_until, locked
):
    waiters = [queued(manager, words, addr) for addr in (A, B)]
    held = halfway.HeldBucket(manager, waiters[locked == B])
    operating = spawn(manager.wake_op, words, A, B, ADD_ONE_IF_ZERO)
    wait_until(held.sleepers)
    assert words.load(B) == 0
    assert not any(w.woken for w in waiters)
    held.release()
    assert operating.result() == 2
    assert words.load(B) == 1
