"""wait_requeue_pi and cmp_requeue_pi: from a condition to a PI word, on memory of both kinds and across the two."""

import errno
import signal
import threading

import pytest
from expect import oserror
from model import OWNER_DIED, WAITERS

from pyfutex import ALL, InvalidArgument, Manager, Memory, Target, Waiter, WaiterState, WaitResult

CONDITION, LOCK, OTHER = 0, 64, 128


class WordTarget(Target):
    """Words in a dict, 0 where nothing was stored; `on_load` is called, once, within load."""

    def __init__(self):
        self.words = {}
        self.on_load = None

    def load(self, addr, size=4, /):
        hook, self.on_load = self.on_load, None
        if hook is not None:
            hook()
        return self.words.get(addr, 0)

    def store(self, addr, value):
        """Set a word, as `Memory.store` does."""
        self.words[addr] = value

    def swap(self, addr, new, size=4, /):
        old = self.words.get(addr, 0)
        self.words[addr] = new
        return old

    def compare_and_swap(self, addr, old, new, size=4, /):
        seen = self.words.get(addr, 0)
        if seen == old:
            self.words[addr] = new
        return seen


@pytest.fixture(params=["memory", "target", "memory-target", "target-memory"])
def pair(request):
    """The memory of the condition and that of the lock."""
    names = request.param.split("-")
    made = {"memory": lambda: Memory(bytearray(256)), "target": WordTarget}
    first = made[names[0]]()
    return first, first if len(names) == 1 else made[names[1]]()


@pytest.fixture
def prepare(manager, pair):
    """Queue at the condition: ``prepare(tid, priority=0, addr2=LOCK)``."""

    def queue(tid, priority=0, addr2=LOCK):
        w = Waiter(tag=tid)
        answer = manager.wait_requeue_pi_prepare(
            w, pair[0], CONDITION, addr2, 0, tid=tid, priority=priority, mem2=pair[1]
        )
        assert answer is None
        return w

    return queue


@pytest.fixture
def requeue(manager, pair):
    """``requeue(n_requeue=ALL, val=0, addr2=LOCK)`` as a plain tuple."""

    def call(n_requeue=ALL, val=0, addr2=LOCK):
        return manager.cmp_requeue_pi(pair[0], CONDITION, addr2, val, n_requeue, mem2=pair[1])

    return call


def test_nobody_waits(requeue, pair):
    assert requeue() == (0, 0)
    assert pair[1].load(LOCK) == 0


def test_first_acquires_a_free_lock_and_the_rest_queue(manager, pair, prepare, requeue):
    waiters = [prepare(tid) for tid in (1, 2, 3)]
    assert requeue() == (1, 2)
    assert [w.woken for w in waiters] == [True, False, False]
    assert pair[1].load(LOCK) == WAITERS | 1
    assert [info.kind for info in manager.waiters()] == ["PI", "PI"]
    manager.unlock_pi(pair[1], LOCK, tid=1)
    assert waiters[1].woken
    manager.unlock_pi(pair[1], LOCK, tid=2)
    assert waiters[2].woken
    manager.unlock_pi(pair[1], LOCK, tid=3)
    assert pair[1].load(LOCK) == 0


def test_no_waiters_bit_where_none_is_to_be_requeued(pair, prepare, requeue):
    w, left = prepare(1), prepare(2)
    assert requeue(0) == (1, 0)
    assert pair[1].load(LOCK) == 1
    assert w.woken
    assert left.state is WaiterState.QUEUED


def test_waiters_bit_where_some_might_be_requeued(pair, prepare, requeue):
    prepare(1)
    assert requeue(1) == (1, 0)
    assert pair[1].load(LOCK) == WAITERS | 1


@pytest.mark.parametrize(("n", "moved"), [(0, 1), (1, 2), (2, 3), (ALL, 4)])
def test_a_held_lock_takes_one_more(pair, prepare, requeue, n, moved):
    pair[1].store(LOCK, 9)
    waiters = [prepare(tid) for tid in (1, 2, 3, 4)]
    assert requeue(n) == (0, moved)
    assert pair[1].load(LOCK) == WAITERS | 9
    assert not any(w.woken for w in waiters)


def test_requeued_by_priority(manager, pair, prepare, requeue):
    pair[1].store(LOCK, 9)
    for tid, priority in ((1, 0), (2, 5), (3, 0), (4, 7)):
        prepare(tid, priority)
    assert requeue(1) == (0, 2)
    assert [info.tid for info in manager.waiters(pair[1], LOCK)] == [4, 2]
    assert [info.tid for info in manager.waiters(pair[0], CONDITION)] == [1, 3]


def test_other_value(pair, prepare, requeue):
    w = prepare(1)
    pair[0].store(CONDITION, 5)
    assert requeue() is None
    assert requeue(val=5) == (1, 0)
    assert w.woken


def test_wait_answers_a_mismatch(manager, pair):
    pair[0].store(CONDITION, 5)
    w = Waiter()
    assert (
        manager.wait_requeue_pi_prepare(w, pair[0], CONDITION, LOCK, 0, tid=1, mem2=pair[1]) == -errno.EAGAIN
    )
    assert w.state is WaiterState.IDLE
    assert manager.wait_requeue_pi(pair[0], CONDITION, LOCK, 0, mem2=pair[1]) is WaitResult.MISMATCH


def test_owner_dead_when_requeued(manager, pair, prepare, requeue):
    pair[1].store(LOCK, OWNER_DIED)
    prepare(1)
    assert requeue(0) == (1, 0)
    assert pair[1].load(LOCK) == OWNER_DIED | 1


def test_the_lock_of_another_condition_is_refused(pair, prepare, requeue):
    w = prepare(1, addr2=OTHER)
    with oserror(errno.EINVAL, InvalidArgument) as caught:
        requeue()
    assert (caught.value.woken, caught.value.requeued) == (0, 0)
    assert w.cancel()


def test_what_was_done_before_another_lock_is_met_stays_done(pair, prepare, requeue):
    first, second = prepare(1), prepare(2, addr2=OTHER)
    with oserror(errno.EINVAL, InvalidArgument) as caught:
        requeue()
    assert (caught.value.woken, caught.value.requeued) == (1, 0)
    assert first.woken
    assert second.cancel()


def test_plain_waiter_is_refused(manager, pair, requeue):
    w = Waiter()
    assert manager.wait_prepare(w, pair[0], CONDITION, 0) is None
    with oserror(errno.EINVAL, InvalidArgument):
        requeue()
    assert w.cancel()


@pytest.mark.parametrize("call", ["wake", "requeue", "cmp_requeue", "wake_op", "lock_pi", "unlock_pi"])
def test_nothing_else_touches_a_requeue_pi_waiter(manager, pair, prepare, call):
    w = prepare(1)
    mem = pair[0]
    calls = {
        "wake": lambda: manager.wake(mem, CONDITION),
        "requeue": lambda: manager.requeue(mem, CONDITION, OTHER),
        "cmp_requeue": lambda: manager.cmp_requeue(mem, CONDITION, OTHER, 0),
        "wake_op": lambda: manager.wake_op(mem, CONDITION, OTHER, 0),
        "lock_pi": lambda: manager.trylock_pi(mem, CONDITION, tid=5),
        "unlock_pi": lambda: (mem.store(CONDITION, 5), manager.unlock_pi(mem, CONDITION, tid=5)),
    }
    with oserror(errno.EINVAL, InvalidArgument):
        calls[call]()
    assert w.cancel()


def test_a_waiter_that_owns_the_lock_is_a_deadlock(pair, prepare, requeue):
    pair[1].store(LOCK, 1)
    w = prepare(1)
    with oserror(errno.EDEADLK):
        requeue()
    assert w.cancel()


def test_a_waiter_further_back_that_owns_the_lock_stops_the_walk(pair, prepare, requeue):
    pair[1].store(LOCK, 2)
    first, owner, third = prepare(1), prepare(2), prepare(3)
    with oserror(errno.EDEADLK) as caught:
        requeue()
    assert (caught.value.woken, caught.value.requeued) == (0, 1)
    for w in (first, owner, third):
        assert w.cancel()


def test_dead_owner_of_the_lock(pair):
    manager = Manager(owner_alive=lambda tid: tid != 9)
    pair[1].store(LOCK, 9)
    w = Waiter()
    assert manager.wait_requeue_pi_prepare(w, pair[0], CONDITION, LOCK, 0, tid=1, mem2=pair[1]) is None
    with oserror(errno.ESRCH, ProcessLookupError):
        manager.cmp_requeue_pi(pair[0], CONDITION, LOCK, 0, mem2=pair[1])
    assert w.cancel()


@pytest.mark.parametrize("requeued", [False, True])
def test_cancel_before_and_after_the_requeue(manager, pair, prepare, requeue, requeued):
    pair[1].store(LOCK, 9)
    w = prepare(1)
    if requeued:
        assert requeue() == (0, 1)
    assert w.cancel()
    assert len(manager) == 0
    pair[1].store(LOCK, 9)
    manager.unlock_pi(pair[1], LOCK, tid=9)
    assert pair[1].load(LOCK) == 0


def test_requeued_waiters_are_in_the_chain_of_owners(manager, pair, prepare, requeue):
    mem2 = pair[1]
    assert manager.lock_pi_prepare(Waiter(), mem2, OTHER, tid=1) == 0
    mem2.store(LOCK, 2)
    prepare(1)
    assert requeue() == (0, 1)
    assert manager.lock_pi_prepare(Waiter(), mem2, OTHER, tid=2) == -errno.EDEADLK


def test_owner_exit_reaches_requeued_waiters(manager, pair, prepare, requeue):
    pair[1].store(LOCK, 9)
    w = prepare(1)
    assert requeue() == (0, 1)
    assert manager.owner_exit(9) == 1
    assert w.result == 0
    assert pair[1].load(LOCK) == WAITERS | OWNER_DIED | 1


def test_one_word_for_both_is_invalid(manager, memory):
    with oserror(errno.EINVAL, InvalidArgument):
        manager.wait_requeue_pi(memory, 0, 0, 0)
    assert manager.wait_requeue_pi_prepare(Waiter(), memory, 0, 0, 0, tid=1) == -errno.EINVAL
    with oserror(errno.EINVAL, InvalidArgument):
        manager.cmp_requeue_pi(memory, 0, 0, 0)


@pytest.mark.parametrize(("addr", "addr2", "number"), [(2, 64, errno.EINVAL), (0, 66, errno.EINVAL),
                                                       (4096, 64, errno.EFAULT), (0, -4, errno.EFAULT)])  # fmt: skip
def test_bad_addresses(manager, memory, addr, addr2, number):
    assert manager.wait_requeue_pi_prepare(Waiter(), memory, addr, addr2, 0, tid=1) == -number
    with oserror(number):
        manager.wait_requeue_pi(memory, addr, addr2, 0)
    with oserror(number):
        manager.cmp_requeue_pi(memory, addr, addr2, 0)


def test_waits_until_it_owns_the_lock(manager, pair, spawn, wait_until, requeue):
    sleeper = spawn(manager.wait_requeue_pi, pair[0], CONDITION, LOCK, 0, mem2=pair[1], tid=7)
    wait_until(lambda: len(manager) == 1)
    pair[1].store(LOCK, 9)
    assert requeue() == (0, 1)
    assert len(manager) == 1
    manager.unlock_pi(pair[1], LOCK, tid=9)
    assert sleeper.result() is WaitResult.WOKEN
    assert pair[1].load(LOCK) == WAITERS | 7


def test_times_out_before_and_after_the_requeue(manager, pair, spawn, wait_until, requeue):
    wait = manager.wait_requeue_pi
    assert wait(pair[0], CONDITION, LOCK, 0, 0.001, mem2=pair[1]) is WaitResult.TIMEOUT
    pair[1].store(LOCK, 9)
    sleeper = spawn(wait, pair[0], CONDITION, LOCK, 0, 0.2, mem2=pair[1])
    wait_until(lambda: len(manager) == 1)
    assert requeue() == (0, 1)
    assert sleeper.result() is WaitResult.TIMEOUT
    assert len(manager) == 0


@pytest.mark.parametrize("requeued", [False, True])
def test_a_signal_restarts_before_the_requeue_and_ends_after_it(
    manager, pair, spawn, wait_until, requeue, requeued
):
    pair[1].store(LOCK, 9)
    caught = []
    main = threading.get_ident()

    def interrupt():
        wait_until(lambda: len(manager) == 1)
        if requeued:
            assert requeue() == (0, 1)
        signal.pthread_kill(main, signal.SIGUSR1)
        wait_until(lambda: caught)
        if not requeued:
            wait_until(lambda: len(manager) == 1)
            assert requeue() == (0, 1)
            manager.unlock_pi(pair[1], LOCK, tid=9)

    before = signal.signal(signal.SIGUSR1, lambda *_: caught.append(1))
    try:
        other = spawn(interrupt)
        result = manager.wait_requeue_pi(pair[0], CONDITION, LOCK, 0, mem2=pair[1])
        other.result()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert result is (WaitResult.MISMATCH if requeued else WaitResult.WOKEN)
    assert len(manager) == 0


def test_only_those_who_came_before_the_comparison_are_moved(manager):
    target = WordTarget()
    late = Waiter()
    early = Waiter()
    assert manager.wait_requeue_pi_prepare(early, target, CONDITION, LOCK, 0, tid=1) is None
    target.words[LOCK] = 9

    def arrive():
        assert manager.wait_requeue_pi_prepare(late, target, CONDITION, LOCK, 0, tid=2) is None

    target.on_load = arrive
    assert manager.cmp_requeue_pi(target, CONDITION, LOCK, 0) == (0, 1)
    assert late.key.offset == CONDITION
    assert early.key.offset == LOCK
