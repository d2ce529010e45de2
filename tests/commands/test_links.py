"""Which wake ended which wait, from records alone."""

import errno

import pytest

from pyfutex.sync._anatomy import Kind
from pyfutex.tracing.records import Record, What, links

LOCK, OTHER = 0x1000, 0x2000


def wait(tid, began, ended, *, at=LOCK, kind=Kind.LOCK, answer=0, waiter=0):
    """A wait of a thread."""
    return Record(What.WAIT, kind, tid, began, ended, answer, 0, at, waiter, 0, None, 0)


def wake(tid, began, ended, n=1, *, at=LOCK, waiter=0):
    """A wake that found `n`."""
    return Record(What.WAKE, 0, tid, began, ended, n, 0, at, waiter, 0, None, 0)


def move(tid, began, ended, n):
    """A notice that moves `n` from one word to another."""
    return Record(What.MOVE, 0, tid, began, ended, n, 0, OTHER, LOCK, 0, None, 0)


def test_the_oldest_is_woken_first():
    records = [wait(1, 20, 90), wait(2, 10, 70), wake(3, 50, 55), wake(3, 65, 66)]
    assert links(records).woken_by == {1: 2, 0: 3}


def test_who_went_on_before_the_next_wake_was_woken_by_this_one():
    # It had begun later, and was in the queue before the other all the same.
    records = [wait(1, 20, 60), wait(2, 10, 70), wake(3, 50, 55), wake(3, 65, 66)]
    assert links(records).woken_by == {0: 2, 1: 3}


def test_a_wake_may_be_noted_after_the_wait_that_it_ended():
    assert links([wait(1, 10, 52), wake(2, 50, 55)]).woken_by == {0: 1}


def test_one_wake_ends_many_waits():
    records = [wait(1, 10, 60), wait(2, 20, 60), wait(3, 30, 61), wake(4, 50, 55, 2)]
    assert links(records).woken_by == {0: 3, 1: 3}


@pytest.mark.parametrize("answer", [-errno.ETIMEDOUT, -errno.EINTR, -errno.EAGAIN])
def test_a_wait_that_ended_otherwise_takes_no_wake(answer):
    records = [wait(1, 10, 60, answer=answer), wait(2, 20, 60), wake(3, 50, 55)]
    assert links(records).woken_by == {1: 2}


@pytest.mark.parametrize(
    "late", [wait(1, 56, 70), wait(1, 10, 49), wait(1, 10, 60, at=OTHER), wait(1, 10, 0)]
)
def test_a_wake_ends_no_wait_of_another_time_or_word(late):
    assert links([late, wake(2, 50, 55)]).woken_by == {}


def test_a_wake_that_may_have_found_nobody_ends_one_wait_at_most():
    records = [wait(1, 10, 60), wait(2, 20, 90), wake(3, 50, 55, -1), wake(4, 80, 81, 0)]
    assert links(records).woken_by == {0: 2}


def test_who_was_moved_is_woken_where_it_was_moved_to():
    records = [
        wait(1, 10, 60, at=OTHER, kind=Kind.CONDITION),
        wait(2, 20, 80, at=OTHER, kind=Kind.CONDITION),
        move(3, 40, 41, 2),
        wake(3, 50, 51),
        wake(1, 70, 71),
    ]
    found = links(records)
    assert found.moved_by == {0: 2, 1: 2}
    assert found.woken_by == {0: 3, 1: 4}
    assert found.held_until == {0: 4}


def test_a_managers_wake_names_its_waiter():
    # A waiter on a stack comes again at the same address.
    records = [
        wait(1, 10, 20, waiter=0xA0),
        wait(1, 30, 40, waiter=0xA0),
        wait(2, 10, 41, waiter=0xB0),
        wake(3, 15, 16, waiter=0xA0),
        wake(3, 35, 36, waiter=0xB0),
        wake(3, 35, 37, waiter=0xA0),
    ]
    assert links(records).woken_by == {0: 3, 1: 5, 2: 4}


def test_a_lock_is_held_from_the_wait_to_the_next_wake_on_it():
    records = [wait(1, 10, 60), wake(2, 50, 55), wake(1, 90, 91, 0)]
    assert links(records).held_until == {0: 2}


def test_a_lock_that_somebody_else_took_first_was_not_held():
    records = [wait(1, 10, 60), wake(2, 50, 55), wait(1, 62, 95), wake(3, 90, 91)]
    assert links(records).held_until == {}


def test_an_event_is_not_held():
    records = [wait(1, 10, 60, kind=Kind.EVENT), wake(2, 50, 55), wake(1, 90, 91)]
    assert links(records).held_until == {}
