"""Event: set, cleared and waited for, by threads, processes and signal handlers."""

import multiprocessing
import signal
import struct
import threading
import time

import pytest
from sync import children
from sync.sleeping import sleeps_on_shared

from pyfutex import sync

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")

WAITERS, SET = 1, 2


def test_it_is_set_and_cleared(make):
    event = make(sync.Event)
    assert event.is_set() is False
    assert event.wait(0) is False
    for _ in range(2):
        assert event.set() is None
        assert event.is_set() is True
        assert event.wait() is True
    for _ in range(2):
        assert event.clear() is None
        assert event.is_set() is False


def test_the_old_name_is_deprecated(make):
    event = make(sync.Event)
    with pytest.warns(DeprecationWarning, match=r"isSet\(\) is deprecated, use is_set\(\) instead") as caught:
        assert event.isSet() is False
    assert caught[0].filename == __file__


def test_set_wakes_all(make, spawn, asleep):
    event = make(sync.Event)
    sleepers = [spawn(event.wait) for _ in range(5)]
    asleep(event, *sleepers)
    event.set()
    assert [each.result() for each in sleepers] == [True] * 5


def test_a_wait_that_began_before_is_true_though_it_was_cleared_at_once(make, spawn, asleep):
    event = make(sync.Event)
    sleepers = [spawn(event.wait, 50) for _ in range(5)]
    asleep(event, *sleepers)
    event.set()
    event.clear()
    assert [each.result() for each in sleepers] == [True] * 5
    assert event.wait(0) is False


def test_the_generation_wraps(page, word, spawn, asleep):
    event = sync.Event.create(page)
    struct.pack_into("I", page, 16, 0xFFFF_FFFC)
    sleeper = spawn(event.wait)
    asleep(event, sleeper)
    event.set()
    event.clear()
    assert sleeper.result() is True
    assert word() & ~WAITERS == 0
    assert not event.is_set()


def test_waiters_is_set_while_somebody_sleeps_and_goes_with_set(page, word, spawn, asleep):
    event = sync.Event.create(page)
    sleeper = spawn(event.wait)
    asleep(event, sleeper)
    assert word() == WAITERS
    event.set()
    assert word() == SET
    assert sleeper.result() is True
    event.clear()
    assert event.wait(0.001) is False
    assert word() & WAITERS
    event.set()
    assert not word() & WAITERS


def test_timeouts_are_those_of_threading(make):
    event = make(sync.Event)
    for none in (0, 0.0, -1):
        assert event.wait(none) is False
    with pytest.raises(OverflowError, match="timeout value is too large"):
        event.wait(float("inf"))
    with pytest.raises(TypeError):
        event.wait("1")
    start = time.monotonic()
    assert event.wait(timeout=0.02) is False
    assert time.monotonic() >= start + 0.02
    event.set()
    assert event.wait(float("inf")) is True


def test_it_can_be_derived_from(page):
    class Named(sync.Event):
        def __init__(self, name):
            super().__init__()
            self.name = name

    named = Named("ready")
    named.set()
    assert named.wait()
    assert type(Named.create(page)) is Named


def test_a_handler_may_set_what_its_thread_waits_for(make, spawn, interrupt, handle):
    event = make(sync.Event)
    handle(event.set)
    sender = spawn(interrupt, event, threading.main_thread())
    assert event.wait() is True
    sender.result()


def test_a_handler_may_set_and_clear(make, spawn, interrupt, handle):
    event = make(sync.Event)

    def set_and_clear():
        event.set()
        event.clear()

    handle(set_and_clear)
    sender = spawn(interrupt, event, threading.main_thread())
    assert event.wait() is True
    sender.result()


def test_ctrl_c_ends_a_wait(make, spawn, interrupt):
    event = make(sync.Event)
    sender = spawn(interrupt, event, threading.main_thread(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        event.wait()
    sender.result()
    event.set()
    assert event.wait()


def test_a_signal_does_not_move_the_deadline(make, spawn, interrupt, handle):
    event = make(sync.Event)
    ran = []
    handle(lambda: ran.append(True))
    sender = spawn(interrupt, event, threading.main_thread())
    start = time.monotonic()
    assert event.wait(0.3) is False
    assert time.monotonic() >= start + 0.3
    sender.result()
    assert ran


def test_processes_wake_each_other(page, fork, wait_until):
    event, answer = sync.Event.create(page), sync.Event.create(page, 64)

    def wait_and_answer():
        woken = event.wait()
        answer.set()
        return woken

    child = fork(wait_and_answer)
    wait_until(child.is_asleep)
    event.set()
    assert answer.wait() is True
    wait_until(child.has_ended)
    assert child.status == 0


def test_a_spawned_child_finds_an_event_in_zero_bytes(tmp_path, wait_until):
    path = tmp_path / "segment"
    path.write_bytes(bytes(4096))
    child = multiprocessing.get_context("spawn").Process(target=children.call, args=(path, "Event", "wait"))
    child.start()
    wait_until(lambda: sleeps_on_shared(child.pid))
    sync.Event.attach(children.mapped(path)).set()
    child.join()
    assert child.exitcode == 0


def test_killed_waiters_hinder_nobody(page, fork, wait_until, spawn, asleep):
    event = sync.Event.create(page)
    dead = [fork(event.wait) for _ in range(3)]
    wait_until(lambda: all(child.is_asleep() for child in dead))
    survivor = spawn(event.wait)
    asleep(event, survivor)
    dead[0].send(signal.SIGKILL)
    wait_until(dead[0].has_ended)
    for child in dead[1:]:
        child.send(signal.SIGSTOP)
    event.set()
    event.clear()
    assert survivor.result() is True
    for child in dead[1:]:
        child.send(signal.SIGKILL)
        wait_until(child.has_ended)
    event.set()
    assert event.wait()


def test_racing_processes_set_and_clear_and_go_on(page, at_once):
    event = sync.Event.create(page)

    def set_and_clear():
        for _ in range(1_000_000):
            event.set()
            event.clear()
        return True

    at_once(set_and_clear, set_and_clear)
    assert not event.is_set()


def test_a_shared_one_stays_as_it_is_in_the_child_of_a_fork(page, word, spawn, asleep, all_succeed):
    event = sync.Event.create(page)
    sleeper = spawn(event.wait)
    asleep(event, sleeper)

    def begin_anew():
        event._at_fork_reinit()
        return bool(word() & WAITERS)

    all_succeed(begin_anew)
    event.set()
    assert sleeper.result() is True


def test_a_fork_leaves_nobody_behind(fork, wait_until, spawn, asleep):
    event = sync.Event()
    sleeper = spawn(event.wait)
    asleep(event, sleeper)

    def begin_anew():
        event._at_fork_reinit()
        unset = event.wait(0)
        event.set()
        return not unset and event.wait()

    child = fork(begin_anew)
    wait_until(child.has_ended)
    assert child.status == 0
    assert not event.is_set()
    event.set()
    assert sleeper.result() is True
