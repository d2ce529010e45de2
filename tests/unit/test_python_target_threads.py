"""Targets written in Python, and time: they sleep, fork, and are waited on while others go on."""

import errno
import os
import signal
import threading
import time

import pytest

from pyfutex import Manager, Target, Waiter, WaiterState, WaitResult

OWNER = 9


class SlowTarget(Target):
    """Words in a dict, and a load that can be held up."""

    def __init__(self, words):
        self.words = dict(words)
        self.go_on = threading.Event()
        self.go_on.set()
        self.loading = threading.Event()

    def load(self, addr, size=4, /):
        self.loading.set()
        assert self.go_on.wait(20)
        return self.words[addr]

    def swap(self, addr, new, size=4, /):
        old, self.words[addr] = self.words[addr], new
        return old

    def compare_and_swap(self, addr, old, new, size=4, /):
        seen = self.words[addr]
        if seen == old:
            self.words[addr] = new
        return seen


@pytest.fixture
def target():
    """Two free words and one that is locked."""
    return SlowTarget({0: 0, 64: 0, 128: OWNER})


SLEEPS = {
    "wait": lambda manager, target: manager.wait(target, 0, 0),
    "wake_wait": lambda manager, target: manager.wake_wait(target, 64, 0, 0).result,
    "lock_pi": lambda manager, target: manager.lock_pi(target, 128, tid=7),
}


@pytest.fixture(params=SLEEPS)
def asleep(request, manager, target, spawn, wait_until):
    """A thread that sleeps on the target, and how it is woken."""
    sleeper = spawn(SLEEPS[request.param], manager, target)
    wait_until(lambda: len(manager) == 1)

    def end():
        if request.param == "lock_pi":
            manager.unlock_pi(target, 128, tid=OWNER)
            assert sleeper.result() is True
        else:
            wait_until(lambda: manager.wake(target, 0) == 1)
            assert sleeper.result() is WaitResult.WOKEN

    return end


def test_a_thread_that_sleeps_on_the_target_is_listed_without_a_waiter(manager, asleep):
    assert [info.waiter for info in manager.waiters()] == [None]
    asleep()


def test_close_refuses_while_a_thread_sleeps_on_the_target(manager, target, queue_up, asleep):
    w = queue_up(64, mem=target)
    with pytest.raises(RuntimeError):
        manager.close()
    assert w.state is WaiterState.QUEUED
    asleep()
    manager.close()
    assert w.state is WaiterState.CANCELLED


def test_others_go_on_while_load_sleeps(manager, memory, target, spawn, queue_up):
    w = queue_up(64, mem=target)
    target.go_on.clear()
    sleeper = spawn(manager.wait, target, 0, 0)
    assert target.loading.wait(20)
    assert manager.wake(target, 64) == 1
    assert w.woken
    assert manager.wake(memory, 0) == 0
    assert manager.requeue(target, 0, 64, 0) == (0, 1)
    assert len(manager) == 1
    target.go_on.set()
    assert manager.wake(target, 64) == 1
    assert sleeper.result() is WaitResult.WOKEN


def test_a_wake_while_load_sleeps_ends_the_wait_before_it_began(manager, target, spawn):
    target.go_on.clear()
    sleeper = spawn(manager.wait, target, 0, 1)
    assert target.loading.wait(20)
    assert manager.wake(target, 0) == 1
    target.go_on.set()
    assert sleeper.result() is WaitResult.WOKEN


def test_a_waiter_can_be_cancelled_while_load_sleeps(manager, target, spawn, wait_until):
    w = Waiter()
    target.go_on.clear()
    preparing = spawn(manager.wait_prepare, w, target, 0, 0)
    wait_until(lambda: w.state is WaiterState.QUEUED)
    assert w.cancel()
    target.go_on.set()
    assert preparing.result() is None
    assert w.state is WaiterState.CANCELLED


def test_cmp_requeue_leaves_nothing_in_the_queue_while_load_sleeps_that_counts(manager, target, spawn):
    target.go_on.clear()
    requeueing = spawn(manager.cmp_requeue, target, 0, 64, 0)
    assert target.loading.wait(20)
    assert len(manager) == 0
    assert manager.waiters() == []
    assert manager.wake(target, 0) == 0
    target.go_on.set()
    assert requeueing.result() == (0, 0)


def test_a_pi_operation_waits_for_another_threads_load(manager, target, spawn):
    target.go_on.clear()
    first = spawn(manager.trylock_pi, target, 0, tid=1)
    assert target.loading.wait(20)
    second = spawn(manager.trylock_pi, target, 0, tid=2)
    target.go_on.set()
    assert sorted([first.result(), second.result()]) == [False, True]


def test_a_target_that_never_agrees_is_left_by_a_signal_handler(manager, target):
    class NeverTheSame(SlowTarget):
        def compare_and_swap(self, addr, old, new, size=4, /):
            return old ^ 1

    class HandlerError(Exception):
        pass

    def handler(number, frame):
        raise HandlerError

    never = NeverTheSame({0: 0, 64: 0})
    before = signal.signal(signal.SIGALRM, handler)
    try:
        for call in (
            lambda: manager.wake_op(never, 0, 64, 1 << 28),
            lambda: manager.lock_pi(never, 0, tid=7),
            lambda: manager.trylock_pi(never, 0, tid=7),
        ):
            signal.setitimer(signal.ITIMER_REAL, 0.02)
            with pytest.raises(HandlerError):
                call()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(manager) == 0


FORKED = {
    "wait": lambda manager, target: manager.wait(target, 0, 0, 0.01),
    "wait_prepare": lambda manager, target: manager.wait_prepare(Waiter(), target, 0, 0),
    "mismatch": lambda manager, target: manager.wait(target, 0, 1),
    "cmp_requeue": lambda manager, target: manager.cmp_requeue(target, 0, 64, 0),
    "wake_op": lambda manager, target: manager.wake_op(target, 0, 64, 1 << 28 | 1 << 12),
    "lock_pi": lambda manager, target: manager.lock_pi(target, 0, tid=7),
    "lock_pi_prepare": lambda manager, target: manager.lock_pi_prepare(Waiter(), target, 128, tid=7),
    "unlock_pi": lambda manager, target: manager.unlock_pi(target, 128, tid=OWNER),
}


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("call", FORKED.values(), ids=FORKED)
def test_load_that_forks_leaves_two_processes_that_work(call):
    class ForkingTarget(SlowTarget):
        def load(self, addr, size=4, /):
            if not children:
                children.append(os.fork())
                if children == [0]:
                    signal.signal(signal.SIGALRM, signal.SIG_DFL)
                    signal.alarm(20)
            return super().load(addr, size)

    children = []
    manager, target = Manager(), ForkingTarget({0: 0, 64: 0, 128: OWNER})
    try:
        call(manager, target)
        works_after_all(manager, target)
    except BaseException as error:
        # In the child the wait that load() belongs to may have been cancelled by the fork; nothing else may go wrong.
        if children != [0]:
            raise
        if not isinstance(error, RuntimeError):
            os._exit(1)
        works_after_all(manager, target)
    finally:
        if children == [0]:
            os._exit(0 if manager.wake(target, 0) == 0 else 2)
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0


def works_after_all(manager, target):
    """Queue, wake, lock and unlock on the target."""
    manager.close()
    target.words.update({0: 0, 64: 0})
    w = Waiter()
    assert manager.wait_prepare(w, target, 64, 0) is None
    assert manager.wake(target, 64) == 1
    assert w.woken
    assert manager.lock_pi(target, 64, tid=7)
    manager.unlock_pi(target, 64, tid=7)
    assert len(manager) == 0


def test_wait_keeps_its_timeout_while_load_takes_long(manager):
    class Late(SlowTarget):
        def load(self, addr, size=4, /):
            until = time.monotonic() + 0.02
            while time.monotonic() < until:
                os.sched_yield()
            return 0

    began = time.monotonic()
    assert manager.wait(Late({}), 0, 0, 0.01) is WaitResult.TIMEOUT
    assert time.monotonic() - began < 10
    assert len(manager) == 0


def test_an_oserror_of_a_sleeping_load_reaches_its_own_thread(manager, spawn):
    class Faulting(SlowTarget):
        def load(self, addr, size=4, /):
            super().load(addr, size)
            raise OSError(errno.EFAULT, "unmapped meanwhile")

    target = Faulting({0: 0})
    target.go_on.clear()
    sleeper = spawn(manager.wait, target, 0, 0)
    assert target.loading.wait(20)
    target.go_on.set()
    with pytest.raises(OSError, match="unmapped meanwhile"):
        sleeper.result()
    assert len(manager) == 0
