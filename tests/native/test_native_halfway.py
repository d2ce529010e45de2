"""What happens in the few nanoseconds that no test meets by chance: forks and cancels in the middle of an operation."""

import mmap
import os
import signal
import sys
import time
import traceback

import pytest

from pyfutex import AddressSpace, WaitResult

halfway = pytest.importorskip("pyfutex_native.halfway", reason="pyfutex-native-tests is not installed")

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")

PAGE = mmap.PAGESIZE


def in_child(check):
    """Fork, run `check` in the child, and return its exit status: 0 if it raised nothing and ended within seconds."""
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(5)
        status = 1
        try:
            check()
            status = 0
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
            sys.__stderr__.flush()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("first", ["wait", "cancel", "prepare", "fileno", "key"])
def test_fork_between_take_and_mark_leaves_no_waiter_that_hangs(manager, memory, queue_up, first):
    w = queue_up(0)
    assert halfway.take(manager, w)
    calls = {
        "wait": lambda: w.state.name == "CANCELLED" or w.wait(0.01),
        "cancel": w.cancel,
        "prepare": lambda: manager.wait_prepare(w, memory, 4, 0),
        "fileno": w.fileno,
        "key": lambda: w.key,
    }

    def check():
        calls[first]()
        if first != "prepare":
            assert manager.wait_prepare(w, memory, 4, 0) is None
        assert manager.wake(memory, 4) == 1
        assert w.woken

    status = in_child(check)
    halfway.mark(w)
    assert status == 0
    assert w.wait(0) is WaitResult.WOKEN


def test_fork_while_a_thread_reads_the_regions_lets_the_child_unmap(manager, queue_up, spawn, wait_until):
    """Another thread is inside an address space, held up by a bucket lock, when the process forks."""
    space = AddressSpace()
    space.map(PAGE, mmap.mmap(-1, PAGE))
    w = queue_up(PAGE, mem=space)
    held = halfway.HeldBucket(manager, w)
    inside = spawn(manager.wait, space, PAGE, 0, 10.0)
    wait_until(held.sleepers)

    def check():
        space.map(3 * PAGE, mmap.mmap(-1, PAGE))
        space.unmap(PAGE, PAGE)
        assert len(space.regions()) == 1

    status = in_child(check)
    held.release()
    wait_until(lambda: len(manager) == 2)
    assert manager.wake(space, PAGE, 2) == 2
    assert inside.result() is WaitResult.WOKEN
    assert status == 0


def test_cancel_that_is_overtaken_by_the_next_life_leaves_it_alone(
    manager, memory, queue_up, spawn, wait_until
):
    """One thread's cancel has taken the waiter out; before it is done, another thread sees that and queues it again."""
    w = queue_up(0)
    held = halfway.HeldBucket(manager, w)
    cancelling = spawn(w.cancel)
    wait_until(held.sleepers)
    held.release_and_see_it_leave(w)
    refused = False
    try:
        manager.wait_prepare(w, memory, 4, 0)
    except RuntimeError:
        refused = True  # a clear answer is as good
    assert cancelling.result()
    if not refused:
        assert not halfway.is_withdrawn(w)
        began = time.thread_time()
        assert w.wait(0.2) is WaitResult.TIMEOUT
        assert time.thread_time() - began < 0.1, "the wait span instead of sleeping"
        assert manager.wake(memory, 4) == 1
        assert w.woken
