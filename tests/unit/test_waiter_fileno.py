"""Waiter.fileno: a descriptor that becomes readable with the wake."""

import os
import select

import pytest


def readable(descriptor, timeout=0):
    """Whether select(2) calls the descriptor readable."""
    return bool(select.select([descriptor], [], [], timeout)[0])


def test_fileno_is_not_readable_while_queued(queue_up):
    assert not readable(queue_up())


def test_fileno_is_readable_after_the_wake(manager, memory, queue_up):
    w = queue_up()
    descriptor = w.fileno()
    manager.wake(memory, 0)
    assert readable(descriptor)


def test_fileno_asked_for_after_the_wake_is_readable(manager, memory, queue_up):
    w = queue_up()
    manager.wake(memory, 0)
    assert readable(w)


def test_fileno_is_the_same_each_time(queue_up):
    w = queue_up()
    assert w.fileno() == w.fileno()


def test_fileno_serves_poll(manager, memory, queue_up):
    first, second = queue_up(), queue_up()
    poll = select.poll()
    for w in (first, second):
        poll.register(w, select.POLLIN)
    assert poll.poll(0) == []
    manager.wake(memory, 0)
    assert poll.poll(0) == [(first.fileno(), select.POLLIN)]


def test_fileno_serves_epoll(manager, memory, queue_up):
    w = queue_up()
    with select.epoll() as epoll:
        epoll.register(w, select.EPOLLIN)
        assert epoll.poll(0) == []
        manager.wake(memory, 0)
        assert epoll.poll(0) == [(w.fileno(), select.EPOLLIN)]


def test_fileno_ends_a_select_in_another_thread(manager, memory, queue_up, spawn):
    w = queue_up()
    selecting = spawn(readable, w, 20)
    manager.wake(memory, 0)
    assert selecting.result() is True


def test_fileno_is_readable_for_each_waiter_that_was_woken(manager, memory, queue_up):
    waiters = [queue_up() for _ in range(4)]
    descriptors = [w.fileno() for w in waiters]
    manager.wake(memory, 0, 2)
    assert select.select(descriptors, [], [], 0)[0] == descriptors[:2]


def test_fileno_is_not_readable_when_the_waiter_is_queued_again(manager, memory, queue_up):
    w = queue_up()
    w.fileno()
    manager.wake(memory, 0)
    assert readable(w)
    assert manager.wait_prepare(w, memory, 0, 0) is None
    assert not readable(w)
    manager.wake(memory, 0)
    assert readable(w)


def test_fileno_is_readable_after_a_requeue_and_a_wake(manager, memory, queue_up):
    w = queue_up()
    w.fileno()
    manager.requeue(memory, 0, 64, 0, 1)
    assert not readable(w)
    manager.wake(memory, 64)
    assert readable(w)


def test_fileno_is_closed_with_the_waiter(manager, memory, queue_up):
    w = queue_up()
    descriptor = w.fileno()
    manager.wake(memory, 0)
    os.fstat(descriptor)
    del w
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_fileno_is_not_inherited(queue_up):
    assert not os.get_inheritable(queue_up().fileno())
