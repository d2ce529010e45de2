"""wake_wait: a wake and a wait in one call, both results told."""

import errno

import pytest
from expect import oserror

from pyfutex import ALL, InvalidArgument, Memory, WaiterState, WaitResult


def test_wake_wait_wakes_and_then_waits(manager, memory, queue_up, spawn, wait_until):
    w = queue_up(0)
    sleeper = spawn(manager.wake_wait, memory, 0, 4, 0)
    wait_until(lambda: w.state is WaiterState.DONE and manager.waiters(memory, 4))
    assert manager.wake(memory, 4) == 1
    assert sleeper.result() == (1, WaitResult.WOKEN)


def test_wake_wait_names_its_results(manager, memory):
    outcome = manager.wake_wait(memory, 0, 4, 0, 0)
    assert (outcome.woken, outcome.result) == (0, WaitResult.TIMEOUT)
    assert isinstance(outcome.result, WaitResult)


def test_wake_wait_delivers_its_wake_when_the_word_differs(manager, memory, queue_up):
    w = queue_up(0)
    assert manager.wake_wait(memory, 0, 4, 1) == (1, WaitResult.MISMATCH)
    assert w.woken


def test_wake_wait_delivers_its_wake_when_time_is_up(manager, memory, queue_up):
    w = queue_up(0)
    assert manager.wake_wait(memory, 0, 4, 0, 0.01) == (1, WaitResult.TIMEOUT)
    assert w.woken
    assert len(manager) == 0


@pytest.mark.parametrize("n", [0, 1, 2, ALL])
def test_wake_wait_wakes_n(manager, memory, queue_up, n):
    for _ in range(3):
        queue_up(0)
    assert manager.wake_wait(memory, 0, 4, 1, n=n).woken == min(n, 3)


def test_wake_wait_refuses_a_negative_count(manager, memory, queue_up):
    w = queue_up(0)
    with oserror(errno.EINVAL, InvalidArgument):
        manager.wake_wait(memory, 0, 4, 0, 0, n=-1)
    assert w.state is WaiterState.QUEUED


def test_wake_wait_does_not_wake_itself(manager, memory):
    assert manager.wake_wait(memory, 0, 0, 0, 0.01, n=ALL) == (0, WaitResult.TIMEOUT)


def test_wake_wait_waits_in_a_second_memory(manager, memory, queue_up, spawn, wait_until):
    other = Memory(bytearray(64))
    queue_up(0)
    sleeper = spawn(manager.wake_wait, memory, 0, 8, 0, mem2=other)
    wait_until(lambda: manager.waiters(other, 8))
    assert manager.wake(other, 8) == 1
    assert sleeper.result() == (1, WaitResult.WOKEN)


def test_wake_wait_checks_both_addresses_before_it_wakes(manager, memory, queue_up):
    w = queue_up(0)
    with oserror(errno.EINVAL, InvalidArgument):
        manager.wake_wait(memory, 0, 5, 0, 0)
    with oserror(errno.EFAULT):
        manager.wake_wait(memory, 0, memory.nbytes, 0, 0)
    assert w.state is WaiterState.QUEUED


def test_wake_wait_hands_a_turn_to_and_fro(manager, memory, spawn):
    turns = 200

    def play(mine, theirs):
        for turn in range(turns):
            while memory.load(mine) == 0:
                manager.wait(memory, mine, 0)
            memory.store(mine, 0)
            memory.store(theirs, 1)
            if turn < turns - 1:
                manager.wake_wait(memory, theirs, mine, 0)
        manager.wake(memory, theirs)
        return turns

    memory.store(0, 1)
    players = [spawn(play, 0, 4), spawn(play, 4, 0)]
    assert [player.result() for player in players] == [turns, turns]
