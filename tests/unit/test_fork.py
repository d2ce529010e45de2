"""Manager.fork: a guest's fork. Shared keys meet, private ones do not."""

import gc

import pytest

from pyfutex import ALL, KeyKind, Manager, Mappable, Memory, Waiter, WaiterState, WaitResult


@pytest.fixture
def child(manager):
    """A manager forked from `manager`, closed when the test is over."""
    forked = manager.fork()
    yield forked
    forked.close()


@pytest.fixture
def segment():
    """A memory whose keys are shared."""
    return Memory(bytearray(256), mappable=Mappable("segment"))


def test_a_forked_manager_is_another_manager(manager, child):
    assert type(child) is type(manager)
    assert child is not manager


def test_a_forked_manager_has_no_private_waiter_of_its_parent(manager, memory, queue_up, child):
    w = queue_up()
    assert len(child) == 0
    assert child.wake(memory, 0, ALL) == 0
    assert w.state is WaiterState.QUEUED
    assert manager.wake(memory, 0) == 1


def test_a_parent_does_not_wake_its_childs_private_waiter(manager, memory, queue_up, child):
    w = queue_up(in_manager=child)
    assert manager.wake(memory, 0, ALL) == 0
    assert child.wake(memory, 0) == 1
    assert w.woken


def test_private_futexes_in_shared_memory_do_not_meet(manager, segment, queue_up, child):
    queue_up(mem=segment, private=True)
    assert child.wake(segment, 0, ALL, private=True) == 0
    assert child.wake(segment, 0, ALL) == 0
    assert manager.wake(segment, 0, private=True) == 1


def test_shared_futexes_without_a_mappable_do_not_meet(manager, memory, queue_up, child):
    w = queue_up(private=False)
    assert w.key.kind is KeyKind.SHARED_PRIVATE
    assert child.wake(memory, 0, ALL, private=False) == 0
    assert manager.wake(memory, 0, private=False) == 1


def test_shared_futexes_meet_in_both_directions(manager, segment, queue_up, child):
    one = queue_up(0, mem=segment)
    two = queue_up(4, mem=segment, in_manager=child)
    assert child.wake(segment, 0) == 1
    assert manager.wake(segment, 4) == 1
    assert one.woken
    assert two.woken


def test_waiters_queued_before_the_fork_are_met(manager, segment, queue_up):
    w = queue_up(mem=segment)
    assert manager.fork().wake(segment, 0) == 1
    assert w.woken


def test_relatives_share_one_queue_in_order(manager, segment, queue_up, child):
    log = []
    for name, owner in [("a", manager), ("b", child), ("c", manager)]:
        queue_up(mem=segment, in_manager=owner, on_wake=lambda w: log.append(w.tag), tag=name)
    assert child.wake(segment, 0, 2) == 2
    assert manager.wake(segment, 0, 2) == 1
    assert log == ["a", "b", "c"]


def test_a_grandchild_meets_its_grandparent(manager, segment, queue_up, child):
    w = queue_up(mem=segment)
    assert child.fork().wake(segment, 0) == 1
    assert w.woken


def test_strangers_meet_on_a_shared_key_no_more_than_on_a_private_one(manager, segment, queue_up):
    queue_up(mem=segment)
    assert type(manager)().wake(segment, 0, ALL) == 0


def test_a_requeue_may_move_a_relatives_waiter_into_a_private_queue(
    manager, segment, memory, queue_up, child
):
    w = queue_up(mem=segment)
    assert child.requeue(segment, 0, 0, 0, mem2=memory) == (0, 1)
    assert manager.wake(memory, 0) == 0
    assert child.wake(memory, 0) == 1
    assert w.woken


def test_a_waiter_moved_by_a_relative_is_cancelled_where_it_is(manager, segment, memory, queue_up, child):
    w = queue_up(mem=segment)
    assert child.requeue(segment, 0, 0, 0, mem2=memory) == (0, 1)
    assert manager.wait_complete(w) is False
    assert w.state is WaiterState.CANCELLED
    assert child.wake(memory, 0) == 0


def test_cmp_requeue_moves_a_relatives_waiters(manager, segment, queue_up, child):
    queue_up(mem=segment)
    assert child.cmp_requeue(segment, 0, 8, 0, 0) == (0, 1)
    assert manager.wake(segment, 8) == 1


def test_a_thread_that_waits_in_one_is_woken_by_the_other(manager, segment, spawn, wait_until, child):
    sleeper = spawn(manager.wait, segment, 0, 0)
    wait_until(lambda: child.wake(segment, 0) == 1)
    assert sleeper.result() is WaitResult.WOKEN


def test_shared_waiters_outlive_the_manager_that_queued_them(manager, segment, child):
    grandchild = child.fork()
    w = Waiter()
    assert grandchild.wait_prepare(w, segment, 0, 0) is None
    del grandchild
    gc.collect()
    assert manager.wake(segment, 0) == 1
    assert w.woken


def test_the_parent_may_go_before_the_child(manager, segment, queue_up):
    parent = manager.fork()
    child = parent.fork()
    del parent
    gc.collect()
    w = queue_up(mem=segment, in_manager=child)
    assert manager.wake(segment, 0) == 1
    assert w.woken


def test_owner_alive_is_inherited(memory):
    parent = Manager(owner_alive=lambda tid: False)
    memory.store(0, 9)
    with pytest.raises(ProcessLookupError):
        parent.fork().lock_pi(memory, 0, tid=7)


def test_a_childs_close_leaves_its_parents_waiters(manager, segment, memory, queue_up):
    private, shared = queue_up(), queue_up(mem=segment)
    child = manager.fork()
    own = queue_up(4, mem=segment, in_manager=child)
    child.close()
    assert own.state is WaiterState.CANCELLED
    assert [private.state, shared.state] == [WaiterState.QUEUED] * 2
    assert manager.wake(memory, 0) == 1
    assert manager.wake(segment, 0) == 1
