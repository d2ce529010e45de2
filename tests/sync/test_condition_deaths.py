"""What others see of processes that die waiting for a condition, or with its lock."""

import os
import signal

import pytest

from pyfutex import sync

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


ROUNDS = 8


@pytest.fixture
def make(page, pi):
    """Make one in shared memory: ``make(offset)``."""

    def make_one(offset):
        lock = sync.Lock.create(page, offset + 128, pi=True) if pi else None
        return sync.Condition.create(page, offset, lock)

    return make_one


@pytest.fixture
def condition(make):
    """One in shared memory."""
    return make(0)


@pytest.fixture
def waiter(fork, condition, wait_until):
    """Start a child that waits once, and wait until it sleeps: ``waiter()``."""

    def start():
        def wait():
            with condition:
                return condition.wait()

        child = fork(wait)
        wait_until(child.is_asleep)
        return child

    return start


def test_a_dead_waiter_holds_up_no_notice(condition, waiter, wait_until):
    dead, alive = waiter(), waiter()
    dead.kill()
    with condition:
        condition.notify_all()
    wait_until(alive.has_ended)
    assert alive.status == 0


def test_a_waiter_that_dies_once_woken_takes_the_wake_from_nobody(make, pi, fork, wait_until, one_processor):
    # Both are moved to the lock. Its release wakes the first, which runs only when nobody else wants to, and is killed
    # before it does; then only the kernel can wake the second, and does, as the first had said which word it would take.
    # With priority inheritance the first has been given the lock.
    for i in range(ROUNDS):
        condition = make(192 * i)

        def wait(condition=condition):
            try:
                with condition:
                    return condition.wait() and not pi
            except sync.OwnerDied:
                return pi

        first = fork(wait)
        wait_until(first.is_asleep)
        os.sched_setscheduler(first.pid, os.SCHED_IDLE, os.sched_param(0))
        second = fork(wait)
        wait_until(second.is_asleep)
        with condition:
            condition.notify_all()
        first.kill()
        wait_until(second.has_ended)
        assert second.status == 0


def test_a_notifier_that_dies_before_it_lets_go(condition, waiter, fork, wait_until):
    def notify_and_die():
        condition.acquire()
        condition.notify_all()
        os.kill(os.getpid(), signal.SIGKILL)

    def wait():
        condition.acquire()
        with pytest.raises(sync.OwnerDied):
            condition.wait()
        condition.consistent()
        condition.release()
        return condition.acquire()

    survivor = fork(wait)
    wait_until(survivor.is_asleep)
    fork(notify_and_die)
    wait_until(survivor.has_ended)
    assert survivor.status == 0
