"""The contract of parking.h, whichever way this build keeps it."""

import errno
import threading

import pytest
from forking import os_fork, run_in_child
from native.conftest import scaled

from pyfutex._buildoptions import PARKING

parking = pytest.importorskip("pyfutex_native.parking", reason="pyfutex-native-tests is not installed")

HOUR = 3600 * 10**9
FORKS = 40


def test_another_value_is_not_slept_on():
    assert parking.Words().wait(0, 1) in (0, errno.EAGAIN)


@pytest.mark.parametrize("realtime", [False, True])
@pytest.mark.parametrize("timeout_ns", [-1000, 0, 2_000_000])
@pytest.mark.parametrize("where", ["main thread", "another thread"])
def test_a_deadline_ends_it(spawn, where, timeout_ns, realtime):
    words = parking.Words()
    if where == "main thread":
        assert words.wait(0, 0, timeout_ns, realtime) == errno.ETIMEDOUT
    else:
        assert spawn(words.wait, 0, 0, timeout_ns, realtime).result() == errno.ETIMEDOUT


@pytest.mark.parametrize("realtime", [False, True])
def test_a_change_ends_it_before_a_deadline(spawn, realtime):
    words = parking.Words()
    sleeper = spawn(words.wait, 0, 0, HOUR, realtime)
    words.change(0, 1)
    assert sleeper.result() in (0, errno.EAGAIN)


def test_words_beside_each_other_are_slept_on_apart(spawn, wait_until):
    words = parking.Words()
    sleepers = [spawn(words.outwait, i, 0) for i in range(16)]
    for i in (7, 0, 15):
        words.change(i, 1)
        wait_until(lambda i=i: sleepers[i].done)
    assert [i for i, sleeper in enumerate(sleepers) if sleeper.done] == [0, 7, 15]
    for i in range(16):
        words.change(i, 1)


@pytest.mark.stress
@pytest.mark.parametrize("parties", [2, 5])
def test_no_wake_is_lost(together, parties):
    words = parking.Words()
    rounds = scaled(20_000 // parties)
    runners = together(*[lambda i=i: words.pass_on(i, parties, rounds) for i in range(parties)])
    words.change(0, 1)
    runners.join()


def test_a_child_of_a_fork_parks_though_a_thread_of_its_parent_was_waking(spawn):
    words = parking.Words()
    hammering = spawn(words.hammer, 0)

    def park_and_be_woken():
        sleeper = threading.Thread(target=words.outwait, args=(0, 0))
        sleeper.start()
        words.change(0, 1)
        sleeper.join()

    try:
        for _ in range(FORKS):
            run_in_child(os_fork, park_and_be_woken)
    finally:
        words.end()
    hammering.result()


@pytest.mark.skipif(PARKING == "futex", reason="a native futex says which sleep a signal ended")
def test_the_main_thread_is_asked_to_look_for_signals(spawn, wait_until):
    words = parking.Words()
    sleeper = spawn(words.wait, 0, 0, HOUR)
    assert words.wait(0, 0, HOUR) == errno.EINTR
    assert words.wait(0, 0, HOUR) == errno.EINTR
    assert not sleeper.done
    words.change(0, 1)
    assert sleeper.result() == 0
