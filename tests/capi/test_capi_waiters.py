"""Waiters of C code: called back, put into a queue, slept on, polled; and Python waiters that C code wakes."""

import ctypes
import errno
import select

import pytest
from capi.capi import ALL, ANY, QUEUED, Callback, Heard, Vector, Waiter, soon

import pyfutex

EINVAL, EBUSY = -errno.EINVAL, -errno.EBUSY


def test_a_callback_is_called_with_its_context_and_result(api, m, words):
    heard = Heard()
    waiters = [heard.waiter(api, 10 + i) for i in range(3)]
    for waiter in waiters:
        assert api.wait_prepare(m, waiter, words.at(0), 0, ANY, 0) == QUEUED
    assert heard.calls == []
    assert api.wake(m, words.at(0), 2, ANY) == 2
    assert heard.calls == [(10, 0), (11, 0)]
    assert api.waiter_cancel(waiters[0]) == 0
    assert api.waiter_cancel(waiters[2]) == 1
    assert api.waiter_cancel(waiters[2]) == 0
    assert api.wake(m, words.at(0), ALL, ANY) == 0
    assert len(heard.calls) == 2
    assert [api.waiter_context(waiter) for waiter in waiters] == [10, 11, 12]
    assert [api.waiter_result(waiter) for waiter in waiters] == [0, 0, -errno.ECANCELED]


def test_a_callback_may_queue_its_waiter_again_and_wake_others(api, m, words):
    """A chain of wakes through callbacks: longer than any stack would carry."""
    length, calls = 5000, []

    def called(_context, result):
        calls.append(result)
        if len(calls) < length:
            assert api.wait_prepare(m, waiter, words.at(0), 0, ANY, 0) == QUEUED
            assert api.wake(m, words.at(0), 1, ANY) == 1

    callback = Callback(called)
    waiter = Waiter()
    api.waiter_init(waiter, callback, None)
    assert api.wait_prepare(m, waiter, words.at(0), 0, ANY, 0) == QUEUED
    assert api.wake(m, words.at(0), 1, ANY) == 1
    assert calls == [0] * length


@pytest.mark.parametrize("kind", ["polled", "called", "vector"])
def test_deep_in_callbacks_nobody_waits_for_a_call_that_is_put_off(api, m, words, kind):
    """At every depth the other is woken, looked at, and queued anew, be it called later."""
    answers, calls = [], []
    other, vector, entries = Waiter(), Vector(), (Waiter * 2)()
    others = Callback(lambda _context, result: calls.append(result))
    api.waiter_init(other, Callback() if kind == "polled" else others, None)

    def prepare():
        if kind == "vector":
            return api.waitv_prepare(m, other, vector, entries, words.items([(1, 0), (2, 0)]), 2)
        return api.wait_prepare(m, other, words.at(1), 0, ANY, 0)

    def called(_context, _result):
        first = prepare()
        woken = api.wake(m, words.at(1), 1, ANY)
        answers.append((first, woken, api.waiter_result(other), prepare()))
        assert api.waiter_cancel(other) == 1
        if len(answers) < 40:
            assert api.wait_prepare(m, waiter, words.at(0), 0, ANY, 0) == QUEUED
            assert api.wake(m, words.at(0), 1, ANY) == 1

    callback, waiter = Callback(called), Waiter()
    api.waiter_init(waiter, callback, None)
    assert api.wait_prepare(m, waiter, words.at(0), 0, ANY, 0) == QUEUED
    assert api.wake(m, words.at(0), 1, ANY) == 1
    assert answers == [(QUEUED, 1, 0, QUEUED)] * 40
    assert calls == ([] if kind == "polled" else [0] * 40)


def test_the_first_of_many_callbacks_waits_for_none_of_the_others(api, m, words, polled):
    """One wake takes more than fit into one portion: all are marked, and free to be queued anew, before the first call."""
    n, answers, calls = 100, [], []
    with_calls, without = [Waiter() for _ in range(n)], polled(n)

    def look(_context, _result):
        answers.extend(
            (api.waiter_result(w), api.wait_prepare(m, w, words.at(1), 0, ANY, 0))
            for w in (*with_calls, *without)
        )

    callback, first = Callback(look), Waiter()
    counting = Callback(lambda context, _result: calls.append(context))
    api.waiter_init(first, callback, None)
    for i, w in enumerate(with_calls):
        api.waiter_init(w, counting, i + 1)
    for w in (first, *with_calls, *without):
        assert api.wait_prepare(m, w, words.at(0), 0, ANY, 0) == QUEUED
    assert api.wake(m, words.at(0), ALL, ANY) == 1 + 2 * n
    assert calls == list(range(1, n + 1))
    assert answers == [(0, QUEUED)] * (2 * n)
    assert [api.waiter_cancel(w) for w in (*with_calls, *without)] == [1] * (2 * n)


def test_a_callback_may_cancel_a_sibling(api, m, words):
    """The sibling was taken by the same wake: it is too late, and nobody waits for anybody."""
    answers = []
    siblings = [Waiter(), Waiter()]
    first = Callback(lambda _context, _result: answers.append(api.waiter_cancel(siblings[1])))
    second = Callback(lambda _context, _result: answers.append("called"))
    for waiter, callback in zip(siblings, (first, second), strict=True):
        api.waiter_init(waiter, callback, None)
        assert api.wait_prepare(m, waiter, words.at(0), 0, ANY, 0) == QUEUED
    assert api.wake(m, words.at(0), ALL, ANY) == 2
    assert answers == [0, "called"]


def test_many_callbacks_of_one_wake_come_in_order(api, m, words):
    heard = Heard()
    waiters = [heard.waiter(api, i + 1) for i in range(100)]
    for waiter in waiters:
        api.wait_prepare(m, waiter, words.at(0), 0, ANY, 0)
    assert api.wake(m, words.at(0), ALL, ANY) == 100
    assert [context for context, _ in heard.calls] == list(range(1, 101))


def test_priorities_come_first(api, m, words):
    heard = Heard()
    waiters = [heard.waiter(api, i + 1) for i in range(4)]
    for waiter, priority in zip(waiters, (0, 5, 0, 99), strict=True):
        assert api.wait_prepare(m, waiter, words.at(0), 0, ANY, priority) == QUEUED
    assert api.wake(m, words.at(0), ALL, ANY) == 4
    assert [context for context, _ in heard.calls] == [4, 2, 1, 3]
    assert api.wait_prepare(m, waiters[0], words.at(0), 0, ANY, 100) == EINVAL


def test_a_waiter_is_in_one_queue_at_a_time(api, m, words, polled):
    waiter = polled()[0]
    assert api.wait_prepare(m, waiter, words.at(0), 0, ANY, 0) == QUEUED
    assert api.wait_prepare(m, waiter, words.at(1), 0, ANY, 0) == EBUSY
    assert api.manager_waiters(m) == 1
    assert api.wake(m, words.at(0), 1, ANY) == 1
    assert api.wait_prepare(m, waiter, words.at(1), 0, ANY, 0) == QUEUED
    assert api.waiter_cancel(waiter) == 1
    assert api.wait_prepare(m, waiter, words.at(1), 1, ANY, 0) == -errno.EAGAIN
    assert api.wait_prepare(m, waiter, words.at(1), 0, ANY, 0) == QUEUED
    assert api.waiter_cancel(waiter) == 1


def test_null_waiters(api, m, words):
    assert api.wait_prepare(m, None, words.at(0), 0, ANY, 0) == EINVAL
    assert api.waitv_prepare(m, None, Vector(), Waiter(), words.items([(0, 0)]), 1) == EINVAL
    assert api.waiter_wait(None, None) == EINVAL
    assert api.waiter_result(None) == EINVAL
    assert api.waiter_cancel(None) == 0
    assert api.waiter_context(None) is None
    api.waiter_init(None, Callback(), None)
    api.waiter_init_queue(None, None, None)
    assert api.queue_fileno(None) == EINVAL
    assert api.queue_pop(None) is None
    api.target_free(None)
    assert api.manager_waiters(None) == 0


def test_a_manager_with_waiters_is_not_freed(api, words, polled):
    m = api.manager_new(None)
    waiter = polled()[0]
    api.wait_prepare(m, waiter, words.at(0), 0, ANY, 0)
    assert api.manager_free(m) == EBUSY
    assert api.wake(m, words.at(0), 1, ANY) == 1
    assert api.manager_free(m) == 0
    assert api.manager_free(None) == 0


def test_sleeping_on_a_prepared_waiter(api, words, polled, spawn, wait_until):
    manager = pyfutex.Manager()  # which can be asked whether somebody sleeps on it
    m = api.manager_of(manager)
    waiter = polled()[0]
    assert api.waiter_wait(waiter, None) == EINVAL
    api.wait_prepare(m, waiter, words.at(0), 0, ANY, 0)
    assert api.waiter_wait(waiter, soon(api)) == -errno.ETIMEDOUT
    assert api.waiter_result(waiter) == QUEUED
    sleeper = spawn(api.waiter_wait, waiter, None)
    wait_until(lambda: manager.waiters()[0].queued_for > 0)
    assert api.waiter_wait(waiter, soon(api)) == EBUSY
    assert api.wake(m, words.at(0), 1, ANY) == 1
    assert sleeper.result() == 0
    assert api.waiter_wait(waiter, None) == 0
    api.wait_prepare(m, waiter, words.at(0), 0, ANY, 0)
    sleeper = spawn(api.waiter_wait, waiter, None)
    wait_until(lambda: manager.waiters()[0].queued_for > 0)
    assert api.waiter_cancel(waiter) == 1
    assert sleeper.result() == -errno.ECANCELED


def test_a_queue_has_the_woken_in_order(api, m, words):
    queue = api.queue_new()
    waiters = [Waiter() for _ in range(3)]
    for i, waiter in enumerate(waiters):
        api.waiter_init_queue(waiter, queue, i + 1)
        assert api.wait_prepare(m, waiter, words.at(i % 2), 0, ANY, 0) == QUEUED
    assert api.queue_pop(queue) is None
    assert api.wake(m, words.at(0), ALL, ANY) == 2
    assert api.wake(m, words.at(1), ALL, ANY) == 1
    assert api.wait_prepare(m, waiters[0], words.at(0), 0, ANY, 0) == EBUSY
    order = [api.waiter_context(Waiter.from_address(api.queue_pop(queue))) for _ in range(3)]
    assert order == [1, 3, 2]
    assert api.queue_pop(queue) is None
    assert api.wait_prepare(m, waiters[0], words.at(0), 0, ANY, 0) == QUEUED
    assert api.waiter_cancel(waiters[0]) == 1
    api.queue_free(queue)


def test_the_bell_of_a_queue(api, m, words):
    queue = api.queue_new()
    waiters = [Waiter() for _ in range(2)]
    for waiter in waiters:
        api.waiter_init_queue(waiter, queue, None)
        api.wait_prepare(m, waiter, words.at(0), 0, ANY, 0)
    api.wake(m, words.at(0), 1, ANY)
    fd = api.queue_fileno(queue)  # asked for late: it rings for what is there
    assert select.select([fd], [], [], 0)[0] == [fd]
    assert api.queue_pop(queue) == ctypes.addressof(waiters[0])
    assert select.select([fd], [], [], 0)[0] == []
    api.wake(m, words.at(0), 1, ANY)
    assert select.select([fd], [], [], 0)[0] == [fd]
    assert api.queue_fileno(queue) == fd
    api.queue_pop(queue)
    api.queue_free(queue)
    api.queue_free(None)


def test_a_vector_of_a_waiter(api, m, words):
    heard = Heard()
    waiter, vector, entries = heard.waiter(api, 5), Vector(), (Waiter * 3)()
    items = words.items([(0, 0), (1, 0), (0, 0)])
    assert api.waitv_prepare(m, waiter, vector, entries, items, 3) == QUEUED
    assert api.waitv_prepare(m, waiter, vector, entries, items, 3) == EBUSY
    assert api.waiter_result(waiter) == QUEUED
    assert api.wake(m, words.at(1), 1, ANY) == 1
    assert heard.calls == [(5, 1)]
    assert api.waiter_result(waiter) == 1
    assert api.waitv_prepare(m, waiter, vector, entries, items, 3) == QUEUED
    assert api.wake(m, words.at(0), ALL, ANY) == 2
    assert heard.calls[1:] == [(5, 2)]
    assert api.waitv_prepare(m, waiter, vector, entries, items, 3) == QUEUED
    assert api.waiter_cancel(waiter) == 1
    assert api.manager_waiters(m) == 0
    words[1] = 7
    assert api.waitv_prepare(m, waiter, vector, entries, items, 3) == -errno.EAGAIN
    assert api.waitv_prepare(m, waiter, vector, entries, items, 0) == EINVAL
    assert api.manager_waiters(m) == 0
    assert len(heard.calls) == 2


# --- Python waiters that are woken from C ---


def test_python_callbacks_wait_for_somebody_attached(api, words):
    manager, memory, called = pyfutex.Manager(), pyfutex.Memory(bytearray(64)), []
    place = words.at(0)
    place.addr = memory.host_address
    mine = pyfutex.Waiter(lambda w: called.append(w.tag), tag="mine")
    queue = pyfutex.CompletionQueue()
    queued = pyfutex.Waiter(lambda w: called.append(w.tag), queue=queue, tag="queued")
    for waiter in (mine, queued):
        assert manager.wait_prepare(waiter, memory, 0, 0) is None
    assert api.wake(api.manager_of(manager), place, ALL, ANY) == 2
    assert mine.woken
    assert called == []
    assert manager.completions() is manager.completions()
    assert manager.completions().run() == 1
    assert queue.run() == 1
    assert called == ["mine", "queued"]
    assert manager.wait_prepare(mine, memory, 0, 0) is None
    assert manager.wake(memory, 0) == 1
    assert manager.completions().empty()
    assert called[2:] == ["mine"]


def test_completions_of_a_forked_manager_are_its_own(api, words):
    parent = pyfutex.Manager()
    child = parent.fork()
    memory = pyfutex.Memory(bytearray(64), mappable=pyfutex.Mappable())
    waiter = pyfutex.Waiter()
    assert child.wait_prepare(waiter, memory, 0, 0) is None
    place = words.at(0)
    place.target, place.addr = api.target_of(memory), 0
    assert api.wake(api.manager_of(parent), place, 1, ANY) == 1
    assert parent.completions().drain() == []
    assert child.completions().drain() == [waiter]


@pytest.mark.parametrize("kind", ["waitv", "python target"])
def test_a_thread_that_sleeps_on_an_object_is_woken_and_leaves_nothing(api, words, kind, spawn, wait_until):
    manager = pyfutex.Manager()
    memory = pyfutex.Memory(bytearray(64), mappable=(mappable := pyfutex.Mappable()))

    class Called(pyfutex.Target):
        def load(self, addr, size=4, /):
            return 0

        def shared_key(self, addr, /):
            return pyfutex.Key(pyfutex.KeyKind.SHARED_MAPPABLE, addr, mappable)

    if kind == "waitv":
        sleeper = spawn(manager.waitv, [(memory, 0, 0), (memory, 8, 0)])
    else:
        sleeper = spawn(manager.wait, Called(), 8, 0, private=False)
    wait_until(lambda: len(manager) == (2 if kind == "waitv" else 1))
    place = words.at(0)
    place.target, place.addr = api.target_of(memory), 8
    assert api.wake(api.manager_of(manager), place, 1, ANY) == 1
    assert sleeper.result() == 1
    assert manager.completions().empty()
    assert len(manager) == 0


def test_a_descriptor_of_a_python_waiter_rings_for_a_wake_from_c(api, words):
    manager, memory = pyfutex.Manager(), pyfutex.Memory(bytearray(64))
    waiter = pyfutex.Waiter()
    fd = waiter.fileno()
    manager.wait_prepare(waiter, memory, 0, 0)
    place = words.at(0)
    place.addr = memory.host_address
    api.wake(api.manager_of(manager), place, 1, ANY)
    assert select.select([fd], [], [], 0)[0] == [fd]
    assert manager.completions().drain() == [waiter]


def test_c_waiters_are_called_by_python_wakes_too(api, words):
    manager, memory, heard = pyfutex.Manager(), pyfutex.Memory(bytearray(64)), Heard()
    place = words.at(0)
    place.addr = memory.host_address
    waiter = heard.waiter(api, 9)
    order = []
    python = pyfutex.Waiter(lambda w: order.append(len(heard.calls)))
    assert manager.wait_prepare(python, memory, 0, 0) is None
    assert api.wait_prepare(api.manager_of(manager), waiter, place, 0, ANY, 0) == QUEUED
    assert [info.waiter for info in manager.waiters()] == [python, None]
    assert manager.wake(memory, 0, ALL) == 2
    assert heard.calls == [(9, 0)]
    assert order == [1]
