"""Semaphore and BoundedSemaphore: permits are taken, given back and waited for; and what becomes of the dead."""

import ctypes
import multiprocessing
import signal
import threading
import time

import pytest
from differential import kernel as oracle
from sync import children
from sync.sleeping import sleeps_on_shared, slept_on

from pyfutex import sync

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")

WAITERS, PERMIT = 1, 2
BOTH = pytest.mark.parametrize("kind", [sync.Semaphore, sync.BoundedSemaphore])
MOST = 0x7FFF_FFFF


def permits_of(semaphore):
    """What the semaphore shows."""
    return int(repr(semaphore).partition("value=")[2].partition(">")[0].partition(",")[0].partition("/")[0])


@BOTH
def test_permits_run_out_and_come_back(make, kind):
    semaphore = make(kind, value=2)
    assert semaphore.acquire() is True
    assert semaphore.acquire(True, None) is True
    assert semaphore.acquire(False) is False
    assert semaphore.acquire(blocking=False) is False
    assert permits_of(semaphore) == 0
    assert semaphore.release() is None
    assert semaphore.release(n=1) is None
    assert permits_of(semaphore) == 2


@BOTH
def test_with_takes_one_and_gives_it_back(make, kind):
    semaphore = make(kind, value=1)
    with semaphore as taken:
        assert taken is True
        assert permits_of(semaphore) == 0
    with pytest.raises(KeyError):
        with semaphore:
            raise KeyError
    assert permits_of(semaphore) == 1


@BOTH
def test_one_permit_by_default(kind):
    semaphore = kind()
    assert semaphore.acquire(False)
    assert not semaphore.acquire(False)


@BOTH
def test_a_bad_number_of_permits_is_refused(kind, page):
    for make in (kind, lambda value: kind.create(page, value=value)):
        with pytest.raises(ValueError, match="semaphore initial value must be >= 0"):
            make(value=-1)
        with pytest.raises(OverflowError):
            make(value=MOST + 1)
        for value in ("1", 2.5):
            with pytest.raises(TypeError):
                make(value=value)
    assert kind(0).acquire(False) is False
    assert kind(MOST).value == MOST


@BOTH
def test_a_release_of_nothing_is_refused(make, kind):
    semaphore = make(kind, value=3)
    semaphore.acquire()
    for n in (0, -1):
        with pytest.raises(ValueError, match="n must be one or more"):
            semaphore.release(n)
    with pytest.raises(TypeError):
        semaphore.release(1.0)
    assert permits_of(semaphore) == 2


def test_a_bounded_one_never_has_more_than_it_began_with(make):
    semaphore = make(sync.BoundedSemaphore, value=2)
    for n in (1, 2, MOST, 1 << 40):
        with pytest.raises(ValueError, match="Semaphore released too many times"):
            semaphore.release(n)
    semaphore.acquire()
    with pytest.raises(ValueError, match="Semaphore released too many times"):
        semaphore.release(2)
    assert permits_of(semaphore) == 1
    semaphore.release()
    assert permits_of(semaphore) == 2


def test_a_plain_one_may_be_released_more_often_than_taken(make):
    semaphore = make(sync.Semaphore, value=1)
    semaphore.release(3)
    assert permits_of(semaphore) == 4
    semaphore.release(MOST - 4)
    assert permits_of(semaphore) == MOST
    for n in (1, MOST, 1 << 40):
        with pytest.raises(OverflowError):
            semaphore.release(n)
    assert permits_of(semaphore) == MOST
    assert semaphore.acquire(False)


def test_a_bounded_one_is_a_semaphore():
    assert isinstance(sync.BoundedSemaphore(), sync.Semaphore)


@BOTH
def test_it_can_be_derived_from(kind, page):
    class Named(kind):
        def __init__(self, name):
            super().__init__(2)
            self.name = name

    named = Named("seats")
    assert named.name == "seats"
    assert named.acquire()
    assert named.acquire()
    assert not named.acquire(False)
    assert type(Named.create(page, value=1)) is Named
    assert Named.attach(page).acquire()


@BOTH
def test_timeouts_are_those_of_threading(make, kind):
    semaphore = make(kind, value=1)
    with pytest.raises(ValueError, match="can't specify timeout for non-blocking acquire"):
        semaphore.acquire(False, 1)
    assert semaphore.acquire(timeout=float("inf"))
    for none in (0, 0.0, -1, -0.5):
        assert semaphore.acquire(timeout=none) is False
    for too_long in (float("inf"), threading.TIMEOUT_MAX * 2):
        with pytest.raises(OverflowError, match="timeout value is too large"):
            semaphore.acquire(timeout=too_long)
    with pytest.raises(TypeError):
        semaphore.acquire(timeout="1")
    start = time.monotonic()
    assert semaphore.acquire(timeout=0.02) is False
    assert time.monotonic() >= start + 0.02
    assert permits_of(semaphore) == 0


def test_a_release_wakes_one_sleeper_a_permit(make, spawn, asleep, wait_until):
    semaphore = make(sync.Semaphore, value=0)
    sleepers = [spawn(semaphore.acquire) for _ in range(4)]
    asleep(semaphore, *sleepers)
    for n, awake in ((2, 2), (1, 3), (1, 4)):
        semaphore.release(n)
        wait_until(lambda: sum(each.done for each in sleepers) == awake)
        asleep(semaphore, *(each for each in sleepers if not each.done))
    assert [each.result() for each in sleepers] == [True] * 4
    assert permits_of(semaphore) == 0


def test_more_permits_than_sleepers_are_left(make, spawn, asleep):
    semaphore = make(sync.Semaphore, value=0)
    sleeper = spawn(semaphore.acquire)
    asleep(semaphore, sleeper)
    semaphore.release(5)
    assert sleeper.result() is True
    assert permits_of(semaphore) == 4


def test_whoever_slept_hands_on_what_nobody_announced(spawn, asleep):
    # What a late dropping of WAITERS leads to: a release that does not know that somebody sleeps, while one was woken.
    semaphore = sync.Semaphore(0)
    sleepers = []
    for _ in range(2):
        sleepers.append(spawn(semaphore.acquire))
        asleep(semaphore, sleepers[-1])
    address = slept_on(sleepers[0].tid)
    word = ctypes.c_uint32.from_address(address)
    assert word.value == WAITERS
    word.value = PERMIT
    semaphore.release()
    assert word.value == 2 * PERMIT
    assert oracle.wake(address, 1) == 1
    assert [each.result() for each in sleepers] == [True, True]
    assert permits_of(semaphore) == 0


def test_waiters_is_set_while_somebody_sleeps_and_goes_when_nobody_does(page, word, spawn, asleep):
    semaphore = sync.Semaphore.create(page, value=1)
    semaphore.acquire()
    assert not word() & WAITERS
    sleepers = [spawn(semaphore.acquire) for _ in range(2)]
    asleep(semaphore, *sleepers)
    assert word() & WAITERS
    semaphore.release()
    semaphore.release()
    assert [each.result() for each in sleepers] == [True, True]
    semaphore.release()
    semaphore.release()
    assert word() == 2
    assert permits_of(semaphore) == 2


def test_a_timeout_leaves_the_permit_to_others(make):
    semaphore = make(sync.Semaphore, value=0)
    assert semaphore.acquire(timeout=0.001) is False
    semaphore.release()
    assert semaphore.acquire(False)
    assert not semaphore.acquire(False)


def test_a_handler_may_release_what_its_thread_waits_for(make, spawn, interrupt, handle):
    semaphore = make(sync.Semaphore, value=0)
    handle(semaphore.release)
    sender = spawn(interrupt, semaphore, threading.main_thread())
    assert semaphore.acquire() is True
    sender.result()
    assert permits_of(semaphore) == 0


def test_ctrl_c_ends_a_wait_and_takes_no_permit(make, spawn, interrupt):
    semaphore = make(sync.Semaphore, value=0)
    sender = spawn(interrupt, semaphore, threading.main_thread(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        semaphore.acquire()
    sender.result()
    with pytest.raises(KeyboardInterrupt):
        sender = spawn(interrupt, semaphore, threading.main_thread(), signal.SIGINT)
        with semaphore:
            raise AssertionError
    sender.result()
    semaphore.release()
    assert permits_of(semaphore) == 1


def test_a_signal_does_not_move_the_deadline(make, spawn, interrupt, handle):
    semaphore = make(sync.Semaphore, value=0)
    ran = []
    handle(lambda: ran.append(True))
    sender = spawn(interrupt, semaphore, threading.main_thread())
    start = time.monotonic()
    assert semaphore.acquire(timeout=0.3) is False
    assert time.monotonic() >= start + 0.3
    sender.result()
    assert ran


def test_a_forked_child_takes_what_its_parent_gives(page, fork, wait_until):
    semaphore = sync.Semaphore.create(page, value=0)
    child = fork(semaphore.acquire)
    wait_until(child.is_asleep)
    semaphore.release()
    wait_until(child.has_ended)
    assert child.status == 0
    assert permits_of(semaphore) == 0


def test_a_spawned_child_attaches_and_takes(tmp_path, wait_until):
    path = tmp_path / "segment"
    path.write_bytes(bytes(4096))
    semaphore = sync.BoundedSemaphore.create(children.mapped(path), value=1)
    semaphore.acquire()
    child = multiprocessing.get_context("spawn").Process(
        target=children.call, args=(path, "BoundedSemaphore", "acquire")
    )
    child.start()
    wait_until(lambda: sleeps_on_shared(child.pid))
    semaphore.release()
    child.join()
    assert child.exitcode == 0
    assert permits_of(semaphore) == 0


def test_a_child_of_fork_has_a_private_one_of_its_own(fork, wait_until):
    semaphore = sync.Semaphore(1)
    child = fork(lambda: semaphore.acquire(False) and not semaphore.acquire(False))
    wait_until(child.has_ended)
    assert child.status == 0
    assert permits_of(semaphore) == 1


def test_a_killed_waiter_takes_nothing(page, fork, wait_until):
    semaphore = sync.Semaphore.create(page, value=0)
    child = fork(semaphore.acquire)
    wait_until(child.is_asleep)
    child.send(signal.SIGKILL)
    wait_until(child.has_ended)
    semaphore.release()
    assert permits_of(semaphore) == 1
    assert semaphore.acquire(False)


def test_a_wake_spent_on_a_killed_waiter_is_made_good(page, fork, wait_until, spawn, asleep):
    semaphore = sync.Semaphore.create(page, value=0)
    first = fork(semaphore.acquire)
    wait_until(first.is_asleep)
    second = spawn(semaphore.acquire)
    asleep(semaphore, second)
    first.send(signal.SIGSTOP)
    semaphore.release()
    first.send(signal.SIGKILL)
    wait_until(first.has_ended)
    assert second.result() is True
    assert permits_of(semaphore) == 0


def test_the_permit_of_a_dead_process_is_lost(page, fork, wait_until):
    semaphore = sync.BoundedSemaphore.create(page, value=2)
    child = fork(semaphore.acquire)
    wait_until(child.has_ended)
    assert permits_of(semaphore) == 1


def test_others_go_on_after_a_sleeper_is_gone(page, fork, wait_until, spawn, asleep):
    semaphore = sync.Semaphore.create(page, value=0)
    children_asleep = [fork(semaphore.acquire) for _ in range(3)]
    wait_until(lambda: all(child.is_asleep() for child in children_asleep))
    survivor = spawn(semaphore.acquire)
    asleep(semaphore, survivor)
    for child in children_asleep:
        child.send(signal.SIGKILL)
        wait_until(child.has_ended)
    semaphore.release()
    assert survivor.result() is True


def test_a_block_waits_for_its_permit(make, spawn, asleep):
    semaphore = make(sync.Semaphore, value=0)

    def enter():
        with semaphore:
            return semaphore.value

    waiter = spawn(enter)
    asleep(semaphore, waiter)
    semaphore.release()
    assert waiter.result() == 0
    assert semaphore.value == 1


def test_racing_processes_lose_and_make_no_permits(page, at_once):
    rounds = 1_000_000
    semaphore = sync.Semaphore.create(page, value=2 * rounds)

    def take_and_give():
        n = sum(semaphore.acquire(False) for _ in range(rounds))
        for _ in range(n):
            semaphore.release()
        return n == rounds

    at_once(take_and_give, take_and_give)
    assert semaphore.value == 2 * rounds
