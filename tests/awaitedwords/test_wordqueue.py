"""`WordQueue`: words of real memory on one descriptor, without an event loop."""

import gc
import mmap
import os
import select
import selectors
from errno import EFAULT
from queue import Empty

import pytest
from awaitedwords.conftest import WAYS
from forking import os_fork, run_in_child

from pyfutex import InvalidArgument, Kernel, Memory, WaitResult
from pyfutex.aio import WordQueue

KERNEL = Kernel()
CHANGED = {WaitResult.WOKEN, WaitResult.MISMATCH}


@pytest.fixture
def queue(way):
    """A queue, by each way that there is."""
    with WordQueue(io_uring=WAYS[way]) as queue:
        assert queue.engine == way
        yield queue


def change(memory, addr=0):
    """Change a word, and wake all who wait for it."""
    memory.fetch_add(addr, 1)
    KERNEL.wake(memory, addr, 1 << 30)


def is_readable(queue):
    """Whether the descriptor is readable now."""
    return bool(select.select([queue], [], [], 0)[0])


def tags(waiters):
    """What they were given."""
    return [waiter.tag for waiter in waiters]


def drained(queue, n):
    """Drain when there is something, until so many have come."""
    taken = []
    while len(taken) < n:
        select.select([queue], [], [])
        taken += queue.drain()
    return taken


def test_nothing_is_there_before_a_wake(queue, memory):
    queue.wait_prepare(memory, 0, 0)
    assert queue.waiting == 1
    assert queue.empty()
    assert queue.drain() == []
    assert not is_readable(queue)
    with pytest.raises(Empty):
        queue.get(0)
    with pytest.raises(Empty):
        queue.get(0.001)


def test_epoll_tells_of_words_and_drain_which(queue, memory):
    for addr in 0, 4, 8:
        queue.wait_prepare(memory, addr, 0, tag=addr)
    with select.epoll() as epoll:
        epoll.register(queue, select.EPOLLIN)
        assert epoll.poll(0) == []
        change(memory, 4)
        assert epoll.poll() == [(queue.fileno(), select.EPOLLIN)]
        (waiter,) = drained(queue, 1)
        assert waiter.tag == 4
        assert waiter.result() in CHANGED
        assert epoll.poll(0) == []
        change(memory, 0)
        change(memory, 8)
        assert epoll.poll() != []
        assert sorted(tags(drained(queue, 2))) == [0, 8]
    assert queue.waiting == 0


def test_selectors_tell_of_words_beside_other_descriptors(queue, memory):
    reading, writing = os.pipe()
    with selectors.DefaultSelector() as selector, open(reading, "rb"), open(writing, "wb"):
        selector.register(queue, selectors.EVENT_READ, "words")
        selector.register(reading, selectors.EVENT_READ, "pipe")
        queue.wait_prepare(memory, 0, 0, tag="a word")
        os.write(writing, b"x")
        assert [key.data for key, _ in selector.select()] == ["pipe"]
        os.read(reading, 1)
        change(memory)
        assert [key.data for key, _ in selector.select()] == ["words"]
        assert tags(drained(queue, 1)) == ["a word"]


def test_another_process_wakes(queue):
    memory = Memory(mmap.mmap(-1, mmap.PAGESIZE))
    queue.wait_prepare(memory, 0, 0)
    run_in_child(os_fork, lambda: change(memory))
    assert queue.get().result() in CHANGED


def test_a_word_that_holds_another_value_comes_out_at_once(queue, memory):
    assert queue.wait_prepare(memory, 0, 1, tag="differs").tag == "differs"
    assert is_readable(queue)
    waiter = queue.get(0)
    assert (waiter.tag, waiter.result()) == ("differs", WaitResult.MISMATCH)
    assert not is_readable(queue)


def test_what_another_call_found_can_still_be_polled_for(queue, memory):
    queue.wait_prepare(memory, 0, 0, tag="first")
    change(memory)
    select.select([queue], [], [])
    queue.wait_prepare(memory, 4, 0, tag="second")
    assert not queue.empty()
    assert is_readable(queue)
    assert tags(queue.drain()) == ["first"]
    assert not is_readable(queue)


def test_drain_takes_the_oldest_up_to_a_limit(queue, memory):
    for tag in range(5):
        queue.wait_prepare(memory, 0, 1, tag=tag)
    assert tags(queue.drain(2)) == [0, 1]
    assert is_readable(queue)
    assert queue.get().tag == 2
    assert tags(queue.drain()) == [3, 4]
    assert queue.empty()


def test_a_waiter_says_how_it_ended_when_it_has_come_out(queue, memory):
    waiter = queue.wait_prepare(memory, 0, 0)
    with pytest.raises(RuntimeError, match="not come out"):
        waiter.result()
    change(memory)
    assert queue.get() is waiter
    assert waiter.result() in CHANGED
    waiter.cancel()  # does nothing


def test_a_cancelled_wait_does_not_come_out(queue, memory):
    cancelled = queue.wait_prepare(memory, 0, 0)
    queue.wait_prepare(memory, 4, 0, tag="other")
    over = queue.wait_prepare(memory, 0, 1)
    for waiter in cancelled, over:
        waiter.cancel()
        waiter.cancel()
        with pytest.raises(RuntimeError, match="not come out"):
            waiter.result()
    change(memory, 0)
    change(memory, 4)
    assert tags(drained(queue, 1)) == ["other"]
    while queue.waiting:  # a thread says when it is out of the kernel
        assert queue.drain() == []


def test_a_wake_that_was_spent_on_a_cancelled_wait_is_passed_on(queue, exact, memory):
    waiter = queue.wait_prepare(memory, 0, 0)
    with WordQueue(io_uring=True) as others:
        others.wait_prepare(memory, 0, 0, tag="other")
        assert KERNEL.wake(memory, 0) == 1
        waiter.cancel()
        assert others.get().tag == "other"
    assert queue.empty()


@pytest.mark.parametrize("is_found", [False, True])
def test_a_wake_that_was_spent_on_a_closed_queue_is_passed_on(queue, exact, memory, is_found):
    queue.wait_prepare(memory, 0, 0)
    with WordQueue(io_uring=True) as others:
        others.wait_prepare(memory, 0, 0, tag="other")
        assert KERNEL.wake(memory, 0) == 1
        if is_found:
            assert not queue.empty()
        queue.close()
        assert others.get().tag == "other"


def test_more_words_than_a_thread_waits_for(queue):
    n = 300
    memory = Memory(bytearray(4 * n))
    for i in range(n):
        queue.wait_prepare(memory, 4 * i, 0, tag=i)
    assert queue.threads == (0 if queue.engine == "io_uring" else 3)
    for i in range(n):
        change(memory, 4 * i)
    assert sorted(tags(drained(queue, n))) == list(range(n))


def test_no_such_word_is_an_error(queue, memory):
    with pytest.raises(InvalidArgument):
        queue.wait_prepare(memory, 2, 0)
    with pytest.raises(OSError) as caught:
        queue.wait_prepare(memory, 1 << 40, 0)
    assert caught.value.errno == EFAULT
    with pytest.raises(ValueError, match="timeout"):
        queue.get(-1)
    assert queue.waiting == 0


def test_a_closed_queue_is_closed(queue, memory):
    waiter = queue.wait_prepare(memory, 0, 0)
    queue.close()
    queue.close()
    waiter.cancel()
    assert KERNEL.wake(memory, 0) == 0
    for call in queue.drain, queue.empty, queue.get, lambda: queue.wait_prepare(memory, 0, 0):
        with pytest.raises(RuntimeError, match="closed"):
            call()


@pytest.mark.parametrize("how", ["taken", "cancelled", "closed"])
def test_a_wait_that_has_ended_keeps_no_memory(queue, how):
    buffer = bytearray(4)
    waiter = queue.wait_prepare(Memory(buffer), 0, 0, tag="kept")
    with pytest.raises(BufferError):
        buffer.append(0)
    if how == "taken":
        change(Memory(buffer))
        assert queue.get() is waiter
    elif how == "cancelled":
        waiter.cancel()
        while queue.waiting:  # a thread says when it is out of the kernel
            assert queue.empty()
    else:
        queue.close()
    buffer.append(0)
    assert waiter.tag == "kept"


def test_a_dropped_queue_leaves_nothing(way):
    def dropped():
        memory = Memory(buffer)
        queue = WordQueue(io_uring=WAYS[way])
        for i in range(3):
            queue.wait_prepare(memory, 4 * i, 0, tag=queue)

    buffer = bytearray(12)
    gc.collect()
    before = sorted(os.listdir("/proc/self/fd"))
    dropped()
    gc.collect()
    assert sorted(os.listdir("/proc/self/fd")) == before
    buffer.append(0)  # nobody has an export of it


def test_it_is_not_the_childs(queue, memory):
    def child():
        with pytest.raises(RuntimeError, match="another process"):
            queue.drain()
        waiter.cancel()
        queue.close()

    waiter = queue.wait_prepare(memory, 0, 0)
    run_in_child(os_fork, child)
    change(memory)
    assert queue.get() is waiter
