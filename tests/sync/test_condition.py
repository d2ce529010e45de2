"""Condition: told to look again, moved to the lock asleep; in an object and in shared memory."""

import pickle
import re
import resource
import signal
import threading
from pathlib import Path

import pytest
from sync.sleeping import inside, sleeps, sleeps_for_pi, sleeps_on, slept_on, within
from sync.stepping import pending

from pyfutex import Memory, sync

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")

LOCK_WORD, NOTICES, WAITING = 16, 64, 68


@pytest.fixture(params=["private", "shared", "private-pi", "shared-pi"])
def make(request, page):
    """Make a condition, in an object and in shared memory, over an RLock of its own and over a PI Lock."""

    def make_one(kind):
        return {
            "private": kind,
            "shared": lambda: kind.create(page),
            "private-pi": lambda: kind(sync.Lock(pi=True)),
            "shared-pi": lambda: kind.create(page, 0, sync.Lock.create(page, 128, pi=True)),
        }[request.param]()

    return make_one


@pytest.fixture
def waiting(wait_until):
    """Wait until so many wait for a condition and have let its lock go: ``waiting(condition, n)``."""

    def wait(condition, n):
        def all_wait():
            with condition:
                return repr(condition).endswith(f" {n})>")

        wait_until(all_wait)

    return wait


def wait_once(condition, **how):
    """Wait, with the lock."""
    with condition:
        return condition.wait(**how)


def test_who_is_notified_goes_on(make, spawn, waiting):
    condition = make(sync.Condition)
    waiters = [spawn(wait_once, condition) for _ in range(3)]
    waiting(condition, 3)
    with condition:
        condition.notify_all()
    assert [each.result() for each in waiters] == [True] * 3
    waiting(condition, 0)


def test_so_many_go_on_as_are_notified(make, spawn, waiting, asleep, wait_until):
    condition = make(sync.Condition)
    waiters = [spawn(wait_once, condition) for _ in range(4)]
    waiting(condition, 4)
    asleep(condition, *waiters)
    with condition:
        condition.notify(3)
    wait_until(lambda: sum(each.done for each in waiters) == 3)
    waiting(condition, 1)
    with condition:
        condition.notify()
    assert [each.result() for each in waiters] == [True] * 4


def test_whoever_is_notified_is_moved_asleep(page, spawn, waiting, wait_until):
    condition = sync.Condition.create(page)
    waiter = spawn(wait_once, condition)
    waiting(condition, 1)
    first = within(page).start
    wait_until(lambda: sleeps_on(waiter.tid, within(page)) and slept_on(waiter.tid) == first + NOTICES)
    with condition:
        condition.notify_all()
        # The kernel has moved it: there is nobody to wake at the notices any more, and it has not run.
        condition.notify_all()
        assert sleeps_on(waiter.tid, within(page))
        assert Memory(page).load(LOCK_WORD) >> 31
    assert waiter.result() is True


def test_time_goes_by(make):
    condition = make(sync.Condition)
    with condition:
        assert condition.wait(0) is False
        assert condition.wait(0.001) is False
        assert condition.wait(-1) is False
        assert condition.wait_for(lambda: False, 0.001) is False
        assert condition.wait_for(lambda: 7) == 7
    assert not condition.locked()


def test_a_notice_at_the_last_moment_counts(make, spawn, waiting):
    condition = make(sync.Condition)
    waiter = spawn(wait_once, condition, timeout=50)
    waiting(condition, 1)
    with condition:
        condition.notify()
    assert waiter.result() is True


def test_it_has_to_be_held(make):
    condition = make(sync.Condition)
    for call in (condition.wait, condition.notify, condition.notify_all):
        with pytest.raises(RuntimeError, match="un-acquired"):
            call()


def test_a_lock_held_twice_is_let_go_and_held_twice_again(make, spawn, waiting):
    condition = make(sync.Condition)
    if not isinstance(condition.lock, type(sync.RLock())):
        pytest.skip("a Lock is not held twice")

    def wait_within():
        with condition, condition:
            condition.wait()
            return condition.lock._recursion_count()

    waiter = spawn(wait_within)
    waiting(condition, 1)
    with condition:
        condition.notify()
    assert waiter.result() == 2


def test_a_lock_that_only_acquires_and_releases_will_do(spawn, waiting):
    condition = sync.Condition(threading.Lock())
    with pytest.raises(RuntimeError, match="un-acquired"):
        condition.notify()
    waiter = spawn(wait_once, condition)
    waiting(condition, 1)
    with condition:
        condition.notify()
    assert waiter.result()


def test_nobody_waits_in_the_child_of_a_fork(spawn, waiting, all_succeed):
    condition = sync.Condition()
    waiter = spawn(wait_once, condition)
    waiting(condition, 1)

    def in_child():
        condition._at_fork_reinit()
        return repr(condition).endswith(" 0)>")

    all_succeed(in_child)
    with condition:
        condition.notify()
    assert waiter.result()


@pytest.mark.parametrize("kind", [sync.Lock, sync.RLock])
def test_a_lock_of_its_own_place(page, kind, spawn, waiting):
    lock = kind.create(page, 128)
    condition = sync.Condition.create(page, 0, lock)
    again = sync.Condition.attach(page, 0, kind.attach(page, 128))
    waiter = spawn(wait_once, again)
    waiting(condition, 1)
    with lock:
        condition.notify()
    assert waiter.result() is True


def test_the_lock_has_to_be_the_one_it_was_made_for(page):
    sync.Condition.create(page, 0)
    with pytest.raises(ValueError, match="of its own"):
        sync.Condition.attach(page, 0, sync.Lock.create(page, 128))
    sync.Condition.create(page, 256, sync.Lock.attach(page, 128))
    with pytest.raises(ValueError, match="name it"):
        sync.Condition.attach(page, 256)


def test_a_lock_elsewhere_is_refused(page):
    with pytest.raises(TypeError, match="in shared memory"):
        sync.Condition.create(page, 0, sync.Lock())
    with pytest.raises(TypeError, match="in shared memory"):
        sync.Condition.create(page, 0, sync.Lock(pi=True))
    with pytest.raises(TypeError, match="in shared memory"):
        sync.Condition.create(page, 0, threading.Lock())
    with pytest.raises(TypeError, match=r"Condition\.create"):
        sync.Condition(sync.Lock.create(page))


def test_processes_meet(page, fork, wait_until, waiting):
    condition = sync.Condition.create(page)
    children = [fork(lambda: wait_once(sync.Condition.attach(page))) for _ in range(4)]
    waiting(condition, 4)
    with condition:
        condition.notify_all()
    wait_until(lambda: all(child.has_ended() for child in children))
    assert [child.status for child in children] == [0] * 4


def voluntary_switches():
    """How often this thread has gone to sleep."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw


def test_who_is_notified_does_not_sleep_again_for_the_lock(page, pi, fork, wait_until, waiting):
    condition = sync.Condition.create(page, 0, sync.Lock.create(page, 128, pi=pi))
    slept = memoryview(page)[256:264].cast("q")
    n = 16

    def listen():
        with condition:
            before = voluntary_switches()
            is_told = condition.wait()
            slept[0] += voluntary_switches() - before
        return is_told

    children = [fork(listen) for _ in range(n)]
    waiting(condition, n)
    wait_until(lambda: all(child.is_asleep() for child in children))
    with condition:
        condition.notify_all()
    wait_until(lambda: all(child.has_ended() for child in children))
    assert [child.status for child in children] == [0] * n
    assert slept[0] <= n + 2


def test_ctrl_c_ends_a_wait_with_the_lock_held(make, spawn, interrupt, handle):
    condition = make(sync.Condition)
    main = threading.current_thread()

    def stop():
        raise KeyboardInterrupt

    handle(stop)
    sender = spawn(interrupt, condition, main)
    with condition:
        with pytest.raises(KeyboardInterrupt):
            condition.wait()
        assert condition._is_owned()
    sender.result()
    assert not condition.locked()
    assert repr(condition).endswith(" 0)>")


def test_a_signal_handler_that_returns_leaves_it_waiting(make, spawn, interrupt, handle, wait_until):
    condition, handled = make(sync.Condition), []
    main = threading.current_thread()
    handle(lambda: handled.append(condition.locked()))

    def send_and_notify():
        interrupt(condition, main)
        wait_until(lambda: handled)
        with condition:
            condition.notify()

    sender = spawn(send_and_notify)
    assert wait_once(condition) is True
    sender.result()
    assert handled == [False]


def test_a_notice_to_one_whom_a_handler_stops_is_passed_on(make, spawn, handle, asleep, wait_until, waiting):
    condition, handled = make(sync.Condition), []
    main = threading.current_thread()

    def stop():
        handled.append(True)
        raise KeyboardInterrupt

    def conduct():
        waiting(condition, 1)
        wait_until(lambda: sleeps("self", main.native_id))
        other = spawn(wait_once, condition)
        waiting(condition, 2)
        asleep(condition, other)
        with condition:
            condition.notify()  # moves the main thread, which has waited longer, to the lock
            signal.pthread_kill(main.ident, signal.SIGUSR1)
            wait_until(lambda: handled)
        return other.result()

    handle(stop)
    conductor = spawn(conduct)
    with condition, pytest.raises(KeyboardInterrupt):
        condition.wait()
    assert conductor.result() is True


def is_delivered(tid, number):
    """Whether a signal that was sent to a thread of this process has reached it."""
    status = Path(f"/proc/self/task/{tid}/status").read_text()
    return not int(re.search(r"^SigPnd:\s*(\w+)", status, re.MULTILINE)[1], 16) >> number - 1 & 1


def sleeps_for_the_lock(condition, page, tid):
    """Whether a thread of this process sleeps on the lock of a condition: it waits for no notice any more."""
    return sleeps_for_pi(tid) or sleeps_on(tid, inside(condition.lock), within(page)[:NOTICES])


def test_no_handler_runs_before_the_lock_is_held_again(make, page, spawn, handle, wait_until, waiting):
    condition, owned = make(sync.Condition), []
    main = threading.current_thread()

    def stop_once():
        owned.append(condition._is_owned())
        if len(owned) == 1:
            raise KeyboardInterrupt

    def conduct():
        waiting(condition, 1)
        wait_until(lambda: sleeps("self", main.native_id))
        with condition:
            signal.pthread_kill(main.ident, signal.SIGUSR1)
            wait_until(lambda: owned and sleeps_for_the_lock(condition, page, main.native_id))
            signal.pthread_kill(main.ident, signal.SIGUSR1)
            wait_until(lambda: is_delivered(main.native_id, signal.SIGUSR1))

    handle(stop_once)
    conductor = spawn(conduct)
    with condition:
        with pytest.raises(KeyboardInterrupt):
            condition.wait()
        assert condition._is_owned()
    conductor.result()
    assert owned == [False, True]


def test_a_notice_between_the_deadline_and_the_lock_counts(make, page, spawn, waiting, wait_until):
    condition = make(sync.Condition)
    waiter = spawn(wait_once, condition, timeout=0.5)
    waiting(condition, 1)
    with condition:
        wait_until(lambda: sleeps_for_the_lock(condition, page, waiter.tid))
        condition.notify()
    assert waiter.result() is True


def test_a_notice_for_nobody_is_none(make, spawn, waiting):
    condition = make(sync.Condition)
    waiter = spawn(wait_once, condition, timeout=0.5)
    waiting(condition, 1)
    with condition:
        condition.notify(0)
        condition.notify(-1)
    assert waiter.result() is False


@pytest.mark.parametrize("kind", [sync.RLock, sync.Lock], ids=["plain", "pi"])
def test_who_waits_says_which_lock_it_will_take_but_not_to_a_handler(page, kind, spawn, handle, wait_until):
    lock = kind.create(page, 128, pi=True) if kind is sync.Lock else kind.create(page, 128)
    condition, main, seen = sync.Condition.create(page, 0, lock), threading.main_thread().native_id, []
    word = within(page).start + 128 + LOCK_WORD

    def interrupt():
        for n in range(2):
            wait_until(lambda n=n: len(seen) == n and sleeps_on(main, within(page)) and pending(main) == word)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
        wait_until(lambda: len(seen) == 2)
        with condition:
            condition.notify()

    handle(lambda: seen.append(pending(main)))
    interrupting = spawn(interrupt)
    assert wait_once(condition)
    interrupting.result()
    assert seen == [0, 0]
    assert pending(main) == 0


def test_its_layout_is_the_documented_one(page):
    sync.Condition.create(page)
    assert page[:8] == b"pf\x01\x30\0\0\0\0"
    sync.Condition.create(page, 128, sync.Lock.create(page, 256))
    assert page[128:136] == b"pf\x01\x30\1\0\0\0"


def test_nobody_owns_a_lock_that_was_let_go(spawn, asleep):
    condition = sync.Condition()
    waiter = spawn(wait_once, condition)
    asleep(condition, waiter)  # taking the lock would write who owns it
    assert "owner=0 count=0" in repr(condition.lock)
    with condition:
        condition.notify()
    assert waiter.result()


def test_the_lock_is_free_in_the_child_of_a_fork(spawn, wait_until, all_succeed):
    condition, may_let_go = sync.Condition(), threading.Event()

    def hold():
        with condition:
            may_let_go.wait()

    holding = spawn(hold)
    wait_until(condition.locked)

    def begin_anew():
        condition._at_fork_reinit()
        return condition.acquire(False)

    all_succeed(begin_anew)
    may_let_go.set()
    holding.result()


def test_the_old_name_is_deprecated(make, spawn, waiting):
    condition = make(sync.Condition)
    waiters = [spawn(wait_once, condition) for _ in range(2)]
    waiting(condition, 2)
    old = r"notifyAll\(\) is deprecated, use notify_all\(\) instead"
    with condition, pytest.warns(DeprecationWarning, match=old) as caught:
        condition.notifyAll()
    assert caught[0].filename == __file__
    assert [each.result() for each in waiters] == [True] * 2


def test_it_is_not_pickled():
    with pytest.raises(TypeError, match="attach"):
        pickle.dumps(sync.Condition())
