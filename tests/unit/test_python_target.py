"""Target written in Python: works, raises, answers nonsense, re-enters, drops what it stands on."""

import errno
import gc

import pytest
from expect import oserror
from model import CMP_EQ, CMP_NE, OP_ADD, OP_SET, OWNER_DIED, WAITERS, encode_op

from pyfutex import (
    ALL,
    InvalidArgument,
    Key,
    KeyKind,
    Manager,
    Mappable,
    Memory,
    Target,
    Waiter,
    WaiterState,
    WaitResult,
)


class DictTarget(Target):
    """Words in a dict; an address that is not in it is a fault."""

    def __init__(self, words):
        self.words = words
        self.calls = []

    def _word(self, addr):
        if addr not in self.words:
            raise OSError(errno.EFAULT, "no such word")
        return self.words[addr]

    def load(self, addr, size=4, /):
        self.calls.append(("load", addr, size))
        return self._word(addr)

    def swap(self, addr, new, size=4, /):
        self.calls.append(("swap", addr, size))
        old = self._word(addr)
        self.words[addr] = new
        return old

    def compare_and_swap(self, addr, old, new, size=4, /):
        self.calls.append(("compare_and_swap", addr, size))
        seen = self._word(addr)
        if seen == old:
            self.words[addr] = new
        return seen


class LoadTarget(Target):
    """A target whose load is the given call."""

    def __init__(self, call):
        self.call = call

    def load(self, addr, size=4, /):
        return self.call(addr)


class KeyTarget(DictTarget):
    """A target whose shared key is what the given call answers."""

    def __init__(self, call):
        super().__init__({64: 0})
        self.call = call

    def shared_key(self, addr, /):
        return self.call()


class TargetError(Exception):
    """What a target of these tests raises."""


@pytest.fixture
def target():
    """Two words, 0 at 64 and 0 at 128."""
    return DictTarget({64: 0, 128: 0})


def test_wait_prepare_loads_and_queues(manager, target, queue_up):
    w = queue_up(64, mem=target)
    assert target.calls == [("load", 64, 4)]
    assert manager.wake(target, 64) == 1
    assert w.woken


def test_wait_prepare_answers_eagain(manager, target):
    assert manager.wait_prepare(Waiter(), target, 64, 1) == -errno.EAGAIN
    assert len(manager) == 0


def test_wake_never_loads(manager, target):
    assert manager.wake(target, 64) == 0
    assert target.calls == []


def test_wait_answers_mismatch_and_timeout(manager, target):
    assert manager.wait(target, 64, 1) is WaitResult.MISMATCH
    assert manager.wait(target, 64, 0, 0.01) is WaitResult.TIMEOUT
    assert len(manager) == 0


def test_wait_sleeps_until_woken(manager, target, spawn, wait_until):
    sleeper = spawn(manager.wait, target, 64, 0)
    wait_until(lambda: len(manager) == 1)
    wait_until(lambda: manager.wake(target, 64) == 1)
    assert sleeper.result() is WaitResult.WOKEN


def test_requeue_moves_waiters(manager, target, queue_up):
    queue_up(64, mem=target)
    assert manager.requeue(target, 64, 128, 0) == (0, 1)
    assert manager.wake(target, 128) == 1


def test_cmp_requeue_compares_what_the_target_loads(manager, target, queue_up):
    queue_up(64, mem=target)
    assert manager.cmp_requeue(target, 64, 128, 1) is None
    assert manager.cmp_requeue(target, 64, 128, 0, 0) == (0, 1)
    assert manager.wake(target, 128) == 1


def test_cmp_requeue_leaves_waiters_that_came_after_its_ticket(manager):
    late = Waiter()

    def load(addr):
        if loading:
            loading.clear()
            assert manager.wait_prepare(late, target, 64, 0) is None
        return 0

    loading = []
    target = LoadTarget(load)
    early = Waiter()
    assert manager.wait_prepare(early, target, 64, 0) is None
    loading.append(True)
    assert manager.cmp_requeue(target, 64, 128, 0, 0, ALL) == (0, 1)
    assert manager.wake(target, 64, ALL) == 1
    assert late.woken
    assert early.cancel()


def test_wake_op_changes_the_word_through_the_target(manager, target, queue_up):
    queue_up(64, mem=target)
    queue_up(128, mem=target)
    assert manager.wake_op(target, 64, 128, encode_op(OP_ADD, 5, CMP_EQ, 0)) == 2
    assert target.words == {64: 0, 128: 5}


def test_wake_op_of_an_unknown_operation_leaves_the_word(manager, target):
    with oserror(errno.ENOSYS):
        manager.wake_op(target, 64, 128, encode_op(7, 5, CMP_EQ, 0))
    assert target.words[128] == 0


def test_wake_op_of_an_unknown_comparison_changes_the_word(manager, target):
    with oserror(errno.ENOSYS):
        manager.wake_op(target, 64, 128, encode_op(OP_SET, 5, 9, 0))
    assert target.words[128] == 5


def test_wake_op_tries_again_when_the_word_changes_between(manager):
    class Interfering(DictTarget):
        def compare_and_swap(self, addr, old, new, size=4, /):
            if not interfered:
                interfered.append(True)
                self.words[addr] = 40
            return super().compare_and_swap(addr, old, new, size)

    interfered = []
    target = Interfering({64: 0, 128: 0})
    assert manager.wake_op(target, 64, 128, encode_op(OP_ADD, 2, CMP_NE, 0)) == 0
    assert target.words[128] == 42


def test_pi_operations_work_through_the_target(manager, target):
    assert manager.lock_pi(target, 64, tid=9) is True
    assert manager.trylock_pi(target, 64, tid=7) is False
    assert target.words[64] == WAITERS | 9
    w = Waiter()
    assert manager.lock_pi_prepare(w, target, 64, tid=7) is None
    manager.unlock_pi(target, 64, tid=9)
    assert w.woken
    assert target.words[64] == WAITERS | 7
    manager.unlock_pi(target, 64, tid=7)
    target.words[64] = OWNER_DIED
    assert manager.lock_pi(target, 64, tid=7) is True
    assert target.words[64] == OWNER_DIED | 7


def test_two_targets_do_not_meet(manager, queue_up):
    one, two = DictTarget({64: 0}), DictTarget({64: 0})
    queue_up(64, mem=one)
    assert manager.wake(two, 64, ALL) == 0
    assert manager.wake(one, 64) == 1


def test_shared_key_is_of_the_targets_own_space_by_default(target, manager, queue_up):
    assert target.shared_key(64) == Key(KeyKind.SHARED_PRIVATE, 64)
    w = queue_up(64, mem=target, private=False)
    assert (w.key.kind, w.key.offset) == (KeyKind.SHARED_PRIVATE, 64)
    assert manager.wake(DictTarget({64: 0}), 64, private=False) == 0
    assert manager.wake(target, 64, private=False) == 1


def test_shared_key_decides_who_meets(manager, queue_up):
    segment = Mappable("segment")

    class Shared(DictTarget):
        def shared_key(self, addr, /):
            return Key(KeyKind.SHARED_MAPPABLE, addr - 64, segment)

    w = queue_up(64, mem=Shared({64: 0}), private=False)
    assert w.key == Key(KeyKind.SHARED_MAPPABLE, 0, segment)
    assert manager.wake(Memory(bytearray(64), mappable=segment), 0) == 1
    assert w.woken


def test_addresses_are_checked_before_the_target_is_called(manager, target):
    for addr in (65, 66, 67):
        with oserror(errno.EINVAL, InvalidArgument):
            manager.wait(target, addr, 0)
    for addr in (-4, 2**64, 2**100):
        with oserror(errno.EFAULT):
            manager.wait(target, addr, 0)
    assert target.calls == []


def test_an_exception_of_load_propagates_and_nothing_stays_queued(manager):
    def fail(addr):
        raise TargetError(addr)

    target = LoadTarget(fail)
    w = Waiter()
    for call in (
        lambda: manager.wait(target, 64, 0),
        lambda: manager.wait_prepare(w, target, 64, 0),
        lambda: manager.cmp_requeue(target, 64, 128, 0),
        lambda: manager.wake_op(target, 64, 128, encode_op(OP_ADD, 1, CMP_EQ, 0)),
        lambda: manager.lock_pi(target, 64, tid=7),
        lambda: manager.lock_pi_prepare(w, target, 64, tid=7),
        lambda: manager.trylock_pi(target, 64, tid=7),
        lambda: manager.unlock_pi(target, 64, tid=7),
        lambda: manager.wake_wait(target, 128, 64, 0),
    ):
        with pytest.raises(TargetError):
            call()
        assert len(manager) == 0
    assert w.state is not WaiterState.QUEUED


def test_an_oserror_of_the_target_propagates_as_it_is(manager, target):
    with oserror(errno.EFAULT) as caught:
        manager.wait(target, 256, 0)
    assert caught.value.strerror == "no such word"


def test_an_exception_of_shared_key_propagates(manager):
    def fail():
        raise TargetError

    target = KeyTarget(fail)
    with pytest.raises(TargetError):
        manager.wait(target, 64, 0, private=False)
    with pytest.raises(TargetError):
        manager.wake(target, 64, private=False)
    assert len(manager) == 0


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("0", TypeError),
        (0.0, TypeError),
        (None, TypeError),
        (b"\0\0\0\0", TypeError),
        (-1, OverflowError),
        (2**32, OverflowError),
        (2**100, OverflowError),
    ],
)
def test_nonsense_from_load_is_refused_and_nothing_stays_queued(manager, value, error):
    target = LoadTarget(lambda addr: value)
    with pytest.raises(error):
        manager.wait(target, 64, 0)
    with pytest.raises(error):
        manager.wait_prepare(Waiter(), target, 64, 0)
    with pytest.raises(error):
        manager.cmp_requeue(target, 64, 128, 0)
    assert len(manager) == 0


@pytest.mark.parametrize("key", [None, 5, "key", (0, 64)])
def test_nonsense_from_shared_key_is_refused(manager, key):
    target = KeyTarget(lambda: key)
    with pytest.raises(TypeError):
        manager.wake(target, 64, private=False)
    with pytest.raises(TypeError):
        manager.wait(target, 64, 0, private=False)
    assert len(manager) == 0


def test_a_target_that_overrides_nothing_raises(manager):
    with pytest.raises(NotImplementedError):
        manager.wait(Target(), 64, 0)
    assert len(manager) == 0


def test_load_may_wake_the_very_word(manager):
    woken = []

    def load(addr):
        woken.append(manager.wake(target, 64))
        return 0

    target = LoadTarget(load)
    assert manager.wait(target, 64, 0) is WaitResult.WOKEN
    assert woken == [1]


def test_load_that_wakes_the_word_wins_over_a_mismatch(manager):
    def load(addr):
        assert manager.wake(target, 64) == 1
        return 1

    target = LoadTarget(load)
    assert manager.wait(target, 64, 0) is WaitResult.WOKEN
    w = Waiter()
    manager.wait_prepare(w, target, 64, 0)
    assert w.state is WaiterState.DONE
    assert w.result == 0


def test_load_that_wakes_the_word_and_raises_leaves_nothing_queued(manager):
    def load(addr):
        assert manager.wake(target, 64) == 1
        raise TargetError

    target = LoadTarget(load)
    with pytest.raises(TargetError):
        manager.wait(target, 64, 0)
    assert len(manager) == 0


def test_load_may_wait_prepare_and_requeue(manager, memory):
    inner = Waiter()

    def load(addr):
        if inner.state is WaiterState.IDLE:
            assert manager.wait_prepare(inner, memory, 0, 0) is None
            assert manager.requeue(memory, 0, 4, 0) == (0, 1)
            assert manager.wait(memory, 0, 1) is WaitResult.MISMATCH
        return 0

    outer = Waiter()
    assert manager.wait_prepare(outer, LoadTarget(load), 64, 0) is None
    assert [inner.state, outer.state] == [WaiterState.QUEUED] * 2
    assert manager.wake(memory, 4) == 1


def test_load_may_cancel_the_waiter_being_prepared(manager):
    w = Waiter()
    target = LoadTarget(lambda addr: w.cancel() and 0)
    manager.wait_prepare(w, target, 64, 0)
    assert w.state is not WaiterState.QUEUED
    assert len(manager) == 0


def test_load_may_not_prepare_the_waiter_being_prepared(manager, memory):
    w = Waiter()
    target = LoadTarget(lambda addr: manager.wait_prepare(w, memory, 0, 0) or 0)
    with pytest.raises(RuntimeError):
        manager.wait_prepare(w, target, 64, 0)
    assert len(manager) == 0


def test_load_may_close_the_manager():
    manager = Manager()
    target = LoadTarget(lambda addr: manager.close() or 0)
    w = Waiter()
    manager.wait_prepare(w, target, 64, 0)
    assert w.state is not WaiterState.QUEUED


def test_load_may_drop_everything_and_collect(memory):
    held = {}

    def load(addr):
        held.clear()
        gc.collect()
        return 0

    held["manager"], held["target"], held["waiter"] = Manager(), LoadTarget(load), Waiter()
    assert held["manager"].wait_prepare(held["waiter"], held["target"], 64, 0) is None
    gc.collect()


def test_load_may_drop_everything_and_raise(memory):
    held = {}

    def load(addr):
        held.clear()
        gc.collect()
        raise TargetError

    held["manager"], held["target"], held["waiter"] = Manager(), LoadTarget(load), Waiter()
    with pytest.raises(TargetError):
        held["manager"].wait_prepare(held["waiter"], held["target"], 64, 0)


def test_a_finalizer_may_wake_the_word_within_load(manager):
    woken = []

    class Finalized:
        def __init__(self):
            self.cycle = self

        def __del__(self):
            woken.append(manager.wake(target, 64))

    def load(addr):
        Finalized()
        gc.collect()
        return 0

    target = LoadTarget(load)
    assert manager.wait(target, 64, 0) is WaitResult.WOKEN
    assert woken == [1]


def test_a_pi_operation_within_a_pi_operation_of_the_same_target_is_refused(manager):
    class Reentrant(DictTarget):
        def compare_and_swap(self, addr, old, new, size=4, /):
            manager.trylock_pi(self, 128, tid=5)
            return super().compare_and_swap(addr, old, new, size)

    target = Reentrant({64: 0, 128: 0})
    with pytest.raises(RuntimeError):
        manager.lock_pi(target, 64, tid=7)
    assert target.words == {64: 0, 128: 0}
    assert len(manager) == 0


def test_a_pi_operation_on_another_target_within_one_is_allowed(manager, memory):
    class Reentrant(DictTarget):
        def compare_and_swap(self, addr, old, new, size=4, /):
            manager.trylock_pi(memory, 0, tid=5)
            return super().compare_and_swap(addr, old, new, size)

    assert manager.lock_pi(Reentrant({64: 0}), 64, tid=7) is True
    assert memory.load(0) == 5


def test_a_queued_waiter_keeps_its_target(manager):
    target = DictTarget({64: 0})
    w = Waiter()
    assert manager.wait_prepare(w, target, 64, 0) is None
    finalized = []
    target.words = type("Words", (dict,), {"__del__": lambda self: finalized.append(True)})()
    del target
    gc.collect()
    assert not finalized
    assert w.cancel()
    del w
    gc.collect()
    assert finalized


def test_what_is_no_target_is_a_type_error(manager):
    class Looks:
        def load(self, addr, size=4, /):
            return 0

    for thing in (None, 5, bytearray(64), Looks()):
        with pytest.raises(TypeError):
            manager.wait(thing, 0, 0)
        with pytest.raises(TypeError):
            manager.wake(thing, 0)
