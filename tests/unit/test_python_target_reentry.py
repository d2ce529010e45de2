"""A target written in Python that changes the queue from within its own methods, and waiters that are not free."""

import errno

import pytest
from expect import oserror
from model import WAITERS

from pyfutex import Manager, Target, Waiter, WaiterState, WaitResult

OWNER = 9


class HookedTarget(Target):
    """Words in a dict; `on_load` and `on_swap` are called, once each, within the method of that name."""

    def __init__(self, words):
        self.words = words
        self.on_load = self.on_swap = None

    def load(self, addr, size=4, /):
        hook, self.on_load = self.on_load, None
        if hook is not None:
            hook()
        return self.words[addr]

    def compare_and_swap(self, addr, old, new, size=4, /):
        seen = self.words[addr]
        if seen == old:
            self.words[addr] = new
        hook, self.on_swap = self.on_swap, None
        if hook is not None:
            hook()
        return seen


class HookError(Exception):
    """What a hook of these tests raises."""


@pytest.fixture
def target():
    """A free word at 0, one that is locked at 64."""
    return HookedTarget({0: 0, 64: OWNER})


@pytest.fixture
def locked(manager, target):
    """Two waiters, of tid 7 and 8, for the locked word."""
    first, second = Waiter(tag=7), Waiter(tag=8)
    for w in (first, second):
        assert manager.lock_pi_prepare(w, target, 64, tid=w.tag) is None
    return first, second


def fail():
    """Raise HookError."""
    raise HookError


def test_unlock_hands_on_for_a_new_owner_who_left_from_within_the_target(manager, target, locked):
    first, second = locked
    target.on_swap = first.cancel
    manager.unlock_pi(target, 64, tid=OWNER)
    assert first.state is WaiterState.CANCELLED
    assert second.woken
    assert target.words[64] == WAITERS | 8


def test_unlock_frees_the_word_when_every_waiter_left_from_within_the_target(manager, target, locked):
    target.on_swap = lambda: [w.cancel() for w in locked]
    manager.unlock_pi(target, 64, tid=OWNER)
    assert [w.state for w in locked] == [WaiterState.CANCELLED] * 2
    assert target.words[64] == 0


def test_unlock_that_raises_after_the_waiters_left_keeps_nobody_queued(manager, target, locked):
    target.on_swap = lambda: [w.cancel() for w in locked] and fail()
    with pytest.raises(HookError):
        manager.unlock_pi(target, 64, tid=OWNER)
    assert len(manager) == 0


def test_a_pi_operation_that_raised_lets_the_next_one_in(manager, target):
    target.on_load = fail
    with pytest.raises(HookError):
        manager.lock_pi(target, 0, tid=7)
    assert manager.lock_pi(target, 0, tid=7)


def test_load_may_queue_others_for_the_lock_word_of_another_target(manager, target):
    other = HookedTarget({64: OWNER})
    inner = Waiter()
    target.on_load = lambda: manager.lock_pi_prepare(inner, other, 64, tid=5)
    assert manager.trylock_pi(target, 0, tid=7)
    assert inner.state is WaiterState.QUEUED
    assert inner.cancel()


def test_load_that_cancels_its_waiter_and_raises_wakes_nobody_else(manager, target, queue_up):
    bystander, w = queue_up(0, mem=target), Waiter()
    target.on_load = lambda: w.cancel() and fail()
    with pytest.raises(HookError):
        manager.wait_prepare(w, target, 0, 0)
    assert w.state is WaiterState.CANCELLED
    assert bystander.state is WaiterState.QUEUED


def test_a_wake_that_a_raising_wait_took_goes_to_the_next(manager, target, queue_up):
    def wake_all_before():
        assert manager.wake(target, 0, 1) == 1

    target.on_load = lambda: wake_all_before() or fail()
    with pytest.raises(HookError):
        manager.wait(target, 0, 0)
    follower = queue_up(0, mem=target)
    assert follower.state is WaiterState.QUEUED

    def wake_both():
        assert manager.wake(target, 0, 2) == 2

    last = Waiter()

    def queue_behind_and_wake():
        wake_both()
        assert manager.wait_prepare(last, target, 0, 0) is None
        fail()

    target.on_load = queue_behind_and_wake
    with pytest.raises(HookError):
        manager.wait(target, 0, 0)
    assert follower.woken
    assert last.woken
    assert len(manager) == 0


def test_load_that_requeues_its_waiter_and_differs_leaves_nothing_queued(manager, target):
    def move():
        assert manager.requeue(target, 0, 64, 0) == (0, 1)

    target.on_load = move
    assert manager.wait(target, 0, 1) is WaitResult.MISMATCH
    assert len(manager) == 0


@pytest.mark.parametrize("addr", [0, 64], ids=["free", "held"])
def test_lock_pi_prepare_of_a_queued_waiter_changes_nothing(manager, memory, target, queue_up, addr):
    w = queue_up(0)
    words = dict(target.words)
    with pytest.raises(RuntimeError):
        manager.lock_pi_prepare(w, target, addr, tid=7)
    assert target.words == words
    assert manager.wake(memory, 0) == 1
    assert w.woken


def test_wait_prepare_of_a_queued_waiter_does_not_load(manager, memory, target, queue_up):
    w = queue_up(0)
    loaded = []
    target.on_load = lambda: loaded.append(True)
    with pytest.raises(RuntimeError):
        manager.wait_prepare(w, target, 0, 0)
    assert loaded == []
    assert manager.wake(memory, 0) == 1


@pytest.mark.parametrize("value", ["0", 0.0, None, -1, 2**32, object()])
def test_nonsense_from_compare_and_swap_is_refused(manager, value):
    class Nonsense(HookedTarget):
        def swap(self, addr, new, size=4, /):
            return value

        def compare_and_swap(self, addr, old, new, size=4, /):
            return value

    nonsense = Nonsense({0: 0, 64: OWNER})
    for call in (
        lambda: manager.lock_pi(nonsense, 0, tid=7),
        lambda: manager.trylock_pi(nonsense, 64, tid=7),
        lambda: manager.lock_pi_prepare(Waiter(), nonsense, 64, tid=7),
        lambda: manager.unlock_pi(nonsense, 64, tid=OWNER),
        lambda: manager.wake_op(nonsense, 64, 0, 0),
        lambda: manager.wake_op(nonsense, 64, 0, 1 << 28),
    ):
        with pytest.raises((TypeError, OverflowError)):
            call()
        assert len(manager) == 0


@pytest.mark.parametrize("value", ["0", 0.0, None, -1, 2**32])
def test_nonsense_from_owner_alive_is_a_truth_value(target, value):
    manager = Manager(owner_alive=lambda tid: value)
    if value:
        assert manager.trylock_pi(target, 64, tid=7) is False
    else:
        with oserror(errno.ESRCH, ProcessLookupError):
            manager.trylock_pi(target, 64, tid=7)


def test_unlock_of_a_word_that_changes_under_it_says_try_again(manager, target):
    class Stubborn(HookedTarget):
        def compare_and_swap(self, addr, old, new, size=4, /):
            return old ^ WAITERS

    with oserror(errno.EAGAIN, BlockingIOError):
        manager.unlock_pi(Stubborn({0: 7}), 0, tid=7)


def test_signatures_that_do_not_fit_are_type_errors(manager):
    class Shy(Target):
        def load(self):
            return 0

    with pytest.raises(TypeError):
        manager.wait(Shy(), 0, 0)
    assert len(manager) == 0


def test_an_attribute_that_is_no_method_is_a_type_error(manager):
    class Odd(Target):
        load = 5

    with pytest.raises(TypeError):
        manager.wait(Odd(), 0, 0)
    assert len(manager) == 0
