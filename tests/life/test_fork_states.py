"""fork(2) while other threads, or the forking one, are in the middle of something."""

import mmap
import os
import signal
import struct
import threading

import pytest
from differential.kernel import TID_MASK
from forking import os_fork, run_in_child
from life.asleep import asleep
from life.blocking import CALLS, held_by_another, page

from pyfutex import ALL, AddressSpace, Manager, Memory, Waiter, WaiterState, WaitResult, sync

ROUNDS = 30


@pytest.fixture
def busy():
    """Run functions in threads again and again: ``busy(function, ...)``; the first exception is raised in the end."""
    over = threading.Event()
    failed = []

    def again_and_again(function):
        try:
            while not over.is_set():
                function()
        except BaseException as error:
            failed.append(error)

    threads = []

    def start(*functions):
        for function in functions:
            threads.append(threading.Thread(target=again_and_again, args=(function,)))
            threads[-1].start()

    yield start
    over.set()
    for thread in threads:
        thread.join()
    for error in failed:
        raise error


def works(manager, memory):
    """A manager queues, grows and wakes, and a new thread sleeps in it."""
    waiters = [Waiter() for _ in range(500)]
    for n, w in enumerate(waiters):
        assert manager.wait_prepare(w, memory, 4 * n, 0) is None
    assert sum(manager.wake(memory, 4 * n, ALL) for n in range(500)) == 500
    answers = []
    thread = threading.Thread(target=lambda: answers.append(manager.wait(memory, 0, 0)))
    thread.start()
    while manager.wake(memory, 0) == 0:
        os.sched_yield()
    thread.join()
    assert answers == [WaitResult.WOKEN]


# Not a fork called from C: the interpreter's own locks would be as the other threads had them.
def test_fork_while_tables_grow_and_managers_come_and_go(busy):
    memory = Memory(mmap.mmap(-1, mmap.PAGESIZE))
    sleeping, growing = Manager(), [Manager()]

    def grow():
        manager = growing[0]
        for n in range(1000):
            manager.wait_prepare(Waiter(), memory, 4 * n, 0)
        growing[0] = Manager()
        manager.close()

    def sleep_and_wake():
        thread = threading.Thread(target=sleeping.wait, args=(memory, 0, 0, 0.001))
        thread.start()
        sleeping.wake(memory, 0)
        thread.join()

    def map_and_unmap():
        space = AddressSpace()
        space.map(4096, mmap.mmap(-1, mmap.PAGESIZE))
        sleeping.wake(space, 4096)
        space.unmap(4096, 4096)

    busy(grow, sleep_and_wake, map_and_unmap)
    for _ in range(ROUNDS):

        def check():
            for manager in sleeping, growing[0], growing[0].fork(), Manager():
                works(manager, memory)
            space = AddressSpace()
            space.map(4096, mmap.mmap(-1, mmap.PAGESIZE))
            assert sleeping.wake(space, 4096) == 0
            space.unmap(4096, 4096)

        run_in_child(os_fork, check)


def test_fork_in_a_callback(manager, memory, queue_up, in_child):
    """The child is inside the wake too: it has been given no waiter, and what it makes itself works."""

    def on_wake(w):
        def check():
            assert [first.state, second.state, other.state] == [DONE, DONE, WaiterState.CANCELLED]
            assert manager.wake(memory, 64, ALL) == 0
            works(manager, memory)

        in_child(check)
        called.append(w)

    DONE, called = WaiterState.DONE, []
    first, second = queue_up(on_wake=on_wake), queue_up(on_wake=on_wake)
    other = queue_up(64)
    assert manager.wake(memory, 0, 2) == 2
    assert called == [first, second]
    assert other.state is WaiterState.QUEUED
    assert manager.wake(memory, 64) == 1


def test_fork_in_a_signal_handler_in_every_call(name, wait_until):
    """Parent and child are both inside the call: each keeps its deadline, and both may use their primitives afterwards."""
    if CALLS[name]().timed_out is None:
        pytest.skip("it takes no timeout")

    def check():
        blocked = CALLS[name]()
        tid = threading.get_native_id()
        children = []

        def handler(number, frame):
            children.append(os_fork())

        signal.signal(signal.SIGUSR1, handler)

        def interrupt():
            wait_until(lambda: asleep(tid))
            os.kill(os.getpid(), signal.SIGUSR1)

        thread = threading.Thread(target=interrupt)
        thread.start()
        try:
            assert blocked.times_out(0.3)
        except RuntimeError as error:
            was_cancelled = str(error) == "the waiter was cancelled"
        else:
            was_cancelled = False
        # An object that was queued is so no more.
        assert was_cancelled == (name == "Waiter.wait" and children == [0])
        assert ended_with(CALLS[name](), wait_until)
        if children == [0]:
            os._exit(0)
        thread.join()
        assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0

    run_in_child(os_fork, check)


OWNED = {
    "Lock": lambda memory: sync.Lock.create(memory),
    "RLock": lambda memory: sync.RLock.create(memory),
    "RWLock, while another writes": lambda memory: sync.RWLock.create(memory),
    "RWLock, while another reads": lambda memory: sync.RWLock.create(memory),
}


@pytest.mark.parametrize("kind", OWNED)
def test_parent_and_child_both_get_what_they_waited_for_at_the_fork(kind, wait_until):
    """Each in its turn, as the word says, which names the owner."""
    side = "_write" if kind.startswith("RWLock") else ""
    held = "_read" if kind.endswith("reads") else side

    def check():
        memory = page()
        lock = OWNED[kind](memory)
        let_go = held_by_another(getattr(lock, f"acquire{held}"), getattr(lock, f"release{held}"))
        tid = threading.get_native_id()
        children = []
        signal.signal(signal.SIGUSR1, lambda number, frame: children.append(os_fork()))

        def interrupt_and_let_go():
            wait_until(lambda: asleep(tid))
            os.kill(os.getpid(), signal.SIGUSR1)
            wait_until(lambda: children and asleep(children[0], children[0]))
            let_go()

        thread = threading.Thread(target=interrupt_and_let_go)
        thread.start()
        assert getattr(lock, f"acquire{side}")()
        assert struct.unpack_from("I", memory, 16)[0] & TID_MASK == threading.get_native_id()
        getattr(lock, f"release{side}")()
        if children == [0]:
            os._exit(0)
        thread.join()
        assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0

    run_in_child(os_fork, check)


def ended_with(blocked, wait_until):
    """Whether a call that blocks in a new thread ends as it should."""
    answers = []
    tids = []

    def wait():
        tids.append(threading.get_native_id())
        answers.append(blocked.call(None))

    thread = threading.Thread(target=wait)
    thread.start()
    wait_until(lambda: tids and asleep(tids[0]))
    wait_until(blocked.end)
    thread.join()
    return answers == [blocked.ended]


@pytest.mark.parametrize(
    "make", [sync.Condition, lambda: sync.Condition.create(mmap.mmap(-1, mmap.PAGESIZE))]
)
def test_fork_while_threads_wait_for_a_condition(make, spawn, wait_until, in_child):
    condition = make()

    def wait():
        with condition:
            return condition.wait()

    waiting = [spawn(wait) for _ in range(3)]
    wait_until(lambda: all(asleep(each.tid) for each in waiting))

    def check():
        with condition:
            assert condition.wait(0.01) is False

    in_child(check)
    with condition:
        condition.notify_all()
    assert [each.result() for each in waiting] == [True] * 3
