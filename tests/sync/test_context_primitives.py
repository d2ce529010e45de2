"""Locks, conditions, semaphores, events and barriers of a context, whose processes are killed."""

import ctypes
import inspect
import multiprocessing
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import synchronize

import pytest
from sync.participants import add, answer, hand_on, hold, kill, take_over, wait_at, wait_on

from pyfutex import sync
from pyfutex.sync.processes import pages

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

SECONDS = 30
KINDS = ["Lock", "RLock", "Condition", "Semaphore", "BoundedSemaphore", "Event"]


def held_by_the_dead(start, context, lock):
    """Let a process acquire, and kill it."""
    held = context.Event()
    holder = start(hold, lock, held)
    assert held.wait(SECONDS)
    kill(holder)


def test_it_is_a_context_of_the_interpreter(context):
    stock = multiprocessing.get_context(context.get_start_method())
    assert isinstance(context, type(stock))
    assert context.Process is stock.Process
    assert context.get_context() is context
    assert context.get_context("spawn") is sync.get_context("spawn")


def test_without_a_name_it_is_that_of_multiprocessings_start_method():
    assert sync.get_context().get_start_method() == multiprocessing.get_start_method()


def test_a_start_method_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="thread"):
        sync.get_context("thread")


def test_multiprocessing_is_not_loaded_by_those_who_do_not_use_it():
    program = "import sys, pyfutex.sync; sys.exit(any('multiprocessing' in name for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("kind", KINDS)
def test_methods_take_what_those_of_multiprocessing_take(kind):
    context = sync.get_context("fork")
    theirs, ours = multiprocessing.get_context("fork"), getattr(context, kind)()
    parameters = inspect.signature(getattr(context, kind)).parameters
    # What ours take beyond theirs is named by whoever gives it.
    assert [name for name, each in parameters.items() if each.kind is not each.KEYWORD_ONLY] == [
        *inspect.signature(getattr(theirs, kind)).parameters
    ]
    for name, method in inspect.getmembers(getattr(synchronize, kind), inspect.isfunction):
        if not name.startswith("_"):
            _, *wanted = inspect.signature(method).parameters
            assert [*inspect.signature(getattr(ours, name)).parameters] == wanted
    for name in {"acquire", "release"} & {*dir(getattr(theirs, kind)())}:
        assert callable(getattr(ours, name))


def test_counting_under_a_lock_is_exact(context, start):
    lock, value = context.Lock(), context.Value(ctypes.c_long, lock=False)
    workers = [start(add, lock, value, 1000) for _ in range(3)]
    for worker in workers:
        worker.join()
    assert value.value == 3000


# Not "forkserver": the child of a fork takes its parent's server for its own, and multiprocessing fails.
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_child_hands_on_what_it_was_handed(method, context):
    queue = context.Queue()
    child = context.Process(target=hand_on, args=(method, context.Lock(), context.Value("i"), queue))
    child.start()
    assert [queue.get(timeout=SECONDS) for _ in range(2)] == [1, 2]
    child.join(SECONDS)
    assert child.exitcode == 0
    queue.close()
    queue.join_thread()


@pytest.mark.parametrize("kind", ["Lock", "RLock"])
def test_who_comes_after_a_killed_owner_is_told(kind, context, start):
    lock = getattr(context, kind)()
    held_by_the_dead(start, context, lock)
    with pytest.raises(sync.OwnerDied):
        lock.acquire(timeout=SECONDS)
    lock.consistent()
    lock.release()
    with lock:
        assert lock.locked()


def test_another_process_is_told(context, start):
    lock, found = context.Lock(), context.Event()
    held_by_the_dead(start, context, lock)
    start(take_over, lock, found).join()
    assert found.is_set()
    assert lock.acquire(block=False)
    lock.release()


def test_what_nobody_made_good_is_recoverable_no_more(context, start):
    lock = context.Lock()
    held_by_the_dead(start, context, lock)
    with pytest.raises(sync.OwnerDied):
        lock.acquire()
    lock.release()
    with pytest.raises(sync.NotRecoverable):
        lock.acquire()


def test_a_value_whose_owner_was_killed_says_so(context, start):
    for shared in context.Value("i", 7), context.Array("i", [7]):
        held_by_the_dead(start, context, shared)
        with pytest.raises(sync.OwnerDied):
            shared[0] if hasattr(shared, "__len__") else shared.value
        shared.get_lock().consistent()
        shared.release()
        assert shared.get_obj() is not None
        with shared:
            pass


def test_a_condition_whose_owner_was_killed_says_so(context, start):
    condition = context.Condition()
    held_by_the_dead(start, context, condition)
    with pytest.raises(sync.OwnerDied):
        condition.acquire()
    condition.consistent()
    condition.notify_all()
    condition.release()


@pytest.mark.parametrize("kind", ["Lock", "RLock"])
def test_waiters_that_are_killed_hold_up_nobody(kind, context, start, wait_until):
    condition, ready = context.Condition(getattr(context, kind)()), context.Semaphore(0)
    workers = [start(wait_on, condition, ready) for _ in range(3)]
    for _ in workers:
        assert ready.acquire(timeout=SECONDS)
    with condition:  # all sleep
        pass
    kill(workers[0])
    with condition:
        condition.notify_all()
    for worker in workers[1:]:
        worker.join(SECONDS)
        assert worker.exitcode == 0


def test_the_permit_of_a_killed_process_is_lost(context, start):
    permits = context.BoundedSemaphore(2)
    held_by_the_dead(start, context, permits)
    assert permits.get_value() == 1
    assert permits.acquire()
    assert not permits.acquire(block=False)
    permits.release()
    permits.release()
    with pytest.raises(ValueError, match="too many"):
        permits.release()


def test_events_go_both_ways(context, start):
    event, other = context.Event(), context.Event()
    start(answer, event, other)
    assert not other.wait(0)
    event.set()
    assert other.wait(SECONDS)


def test_a_barrier_breaks_when_a_party_is_killed(context, start, wait_until):
    barrier = context.Barrier(3)
    parties = [start(wait_at, barrier) for _ in range(2)]
    wait_until(lambda: barrier.n_waiting == 2)
    kill(parties[0])
    with pytest.raises(threading.BrokenBarrierError):
        barrier.wait(SECONDS)
    parties[1].join(SECONDS)
    assert parties[1].exitcode == 1


def test_a_lock_is_not_released_by_another_thread(spawn):
    for kind in "Lock", "RLock":
        lock = getattr(sync.get_context("fork"), kind)()
        with pytest.raises((ValueError, AssertionError)):
            lock.release()
        with lock:
            with pytest.raises((RuntimeError, AssertionError)):
                spawn(lock.release).result()
            assert not spawn(lock.acquire, block=False).result()
            assert not spawn(lock.acquire, timeout=-1).result()


def test_a_condition_takes_locks_of_its_context():
    context = sync.get_context("fork")
    with pytest.raises(TypeError, match="Lock or RLock"):
        context.Condition(threading.Lock())


def test_nothing_is_pickled_but_for_a_process_that_is_started(context):
    made = [getattr(context, kind)() for kind in KINDS]
    made += [context.Barrier(2), context.Queue(), context.JoinableQueue(), context.SimpleQueue()]
    for each in made:
        with pytest.raises(RuntimeError, match="inheritance"):
            pickle.dumps(each)


def test_an_executor_takes_it(context):
    with ProcessPoolExecutor(2, mp_context=context) as executor:
        assert [*executor.map(abs, [-1, -2])] == [1, 2]


def test_what_a_lock_prints_says_who_holds_it(spawn):
    context = sync.get_context("fork")
    lock, again = context.Lock(), context.RLock()
    assert (repr(lock), repr(again)) == ("<Lock(owner=None)>", "<RLock(None, 0)>")
    with lock, again, again:
        assert (repr(lock), repr(again)) == ("<Lock(owner=MainProcess)>", "<RLock(MainProcess, 2)>")
        assert spawn(repr, lock).result() == "<Lock(owner=SomeOtherThread)>"
        assert spawn(repr, again).result() == "<RLock(SomeOtherThread, nonzero)>"


def test_places_are_given_out_once_also_after_a_fork(fork):
    first, second = pages.allocate(8), pages.allocate(100)
    assert first.pages is not second.pages or second.offset >= first.offset + 8
    large = pages.allocate(pages.PAGES_BYTES + 1)
    assert len(large.view(pages.PAGES_BYTES + 1)) == pages.PAGES_BYTES + 1

    def in_child():
        third = pages.allocate(8)
        return third.pages is not first.pages and third.pages is not second.pages

    child = fork(in_child)
    while not child.has_ended():
        pass
    assert child.status == 0


def test_a_lock_that_its_parent_drops_is_its_childrens_still(context, start):
    lock, held, found = context.Lock(), context.Event(), context.Event()
    holder = start(hold, lock, held)
    assert held.wait(SECONDS)
    heir = start(take_over, lock, found)
    del lock
    others = [context.Lock() for _ in range(pages.PAGES_BYTES // pages.ALIGNMENT)]
    for other in others:
        assert other.acquire(block=False)
        other.release()
    kill(holder)
    heir.join(SECONDS)
    assert heir.exitcode == 0
    assert found.is_set()
