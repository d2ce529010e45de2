"""A vector of waits in the middle of a wake and of a cancel: who is counted is woken, who is called off is not counted."""

import pytest

from pyfutex import Waiter, WaiterState

halfway = pytest.importorskip("pyfutex_native.halfway", reason="pyfutex-native-tests is not installed")


@pytest.fixture
def vector(manager, memory):
    """A waiter for the words at 0, 4 and 8."""
    w = Waiter()
    assert manager.waitv_prepare(w, [(memory, addr, 0) for addr in (0, 4, 8)]) is None
    return w


def test_a_vector_that_is_being_cancelled_is_not_counted(manager, memory, vector):
    assert halfway.call_off(vector)
    assert [manager.wake(memory, addr) for addr in (0, 4, 8)] == [0, 0, 0]
    assert vector.state is WaiterState.QUEUED
    halfway.finish_cancel(vector)
    assert vector.state is WaiterState.CANCELLED
    assert vector.result is None
    assert len(manager) == 0


def test_a_vector_that_is_being_woken_cannot_be_cancelled(manager, memory, vector):
    entry = halfway.TakenEntry(manager, vector, 1)
    assert vector.cancel() is False
    assert not halfway.call_off(vector)
    entry.settle()
    assert vector.result == 1
    assert len(manager) == 0


@pytest.mark.parametrize(("first", "then", "index"), [(0, 2, 2), (2, 0, 2), (1, 0, 1), (0, 1, 1)])
def test_entries_taken_before_the_waker_came_to_the_others_count_too(
    manager, memory, vector, first, then, index
):
    entry = halfway.TakenEntry(manager, vector, first)
    assert manager.wake(memory, 4 * then) == 1
    assert vector.state is WaiterState.DONE
    entry.settle()
    assert vector.result == index
    assert len(manager) == 0


def test_two_wakers_may_settle_in_either_order(manager, vector):
    one, two = halfway.TakenEntry(manager, vector, 0), halfway.TakenEntry(manager, vector, 2)
    two.settle()
    assert len(manager) == 1
    one.settle()
    assert vector.result == 2
    assert len(manager) == 0


def test_an_entry_that_is_left_may_still_be_requeued(manager, memory, vector):
    entry = halfway.TakenEntry(manager, vector, 0)
    assert manager.requeue(memory, 4, 64, 0) == (0, 1)
    entry.settle()
    assert vector.result == 0
    assert manager.wake(memory, 64) == 0
