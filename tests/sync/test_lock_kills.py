"""Waiters that are killed at the worst moment, as scripts that run the same each time; beside them the protocol that loses.

A is the test, B and C are its children: B sleeps first, so that a wake is B's; C must get the lock all the same. B is killed
when it has been woken and has not run yet: it shares a processor with the test and runs only when nobody else wants to.
"""

import mmap
import os
import signal

import pytest
from sync.programs import ended, finds_a_dead_owner, forked, sleeps
from sync.stepping import killed_at_each_step

from pyfutex import Kernel, Memory
from pyfutex.sync import Lock, OwnerDied

ROUNDS = 8
FREE, HELD, HELD_PARKED = range(3)


class WithoutOwner:
    """The mutex of most libraries: an unlock stores 0, and whoever was woken says again that others sleep."""

    word = 0

    def __init__(self, memory):
        self.memory = Memory(memory)
        self.kernel = Kernel()

    def acquire(self):
        if self.memory.compare_exchange(self.word, FREE, HELD):
            return
        while self.memory.exchange(self.word, HELD_PARKED) != FREE:
            self.kernel.wait(self.memory, self.word, HELD_PARKED)

    def release(self):
        if self.memory.exchange(self.word, FREE) == HELD_PARKED:
            self.kernel.wake(self.memory, self.word)


@pytest.fixture
def memory():
    return mmap.mmap(-1, mmap.PAGESIZE)


def n_sleepers_left(memory, word):
    """How many sleep on a word of which nobody would wake them: one at most, which is woken."""
    return Kernel().wake(Memory(memory), word)


def take(lock):
    """Acquire it, also from B, if that ran before it was killed."""
    try:
        lock.acquire()
    except OwnerDied:
        lock.consistent()


def play(memory, lock, word, wait_until, *, retakes):
    """A wakes B, takes the lock again or does not, and B is killed: whether C was left asleep on a free lock."""

    lock.acquire()
    with forked(lock.acquire) as b_pid:
        wait_until(lambda: sleeps(b_pid))
        os.sched_setscheduler(b_pid, os.SCHED_IDLE, os.sched_param(0))
        with forked(lambda: take(lock)) as c_pid:
            wait_until(lambda: sleeps(c_pid))
            lock.release()
            if retakes:
                take(lock)
            os.kill(b_pid, signal.SIGKILL)
            assert ended(b_pid) in (-signal.SIGKILL, 0)
            if retakes:
                lock.release()
            lost = n_sleepers_left(memory, word)
            assert ended(c_pid) == 0
    return lost


@pytest.mark.parametrize("retakes", [True, False], ids=["lock taken again", "lock free"])
def test_who_is_killed_after_a_wake_takes_it_from_nobody(memory, wait_until, one_processor, retakes):
    for i in range(ROUNDS):
        lock = Lock.create(memory, 64 * i)
        assert play(memory, lock, 64 * i + 16, wait_until, retakes=retakes) == 0


@pytest.mark.parametrize("retakes", [True, False], ids=["lock taken again", "lock free"])
def test_the_usual_protocol_leaves_a_process_asleep_on_a_free_lock(
    memory, wait_until, one_processor, retakes
):
    lost = 0
    for _ in range(ROUNDS):
        memory[:4] = bytes(4)
        lost += play(memory, WithoutOwner(memory), 0, wait_until, retakes=retakes)
        if lost:
            return
    pytest.fail(
        "B always ran before it was killed: this machine does not show what the other test guards against"
    )


def test_whatever_step_of_taking_it_is_killed_at_the_word_says_that_it_is_dead(memory, fork, pi):
    lock = Lock.create(memory, pi=pi)

    def after():
        assert not lock.locked()
        take(lock)
        lock.release()

    assert killed_at_each_step(fork, lambda: None, lambda: lock.acquire(False), memory, after) >= 4


def test_a_waiter_that_is_killed_in_its_sleep_is_forgotten(memory, wait_until):
    lock = Lock.create(memory)
    lock.acquire()
    with forked(lock.acquire) as b_pid, forked(lock.acquire) as c_pid:
        wait_until(lambda: sleeps(b_pid) and sleeps(c_pid))
        os.kill(b_pid, signal.SIGKILL)
        assert ended(b_pid) == -signal.SIGKILL
        lock.release()
        assert n_sleepers_left(memory, 16) == 0
        assert ended(c_pid) == 0
    # C has ended with it.
    finds_a_dead_owner(lock)


def test_waiters_goes_when_nobody_sleeps_any_more(memory, wait_until):
    lock = Lock.create(memory)
    lock.acquire()
    with forked(lock.acquire) as pid:
        wait_until(lambda: sleeps(pid))
        os.kill(pid, signal.SIGKILL)
        assert ended(pid) == -signal.SIGKILL
    word = Memory(memory)
    assert word.load(16) == 1 << 31 | os.getpid()
    lock.release()
    assert word.load(16) == 0


def test_each_of_several_sleepers_gets_it_though_every_owner_dies(memory, wait_until, pi):
    lock = Lock.create(memory, pi=pi)

    def die_with_it():
        try:
            lock.acquire()
        finally:
            os.kill(os.getpid(), signal.SIGKILL)

    lock.acquire()
    with forked(die_with_it) as b, forked(die_with_it) as c, forked(die_with_it) as d:
        wait_until(lambda: all(sleeps(pid) for pid in (b, c, d)))
        lock.release()
        assert [ended(pid) for pid in (b, c, d)] == [-signal.SIGKILL] * 3
    finds_a_dead_owner(lock)


def test_a_sleeper_whose_wake_never_comes_looks_again(memory, wait_until):
    """What no known order of events leaves behind, and somebody's write may: a free word with a sleeper."""
    lock = Lock.create(memory)

    def hold():
        lock.acquire()
        signal.pause()

    with forked(hold) as owner:
        wait_until(lock.locked)
        with forked(lock.acquire) as pid:
            wait_until(lambda: sleeps(pid))
            Memory(memory).store(16, 0)
            assert ended(pid) == 0
        os.kill(owner, signal.SIGKILL)
