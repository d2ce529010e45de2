"""The ten hazards that other implementations of the futex manager fell into, each by name.

Each test fails if what prevents its hazard is taken out. Where the hazard is a race, the test here runs it from Python;
tests/native repeats it in loops without the GIL, where the windows are hit more often.
"""

import ctypes
import mmap
import os
import threading
import time
from errno import EINVAL, ENOSYS

import pytest
from expect import oserror
from hazards.churn import Churn, Crowd, quick_switches

from pyfutex import (
    ALL,
    InvalidArgument,
    Manager,
    Mappable,
    Memory,
    Requeued,
    Target,
    Waiter,
    WaiterState,
    WaitResult,
)

A, B, C = 64, 2048, 3072
TID = 4242
ROUNDS = 300


def woken_names(waiters):
    """The tags of those that were taken."""
    return [w.tag for w in waiters if w.state is WaiterState.DONE]


def wake_order(manager, memory, addr, waiters):
    """Wake one at a time: the tags in their order in the queue."""
    order = []
    while manager.wake(memory, addr):
        order += [tag for tag in woken_names(waiters) if tag not in order]
    return order


def shared_page():
    return Memory(mmap.mmap(-1, mmap.PAGESIZE), mappable=Mappable("page"))


def test_hazard_01_two_shared_keys_are_locked_both(manager, rng):
    memory = shared_page()
    crowd = Crowd(lambda w, addr: manager.wait_prepare(w, memory, addr, 0), [A] * 400 + [B] * 400)
    taken = 0
    with quick_switches(), Churn(lambda addr: manager.wait(memory, addr, 0, 20e-6), (A, B)) as churn:
        for _ in range(2 * ROUNDS):
            for source, target in ((A, B), (B, A)) * 20:
                n_wake, n_requeue = rng.randrange(3), rng.choice((1, 2, 300, ALL))
                taken += manager.requeue(memory, source, target, n_wake, n_requeue).woken
            crowd.refill()
    taken += manager.wake(memory, A, ALL) + manager.wake(memory, B, ALL)
    crowd.finish()
    assert len(manager) == 0
    assert taken == crowd.woken + churn.woken


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("compare", [False, True])
def test_hazard_02_requeue_to_the_same_key_ends_and_keeps_the_order(manager, memory, shared, compare):
    mem = shared_page() if shared else memory
    waiters = [Waiter(tag=i) for i in range(50)]
    for w in waiters:
        assert manager.wait_prepare(w, mem, A, 0) is None
    assert manager.wait_prepare(foreign := Waiter(), mem, B, 0) is None
    answer = manager.cmp_requeue(mem, A, A, 0, 1, ALL) if compare else manager.requeue(mem, A, A, 1, ALL)
    assert answer == Requeued(1, 49)
    assert woken_names(waiters) == [0]
    assert manager.requeue(mem, A, A, 0, 10) == Requeued(0, 10)
    assert wake_order(manager, mem, A, waiters) == list(range(50))
    assert foreign.state is WaiterState.QUEUED


def test_hazard_03_woken_waiter_never_reports_a_timeout(manager, queue_up, memory):
    w = queue_up(A)
    assert manager.wake(memory, A) == 1
    assert w.wait(0) is WaitResult.WOKEN
    assert w.wait(deadline=0.0) is WaitResult.WOKEN
    assert not w.cancel()
    assert manager.wait_complete(w)
    assert (w.state, w.result) == (WaiterState.DONE, 0)


class WokenWhileAsked(Target):
    """Memory of one word that wakes its own waiter when the word is read, and takes until `done_at` to answer."""

    def __init__(self, manager, value):
        self.manager = manager
        self.value = value
        self.woken = 0
        self.done_at = 0.0

    def load(self, addr, size=4, /):
        self.woken += self.manager.wake(self, addr)
        while time.monotonic() < self.done_at:
            pass
        return self.value


def test_hazard_03_wake_before_the_deadline_wins_though_the_deadline_has_passed(manager):
    target = WokenWhileAsked(manager, 0)
    target.done_at = time.monotonic() + 0.005
    assert manager.wait(target, A, 0, deadline=target.done_at - 0.001) is WaitResult.WOKEN
    assert target.woken == 1


def test_hazard_03_wakes_equal_woken_waits_under_racing_timeouts(manager, memory, rng):
    taken = 0
    with quick_switches():
        with Churn(
            lambda addr: manager.wait(memory, addr, 0, rng.choice((1e-6, 30e-6, 80e-6))), (A,), 6
        ) as churn:
            for _ in range(60 * ROUNDS):
                taken += manager.wake(memory, A, rng.choice((1, 2, ALL)))
    assert len(manager) == 0
    assert taken == churn.woken


def test_hazard_03_hand_over_of_a_lock_is_ownership_whatever_the_timer_says(manager, memory):
    assert manager.trylock_pi(memory, A, tid=1)
    assert manager.lock_pi_prepare(w := Waiter(), memory, A, tid=2) is None
    manager.unlock_pi(memory, A, tid=1)
    assert w.wait(0) is WaitResult.WOKEN
    assert not w.cancel()
    assert memory.load(A) & 0x3FFF_FFFF == 2


PLAIN_OPERATIONS = {
    "wake": lambda m, mem: m.wake(mem, A),
    "wake all": lambda m, mem: m.wake(mem, A, ALL),
    "wake bitset": lambda m, mem: m.wake(mem, A, bitset=1),
    "requeue, waking": lambda m, mem: m.requeue(mem, A, B, 1, 0),
    "requeue, moving": lambda m, mem: m.requeue(mem, A, B, 0, 1),
    "requeue to itself": lambda m, mem: m.requeue(mem, A, A, 0, 1),
    "cmp_requeue": lambda m, mem: m.cmp_requeue(mem, A, B, mem.load(A)),
    "wake_op, first word": lambda m, mem: m.wake_op(mem, A, B, 0x2000_0000),
    "wake_op, second word": lambda m, mem: m.wake_op(mem, B, A, 0x2100_0FFF),
    "wake_wait": lambda m, mem: m.wake_wait(mem, A, B, 0, 0),
}


@pytest.mark.parametrize("operation", PLAIN_OPERATIONS.values(), ids=PLAIN_OPERATIONS.keys())
def test_hazard_04_plain_operation_on_a_pi_waiter_is_refused(manager, memory, operation):
    assert manager.trylock_pi(memory, A, tid=TID)
    assert manager.lock_pi_prepare(w := Waiter(), memory, A, tid=TID + 1) is None
    word = memory.load(A)
    with oserror(EINVAL, InvalidArgument) as caught:
        operation(manager, memory)
    assert caught.value.woken == 0
    assert (w.state, memory.load(A)) == (WaiterState.QUEUED, word)
    manager.unlock_pi(memory, A, tid=TID)
    assert (w.result, memory.load(A) & 0x3FFF_FFFF) == (0, TID + 1)


@pytest.mark.parametrize("again_at", [A, B])
def test_hazard_05_woken_waiter_may_be_reused_in_its_own_callback(manager, memory, again_at):
    called = []

    def again(w):
        called.append(w.tag)
        if len(called) <= 8:
            assert manager.wait_prepare(w, memory, again_at, 0) is None

    waiters = [Waiter(again, tag=i) for i in range(8)]
    for w in waiters:
        assert manager.wait_prepare(w, memory, A, 0) is None
    assert manager.wake(memory, A, ALL) == 8
    assert called == list(range(8))
    assert len(manager) == 8
    assert manager.wake(memory, again_at, ALL) == 8
    assert called == [*range(8), *range(8)]
    assert all(w.state is WaiterState.DONE for w in waiters)


def test_hazard_05_woken_thread_reuses_its_stack_while_others_are_still_being_woken(manager, memory, spawn):
    n_threads, rounds = 4, 400
    counts = [0] * n_threads
    taken = 0

    def sleep_again_at_once(i):
        for _ in range(rounds):
            counts[i] += manager.wait(memory, A, 0) is WaitResult.WOKEN

    with quick_switches():
        threads = [spawn(sleep_again_at_once, i) for i in range(n_threads)]
        while not all(thread.done for thread in threads):
            taken += manager.wake_wait(memory, A, B, 0, 50e-6, n=ALL).woken
    for thread in threads:
        thread.result()
    assert counts == [rounds] * n_threads
    assert taken == n_threads * rounds
    assert len(manager) == 0


def test_hazard_05_thread_that_times_out_while_taken_stays_until_it_is_marked(manager, memory, rng):
    """wake_wait marks without the GIL: who came too late to give up must not return, and reuse its stack, before that."""
    taken = 0
    with quick_switches():
        with Churn(lambda addr: manager.wait(memory, addr, 0, rng.choice((20e-6, 60e-6))), (A,), 6) as churn:
            for _ in range(5 * ROUNDS):
                taken += manager.wake_wait(memory, A, B, 0, 1e-6, n=ALL).woken
    assert len(manager) == 0
    assert taken == churn.woken


def test_hazard_06_cancel_takes_out_that_waiter_wherever_it_was_moved(manager, memory, queue_up):
    resident = queue_up(B, tag="resident")
    moved = [queue_up(A, tag=i) for i in range(3)]
    assert manager.requeue(memory, A, B, 0, ALL) == Requeued(0, 3)
    newcomer = queue_up(A, tag="newcomer")
    assert moved[1].cancel()
    assert not moved[1].cancel()
    assert moved[0].cancel()
    assert [w.state for w in (resident, moved[2], newcomer)] == [WaiterState.QUEUED] * 3
    assert wake_order(manager, memory, B, [resident, *moved, newcomer]) == ["resident", 2]
    assert manager.wake(memory, A, ALL) == 1
    assert woken_names([newcomer]) == ["newcomer"]


@pytest.mark.parametrize("target", [B, B + 4, C])  # two words may share a bucket, not all of these
@pytest.mark.parametrize(("n_moved", "place"), [(1, 0), (3, 0), (3, 1), (3, 2)])
def test_hazard_06_cancelled_waiter_leaves_nothing_behind_at_its_new_word(
    manager, memory, queue_up, target, n_moved, place
):
    """Nobody waits at the new word but those that were moved: the one that leaves may be its first, or the last to go."""
    moved = [queue_up(A, tag=i) for i in range(n_moved)]
    assert manager.requeue(memory, A, target, 0, ALL) == Requeued(0, n_moved)
    leaver = moved.pop(place)
    assert leaver.cancel()
    assert [info.waiter for info in manager.waiters()] == moved
    assert manager.stats()["keys"] == (n_moved > 1)
    late = [queue_up(A, tag="late at A"), queue_up(target, tag="late at the new word")]
    assert manager.wake(memory, target, ALL) == len(moved) + 1
    assert manager.wake(memory, A, ALL) == 1
    assert all(w.state is WaiterState.DONE for w in (*moved, *late))
    assert leaver.state is WaiterState.CANCELLED
    assert (len(manager), manager.stats()["keys"]) == (0, 0)


def test_hazard_06_thread_that_times_out_after_a_requeue_leaves_the_right_queue(
    manager, memory, queue_up, spawn, wait_until
):
    resident = queue_up(B)
    sleeper = spawn(manager.wait, memory, A, 0, 0.3)
    wait_until(lambda: len(manager) == 2)
    newcomer = queue_up(A)
    assert manager.requeue(memory, A, B, 0, 1) == Requeued(0, 1)
    assert sleeper.result() is WaitResult.TIMEOUT
    assert len(manager) == 2
    assert (manager.wake(memory, A, ALL), newcomer.woken) == (1, True)
    assert (manager.wake(memory, B, ALL), resident.woken) == (1, True)


class ChangedAfterTheLook(Target):
    """Memory of one word that is changed, and its waiters woken, right after its old value was read."""

    def __init__(self, manager):
        self.manager = manager
        self.value = 0
        self.woken = 0

    def load(self, addr, size=4, /):
        seen, self.value = self.value, 1
        self.woken += self.manager.wake(self, addr)
        return seen


def test_hazard_07_store_and_wake_between_compare_and_queue_are_not_lost(manager):
    target = ChangedAfterTheLook(manager)
    assert manager.wait(target, A, 0, 5.0) is WaitResult.WOKEN
    assert target.woken == 1


def test_hazard_07_two_threads_hand_a_word_back_and_forth(manager, memory, spawn):
    turns = 3000

    def play(me):
        for turn in range(me, turns, 2):
            while (seen := memory.load(A)) != turn:
                manager.wait(memory, A, seen)
            memory.store(A, turn + 1)
            manager.wake(memory, A)

    with quick_switches():
        players = [spawn(play, me) for me in (0, 1)]
        for player in players:
            player.result()
    assert memory.load(A) == turns


@pytest.mark.parametrize("shared", [False, True])
def test_hazard_08_wake_op_holds_both_buckets(manager, memory, shared, rng):
    mem = shared_page() if shared else memory
    add_nothing_if_zero = 0x1000_0000
    crowd = Crowd(lambda w, addr: manager.wait_prepare(w, mem, addr, 0), [A] * 300 + [B] * 300)
    taken = 0
    with quick_switches(), Churn(lambda addr: manager.wait(mem, addr, 0, 20e-6), (A, B)) as churn:
        for _ in range(3 * ROUNDS):
            taken += manager.wake_op(mem, A, B, add_nothing_if_zero, rng.randint(1, 300), rng.randint(1, 300))
            taken += manager.wake_op(mem, B, A, add_nothing_if_zero, rng.randint(1, 300), rng.randint(1, 300))
            crowd.refill()
    taken += manager.wake_op(mem, A, B, add_nothing_if_zero, ALL, ALL)
    crowd.finish()
    assert len(manager) == 0
    assert taken == crowd.woken + churn.woken


def test_hazard_09_shared_key_is_not_the_address(manager):
    fileno = os.memfd_create("page")
    os.ftruncate(fileno, 2 * mmap.PAGESIZE)
    whole = mmap.mmap(fileno, 2 * mmap.PAGESIZE)
    second_page = mmap.mmap(fileno, mmap.PAGESIZE, offset=mmap.PAGESIZE)
    mappable = Mappable.of(fileno)
    os.close(fileno)
    assert ctypes.addressof(ctypes.c_char.from_buffer(second_page)) != (
        ctypes.addressof(ctypes.c_char.from_buffer(whole)) + mmap.PAGESIZE
    )
    one = Memory(whole, mappable=mappable)
    other = Memory(second_page, 0x4000_0000, mappable=mappable, offset=mmap.PAGESIZE)
    same_addresses = Memory(mmap.mmap(-1, 2 * mmap.PAGESIZE), mappable=Mappable("another"))

    waiter = Waiter()
    assert manager.wait_prepare(waiter, one, mmap.PAGESIZE + A, 0) is None
    assert manager.wake(same_addresses, mmap.PAGESIZE + A) == 0
    assert manager.wake(one, A) == 0
    assert manager.wake(other, 0x4000_0000 + A, private=True) == 0
    assert manager.wake(other, 0x4000_0000 + A) == 1
    assert waiter.woken


def test_hazard_09_shared_key_meets_across_forked_managers(manager):
    one, other = shared_page(), shared_page()
    child = manager.fork()
    with child:
        waiter = Waiter()
        assert manager.wait_prepare(waiter, one, A, 0) is None
        assert child.wake(other, A) == 0
        assert child.wake(one, A) == 1
        assert waiter.woken
    with Manager() as stranger:
        assert manager.wait_prepare(waiter, one, A, 0) is None
        assert stranger.wake(one, A) == 0
        assert waiter.cancel()


@pytest.mark.parametrize("op", [5, 6, 7, 13, 14, 15])
def test_hazard_10_unknown_operation_is_enosys_and_changes_nothing(manager, memory, queue_up, op):
    waiters = [queue_up(A), queue_up(B)]
    memory.store(B, 7)
    with oserror(ENOSYS) as caught:
        manager.wake_op(memory, A, B, op << 28 | 1 << 24 | 1 << 12 | 9)
    assert not isinstance(caught.value, ValueError)
    assert memory.load(B) == 7
    assert [w.state for w in waiters] == [WaiterState.QUEUED] * 2


@pytest.mark.parametrize("cmp", range(6, 16))
def test_hazard_10_unknown_comparison_is_enosys_after_the_operation(manager, memory, queue_up, cmp):
    waiters = [queue_up(A), queue_up(B)]
    memory.store(B, 7)
    with oserror(ENOSYS) as caught:
        manager.wake_op(memory, A, B, 1 << 28 | cmp << 24 | 1 << 12 | 9)
    assert not isinstance(caught.value, ValueError)
    assert memory.load(B) == 8
    assert [w.state for w in waiters] == [WaiterState.QUEUED] * 2


def test_hazard_01_and_08_opposite_pairs_do_not_deadlock(manager, spawn):
    memory = shared_page()
    start = threading.Barrier(2)

    def pair_up(first, second):
        start.wait()
        for _ in range(2000):
            manager.requeue(memory, first, second, 0, 1)
            manager.wake_op(memory, first, second, 0x2000_0000)

    with quick_switches():
        both = [spawn(pair_up, A, B), spawn(pair_up, B, A)]
        for one in both:
            one.result()
