"""Latch: counted down to zero once, and waited for."""

import multiprocessing
import signal
import threading
import time

import pytest
from sync import children
from sync.sleeping import sleeps_on_shared

from pyfutex import sync

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")

WAITERS = 1
HIGHEST = 0x7FFF_FFFF


def test_it_is_counted_down_to_zero(make):
    latch = make(sync.Latch, count=3)
    assert latch.count == 3
    assert latch.wait(0) is False
    assert latch.count_down() is None
    assert latch.count_down(n=2) is None
    assert latch.count == 0
    for _ in range(2):
        assert latch.wait() is True
    assert latch.wait(timeout=0) is True


def test_zero_is_there_from_the_beginning(make):
    assert make(sync.Latch, count=0).wait() is True


def test_it_never_goes_below_zero(make):
    latch = make(sync.Latch, count=2)
    for n in (3, HIGHEST, 1 << 40):
        with pytest.raises(ValueError, match="at 2 cannot count down by"):
            latch.count_down(n)
    assert latch.count == 2
    latch.count_down(2)
    with pytest.raises(ValueError):
        latch.count_down()
    assert latch.count == 0


def test_bad_counts_are_refused(make, page):
    for make_one in (sync.Latch, lambda count: sync.Latch.create(page, count=count)):
        with pytest.raises(ValueError):
            make_one(count=-1)
        with pytest.raises(OverflowError):
            make_one(count=HIGHEST + 1)
        for count in ("1", 2.5):
            with pytest.raises(TypeError):
                make_one(count=count)
    latch = make(sync.Latch, count=HIGHEST)
    for n in (0, -1):
        with pytest.raises(ValueError, match="n must be one or more"):
            latch.count_down(n)
    with pytest.raises(TypeError):
        latch.count_down(1.0)
    latch.count_down(HIGHEST)
    assert latch.wait()


def test_the_last_count_wakes_all_and_no_other_does(make, spawn, asleep):
    latch = make(sync.Latch, count=3)
    sleepers = [spawn(latch.wait) for _ in range(4)]
    asleep(latch, *sleepers)
    latch.count_down(2)
    asleep(latch, *sleepers)
    latch.count_down()
    assert [each.result() for each in sleepers] == [True] * 4


def test_waiters_is_set_while_somebody_sleeps(page, word, spawn, asleep):
    latch = sync.Latch.create(page, count=1)
    sleeper = spawn(latch.wait)
    asleep(latch, sleeper)
    assert word() == WAITERS
    latch.count_down()
    assert sleeper.result() is True


def test_timeouts_are_those_of_threading(make):
    latch = make(sync.Latch, count=1)
    for none in (0, -1):
        assert latch.wait(none) is False
    with pytest.raises(OverflowError):
        latch.wait(float("inf"))
    start = time.monotonic()
    assert latch.wait(0.02) is False
    assert time.monotonic() >= start + 0.02


def test_a_handler_may_count_down_what_its_thread_waits_for(make, spawn, interrupt, handle):
    latch = make(sync.Latch, count=1)
    handle(latch.count_down)
    sender = spawn(interrupt, latch, threading.main_thread())
    assert latch.wait() is True
    sender.result()


def test_ctrl_c_ends_a_wait(make, spawn, interrupt):
    latch = make(sync.Latch, count=1)
    sender = spawn(interrupt, latch, threading.main_thread(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        latch.wait()
    sender.result()
    assert latch.count == 1


def test_processes_count_for_each_other(page, fork, wait_until):
    latch = sync.Latch.create(page, count=2)

    def count_and_wait():
        latch.count_down()
        return latch.wait()

    child = fork(count_and_wait)
    wait_until(child.is_asleep)
    assert latch.count == 1
    latch.count_down()
    wait_until(child.has_ended)
    assert child.status == 0


def test_a_spawned_child_attaches_and_waits(tmp_path, wait_until):
    path = tmp_path / "segment"
    path.write_bytes(bytes(4096))
    latch = sync.Latch.create(children.mapped(path), count=1)
    child = multiprocessing.get_context("spawn").Process(target=children.call, args=(path, "Latch", "wait"))
    child.start()
    wait_until(lambda: sleeps_on_shared(child.pid))
    latch.count_down()
    child.join()
    assert child.exitcode == 0


def test_it_does_not_count_down_for_the_dead(page, fork, wait_until, spawn, asleep):
    latch = sync.Latch.create(page, count=1)
    child = fork(latch.wait)
    wait_until(child.is_asleep)
    survivor = spawn(latch.wait)
    asleep(latch, survivor)
    child.send(signal.SIGKILL)
    wait_until(child.has_ended)
    assert latch.count == 1
    latch.count_down()
    assert survivor.result() is True


def test_racing_counts_add_up(make, spawn):
    latch = make(sync.Latch, count=4000)
    counters = [spawn(lambda: [latch.count_down() for _ in range(1000)]) for _ in range(4)]
    assert latch.wait(20) is True
    for each in counters:
        each.result()
    assert latch.count == 0


def test_racing_counts_of_processes_add_up(page, at_once):
    rounds = 1_000_000
    latch = sync.Latch.create(page, count=2 * rounds)

    def count():
        for _ in range(rounds):
            latch.count_down()
        return latch.wait()

    at_once(count, count)
    assert latch.count == 0
