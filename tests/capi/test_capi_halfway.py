"""Waiters that another thread is in the middle of something with: about to queue them, or about to mark them."""

import errno
import select
import threading

import pytest
from capi.capi import ANY, QUEUED, Place, Vector, Waiter
from capi.test_capi_targets import BASE, MMU

import pyfutex


class HeldMMU(MMU):
    """Memory whose first load waits until it is told to go on. No lock is held then: a wait looks before it takes one."""

    def __init__(self):
        self.entered, self.go_on = threading.Event(), threading.Event()
        super().__init__()

    def load(self, context, addr, size, value):
        if not self.entered.is_set():
            self.entered.set()
            self.go_on.wait()
        return super().load(context, addr, size, value)


@pytest.fixture
def held(api):
    """Such memory, and a word of it."""
    made = HeldMMU()
    target = api.target_new(made.functions, None)
    made.word = Place(target, BASE, 4, 0)
    yield made
    api.target_free(target)


@pytest.fixture(autouse=True)
def let_go(m, manager, held, spawn):
    """Whatever becomes of a test, its threads go on, and are joined before what they use is freed."""
    yield
    held.go_on.set()


@pytest.mark.parametrize("kind", ["one", "vector", "vector woken early"])
def test_a_waiter_that_was_being_prepared_is_free_in_the_child(
    api, m, words, polled, spawn, held, in_child, kind
):
    waiter, vector, entries = polled()[0], Vector(), (Waiter * 2)()

    def prepare():
        if kind == "one":
            return api.wait_prepare(m, waiter, held.word, 0, ANY, 0)
        items = words.items([(0, 0), (1, 0)])
        items[1].place = held.word
        return api.waitv_prepare(m, waiter, vector, entries, items, 2)

    def check():
        assert api.waiter_result(waiter) == -errno.ECANCELED
        assert api.waiter_wait(waiter, None) == -errno.ECANCELED
        for _ in range(2):
            assert api.wait_prepare(m, waiter, words.at(2), 0, ANY, 0) == QUEUED
            assert api.wake(m, words.at(2), 1, ANY) == 1
            assert api.waiter_result(waiter) == 0
        assert api.wake(m, words.at(0), 1, ANY) == 0

    preparing = spawn(prepare)
    assert held.entered.wait(20)
    assert api.wait_prepare(m, waiter, words.at(2), 0, ANY, 0) == -errno.EBUSY
    if kind == "vector woken early":
        assert api.wake(m, words.at(0), 1, ANY) == 1
    in_child(check)
    held.go_on.set()
    assert preparing.result() == QUEUED
    assert api.waiter_cancel(waiter) == (kind != "vector woken early")


@pytest.mark.parametrize("kind", ["one", "vector", "vector woken early"])
def test_a_python_waiter_that_was_being_prepared_is_free_in_the_child(
    manager, memory, spawn, held, in_child, kind
):
    waiter, mem = pyfutex.Waiter(), pyfutex.NativeTarget(held.capsule())
    descriptor = waiter.fileno()

    def check():
        assert waiter.state is pyfutex.WaiterState.CANCELLED
        for _ in range(2):
            assert manager.wait_prepare(waiter, memory, 8, 0) is None
            assert manager.wake(memory, 8) == 1
            assert waiter.woken
            assert waiter.fileno() == descriptor

    if kind == "one":
        preparing = spawn(manager.wait_prepare, waiter, mem, BASE, 0)
    else:
        preparing = spawn(manager.waitv_prepare, waiter, [(memory, 0, 0), (mem, BASE, 0)])
    assert held.entered.wait(20)
    with pytest.raises(RuntimeError, match="queued already"):
        manager.wait_prepare(waiter, memory, 8, 0)
    if kind == "vector woken early":
        assert manager.wake(memory, 0) == 1
    in_child(check)
    assert select.select([descriptor], [], [], 0)[0] == []
    held.go_on.set()
    assert preparing.result() is None
    assert waiter.cancel() == (kind != "vector woken early")


def test_who_cancels_too_late_waits_for_the_mark(api, words, polled, spawn, held):
    """The waker of one word goes on to wait on another, and is held there between taking the waiter and marking it."""
    manager = pyfutex.Manager()
    m = api.manager_of(manager)
    waiter = polled()[0]
    assert api.wait_prepare(m, waiter, words.at(0), 0, ANY, 0) == QUEUED
    waker = spawn(api.wake_wait, m, words.at(0), 1, held.word, 1, None, None)
    assert held.entered.wait(20)
    assert len(manager) == 0
    assert api.waiter_cancel(waiter) == 0
    assert api.waiter_result(waiter) == QUEUED
    assert api.wait_prepare(m, waiter, words.at(0), 0, ANY, 0) == -errno.EBUSY
    sleeper = spawn(api.waiter_wait, waiter, None)
    held.go_on.set()
    assert sleeper.result() == 0
    assert waker.result() == -errno.EAGAIN
    assert api.waiter_result(waiter) == 0
    assert api.waiter_cancel(waiter) == 0
    assert api.wait_prepare(m, waiter, words.at(0), 0, ANY, 0) == QUEUED
    assert api.waiter_cancel(waiter) == 1
