"""The bucket lock and the parker: exclusion, retirement, hand-over, no lost wake-up."""

import os
import threading
import time

import pytest
from native.conftest import scaled

locks = pytest.importorskip("pyfutex_native.locks", reason="pyfutex-native-tests is not installed")

pytestmark = pytest.mark.stress


def test_word_says_who_holds_it_and_how_many_wait():
    lock = locks.Lock()
    assert (lock.bits, lock.nobody_waits) == (({"LIVE"}, 0), True)
    assert lock.lock(raised=2) == "taken"
    assert (lock.bits, lock.nobody_waits) == (({"LIVE", "LOCKED"}, 2), False)
    lock.unlock(1)
    assert (lock.bits, lock.nobody_waits) == (({"LIVE"}, 1), False)
    assert lock.lock() == "taken"
    lock.unlock(1)
    assert (lock.bits, lock.nobody_waits) == (({"LIVE"}, 0), True)


def test_attached_thread_is_told_instead_of_sleeping():
    lock = locks.Lock()
    lock.lock()
    assert lock.lock(attached=True, raised=3) == "contended"
    assert lock.bits == ({"LIVE", "LOCKED"}, 0)
    lock.unlock()
    assert lock.lock(attached=True) == "taken"
    lock.unlock()


def test_dead_lock_is_never_taken_and_never_reads_as_empty():
    lock = locks.Lock()
    lock.lock()
    lock.retire()
    assert lock.lock() == lock.lock(attached=True) == "dead"
    assert not lock.nobody_waits
    assert lock.bits == (set(), 0)


@pytest.mark.parametrize(("held", "between"), [(0, 0), (5, 20), (400, 0)])
@pytest.mark.parametrize("n_threads", [2, 4])
def test_plain_counter_is_exact(together, n_threads, held, between):
    lock = locks.Lock()
    rounds = scaled(100_000 // (1 + held))
    together(*[lambda: lock.count_up(rounds, held, between)] * n_threads).join()
    assert lock.counter == n_threads * rounds
    bits, count = lock.bits
    assert count == 0
    assert not bits & {"LOCKED", "STARVED"}


def test_retired_lock_lets_everybody_go(together):
    """Those woken from a lock that is dead by now must wake the others on it, or some sleep for ever."""
    lock = locks.Lock()
    for round_ in range(scaled(30)):
        crew = together(*[lambda: lock.lock_until_dead(30)] * 4)
        assert lock.lock() == "taken"
        for _ in range(round_ % 7):
            os.sched_yield()
        lock.retire()
        crew.join()
        lock.revive()


def test_long_waiter_is_handed_the_lock(together, wait_until):
    """A thread that takes the lock again and again cannot keep one out that waits for more than a millisecond."""
    lock = locks.Lock()
    crew = together(lambda: lock.hold_often(1_000_000))
    took = []
    for _ in range(scaled(20)):
        wait_until(lambda: "LOCKED" in lock.bits[0])
        began = time.monotonic()
        assert lock.lock() == "taken"
        took.append(time.monotonic() - began)
        lock.unlock()
    lock.stop()
    crew.join()
    assert sorted(took)[len(took) // 2] < 0.05


def test_mark_that_is_set_already_does_not_put_to_sleep():
    mark = locks.Mark()
    assert not mark.set()
    assert mark.park() == "taken"


def test_parker_keeps_the_time_limit():
    mark = locks.Mark()
    began = time.monotonic()
    assert mark.park(2_000_000) == "timed out"
    assert time.monotonic() - began >= 0.002
    assert not mark.sleeper


def test_second_sleeper_is_refused(together, wait_until):
    mark = locks.Mark()
    crew = together(mark.park)
    wait_until(lambda: mark.sleeper)
    assert mark.park() == "busy"
    assert mark.set()
    assert crew.join() == ["taken"]


def test_spurious_wake_ups_do_not_end_a_sleep(together, wait_until):
    mark = locks.Mark()
    crew = together(mark.park)
    wait_until(lambda: mark.sleeper)
    for _ in range(200):
        mark.spurious()
        os.sched_yield()
    assert crew.running(0)
    assert mark.sleeper
    mark.set()
    assert crew.join() == ["taken"]


@pytest.mark.parametrize("timeout_ns", [0, 1_000, 60_000])
@pytest.mark.parametrize("delay", [0, 300])
def test_no_mark_is_lost_and_none_is_seen_twice(together, delay, timeout_ns):
    mark = locks.Mark()
    rounds = scaled(2_000)
    late, _ = together(
        lambda: mark.sleep_many(rounds, timeout_ns), lambda: mark.set_many(rounds, delay)
    ).join()
    assert mark.counter == 2 * rounds
    assert timeout_ns or not late


def test_wakes_for_nothing_hide_no_mark(together):
    """A wake that was meant for an earlier sleep comes at every moment of this one, and its effect is overwritten."""
    mark = locks.Mark()
    rounds = scaled(2_000)
    crew = together(lambda: mark.sleep_many(rounds, 0), lambda: mark.set_many(rounds, 100), mark.disturb)
    crew.join(0, 1)
    mark.stop()
    crew.join()
    assert mark.counter == 2 * rounds


def test_parker_survives_a_fork(together):
    mark = locks.Mark()
    assert mark.park(1) == "timed out"
    pid = os.fork()
    if pid == 0:
        os._exit(0 if mark.park(1000) == "timed out" and not mark.set() and mark.park() == "taken" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_parker_of_a_thread_that_lives_is_nobody_elses(together, wait_until):
    """A thread ends, and its parker is the next one's; that of a thread that came after it and still sleeps is not."""
    for _ in range(5):
        marks = [locks.Mark() for _ in range(6)]
        crews = {}

        def sleep(number):
            crews[number] = together(marks[number].park)
            wait_until(lambda: marks[number].sleeper)

        def wake(number):
            assert marks[number].set()
            assert crews[number].join() == ["taken"]

        sleep(0)
        sleep(1)
        wake(0)
        for number in (2, 3, 4, 5):
            sleep(number)
        for number in (5, 4, 3, 2, 1):
            wake(number)


def test_parkers_are_given_back():
    """Threads that come and go reuse parkers: a thousand of them fill no thousand parkers' memory."""
    mark = locks.Mark()
    for _ in range(scaled(300)):
        thread = threading.Thread(target=mark.park, args=(1,))
        thread.start()
        thread.join()
    assert not mark.sleeper
