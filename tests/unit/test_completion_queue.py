"""CompletionQueue: taken waiters, in the order of the wakes, through one descriptor."""

import gc
import queue as standard_queue
import select
import time
import weakref

import pytest

from pyfutex import CompletionQueue, Manager, Memory, Waiter, WaiterState


@pytest.fixture
def completions():
    """An empty completion queue."""
    return CompletionQueue()


def readable(completions):
    """Whether select(2) calls the queue's descriptor readable."""
    return bool(select.select([completions], [], [], 0)[0])


def test_a_new_queue_is_empty(completions):
    assert completions.empty()
    assert completions.drain() == []
    assert completions.run() == 0


def test_drain_gives_taken_waiters_in_the_order_of_the_wakes(manager, memory, queue_up, completions):
    a, b, c = (queue_up(addr, queue=completions) for addr in (0, 4, 8))
    for addr in (8, 0, 4):
        manager.wake(memory, addr)
    assert completions.drain() == [c, a, b]
    assert completions.empty()


def test_drain_gives_waiters_of_one_wake_first_come_first(manager, memory, queue_up, completions):
    waiters = [queue_up(queue=completions) for _ in range(5)]
    manager.wake(memory, 0, 5)
    assert completions.drain() == waiters


def test_drain_takes_no_more_than_its_limit(manager, memory, queue_up, completions):
    waiters = [queue_up(queue=completions) for _ in range(5)]
    manager.wake(memory, 0, 5)
    assert [completions.drain(2), completions.drain(2), completions.drain(2)] == [
        waiters[:2],
        waiters[2:4],
        waiters[4:],
    ]


def test_a_waiter_in_the_queue_is_done(manager, memory, queue_up, completions):
    w = queue_up(queue=completions)
    manager.wake(memory, 0)
    assert (w.state, w.result) == (WaiterState.DONE, 0)
    assert completions.drain() == [w]
    assert (w.state, w.result) == (WaiterState.DONE, 0)


def test_the_queue_holds_only_what_was_taken(manager, memory, queue_up, completions):
    cancelled, left = queue_up(queue=completions), queue_up(4, queue=completions)
    cancelled.cancel()
    manager.wake(memory, 0)
    assert completions.empty()
    assert left.state is WaiterState.QUEUED


def test_get_gives_one_waiter_at_a_time(manager, memory, queue_up, completions):
    waiters = [queue_up(queue=completions) for _ in range(2)]
    manager.wake(memory, 0, 2)
    assert [completions.get(), completions.get(0)] == waiters


def test_get_of_an_empty_queue_raises_empty_after_its_timeout(completions):
    with pytest.raises(standard_queue.Empty):
        completions.get(0)
    start = time.monotonic()
    with pytest.raises(standard_queue.Empty):
        completions.get(timeout=0.02)
    assert time.monotonic() - start >= 0.02


def test_get_refuses_a_negative_timeout(completions):
    with pytest.raises(ValueError, match="timeout"):
        completions.get(-1)


def test_get_sleeps_until_a_waiter_is_taken(manager, memory, queue_up, completions, spawn):
    w = queue_up(queue=completions)
    getting = spawn(completions.get)
    manager.wake(memory, 0)
    assert getting.result() is w


def test_get_serves_several_threads(manager, memory, queue_up, completions, spawn):
    waiters = {queue_up(queue=completions) for _ in range(4)}
    getting = [spawn(completions.get) for _ in range(4)]
    manager.wake(memory, 0, 4)
    assert {running.result() for running in getting} == waiters


def test_run_calls_each_on_wake_in_order(manager, memory, queue_up, completions):
    called = []
    for name in range(3):
        queue_up(queue=completions, on_wake=lambda w: called.append(w.tag), tag=name)
    manager.wake(memory, 0, 3)
    assert called == []
    assert completions.run() == 3
    assert called == [0, 1, 2]
    assert completions.empty()


def test_run_counts_waiters_without_a_callback(manager, memory, queue_up, completions):
    queue_up(queue=completions)
    manager.wake(memory, 0)
    assert completions.run() == 1


def test_run_takes_no_more_than_its_limit(manager, memory, queue_up, completions):
    called = []
    for _ in range(3):
        queue_up(queue=completions, on_wake=called.append)
    manager.wake(memory, 0, 3)
    assert [completions.run(2), len(called), completions.run(2), len(called)] == [2, 2, 1, 3]


def test_run_reports_exceptions_and_goes_on(manager, memory, queue_up, completions, monkeypatch):
    unraisable = []
    monkeypatch.setattr("sys.unraisablehook", lambda report: unraisable.append(report.exc_type))

    def fail(w):
        raise LookupError(w)

    called = []
    queue_up(queue=completions, on_wake=fail)
    last = queue_up(queue=completions, on_wake=called.append)
    manager.wake(memory, 0, 2)
    assert completions.run() == 2
    assert unraisable == [LookupError]
    assert called == [last]


def test_run_lets_a_callback_queue_its_waiter_again(manager, memory, queue_up, completions):
    def again(w):
        assert manager.wait_prepare(w, memory, 0, 0) is None

    w = queue_up(queue=completions, on_wake=again)
    manager.wake(memory, 0)
    assert completions.run() == 1
    assert w.state is WaiterState.QUEUED


def test_the_descriptor_is_readable_while_there_is_something(manager, memory, queue_up, completions):
    assert not readable(completions)
    for _ in range(2):
        queue_up(queue=completions)
    manager.wake(memory, 0, 2)
    assert readable(completions)
    assert len(completions.drain(1)) == 1
    assert readable(completions)
    assert len(completions.drain()) == 1
    assert not readable(completions)


def test_the_descriptor_made_after_a_wake_is_readable(manager, memory, queue_up, completions):
    queue_up(queue=completions)
    manager.wake(memory, 0)
    assert readable(completions)


def test_the_descriptor_becomes_readable_again(manager, memory, queue_up, completions):
    w = queue_up(queue=completions)
    for _ in range(3):
        manager.wake(memory, 0)
        assert readable(completions)
        assert completions.drain() == [w]
        assert not readable(completions)
        assert manager.wait_prepare(w, memory, 0, 0) is None


def test_one_queue_serves_two_managers(manager, memory, queue_up, completions):
    other = type(manager)()
    first = queue_up(queue=completions)
    second = queue_up(queue=completions, in_manager=other)
    other.wake(memory, 0)
    manager.wake(memory, 0)
    assert completions.drain() == [second, first]


def test_the_queue_keeps_what_it_holds(manager, memory, completions):
    assert manager.wait_prepare(Waiter(queue=completions, tag="kept"), memory, 0, 0) is None
    manager.wake(memory, 0)
    assert [w.tag for w in completions.drain()] == ["kept"]


class Tag:
    """Something whose end is seen, which that of a waiter is not."""


def count_waiters():
    """How many there are that the collector knows of."""
    return sum(type(each) is Waiter for each in gc.get_objects())


@pytest.mark.parametrize("collects_before", [False, True])
@pytest.mark.parametrize("n_ready", range(4))
def test_a_queue_that_is_dropped_with_waiters_in_it_is_freed_with_them(
    n_ready, collects_before, manager, memory
):
    """Some of them were made ready to be handed out by the one that was, and some came after that.

    A collection before moves the queue behind the waiters among what the next one clears.
    """
    gc.collect()
    n_before = count_waiters()
    completions = CompletionQueue()
    tags = [Tag() for _ in range(5)]
    ends = [weakref.ref(tag) for tag in tags]
    waiters = [Waiter(queue=completions, tag=tag) for tag in tags]
    for some in (waiters[: n_ready + 1], waiters[n_ready + 1 :]):
        for w in some:
            assert manager.wait_prepare(w, memory, 0, 0) is None
        assert manager.wake(memory, 0, len(some)) == len(some)
        if some[0] is waiters[0]:
            assert completions.get() is waiters[0]
    dropped = weakref.ref(completions)
    del completions, tags
    if collects_before:
        gc.collect()
    assert [end() is None for end in ends] == [False] * 5
    del waiters[:-1], some, w
    if collects_before:
        gc.collect()
        assert [end() is None for end in ends] == [True] + [
            False
        ] * 4  # a waiter keeps its queue, and that the others
    assert dropped() is not None
    waiters.clear()
    gc.collect()
    assert [end() is None for end in ends] == [True] * 5
    assert dropped() is None
    assert count_waiters() == n_before


@pytest.mark.parametrize("collects_before", [False, True])
def test_the_queue_of_a_manager_is_freed_with_the_waiters_in_it(collects_before):
    gc.collect()
    n_before = count_waiters()
    manager, memory = Manager(), Memory(bytearray(4))
    completions = manager.completions()
    waiters = [Waiter(queue=completions) for _ in range(3)]
    for w in waiters:
        assert manager.wait_prepare(w, memory, 0, 0) is None
    assert manager.wake(memory, 0, 3) == 3
    del completions, manager
    if collects_before:
        gc.collect()
    waiters.clear()
    del w
    gc.collect()
    assert count_waiters() == n_before


def test_a_queue_is_filled_from_other_threads(manager, memory, queue_up, completions, spawn):
    waiters = {queue_up(4 * i, queue=completions) for i in range(40)}
    wakers = [
        spawn(lambda first: [manager.wake(memory, 4 * i) for i in range(first, 40, 4)], first)
        for first in range(4)
    ]
    taken = set()
    while len(taken) < 40:
        taken.add(completions.get(20))
    assert taken == waiters
    assert sum(sum(waker.result()) for waker in wakers) == 40


def test_waiter_refuses_a_queue_of_another_kind():
    with pytest.raises(TypeError):
        Waiter(queue=standard_queue.SimpleQueue())
