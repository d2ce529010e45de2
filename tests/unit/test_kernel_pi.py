"""Kernel: PI words, and requeues to them."""

import errno
import mmap
import os
import signal
import threading

import pytest
from expect import oserror
from unit.kernel_features import needs

from pyfutex import CLOCK_REALTIME, InvalidArgument, Kernel, Memory, WaitResult

WAITERS = 0x8000_0000


@needs["pi"]
def test_a_free_pi_word_is_taken_and_given_up(memory):
    kernel, tid = Kernel(), threading.get_native_id()
    assert kernel.lock_pi(memory, 0) is True
    assert memory.load(0) == tid
    with oserror(errno.EDEADLK):
        kernel.lock_pi(memory, 0, tid=tid)
    kernel.unlock_pi(memory, 0, tid=tid)
    assert memory.load(0) == 0
    assert kernel.trylock_pi(memory, 0, tid=tid) is True
    kernel.unlock_pi(memory, 0)


@needs["pi"]
def test_a_held_pi_word_is_handed_over(memory, spawn, asleep):
    kernel, held, release = Kernel(), threading.Event(), threading.Event()

    def hold():
        kernel.lock_pi(memory, 0)
        held.set()
        release.wait()
        kernel.unlock_pi(memory, 0)

    def take():
        taken = kernel.lock_pi(memory, 0)
        owner = memory.load(0)
        kernel.unlock_pi(memory, 0)
        return taken, owner

    spawn(hold)
    held.wait()
    assert kernel.trylock_pi(memory, 0) is False
    if "lock_pi2" in kernel.supported:
        assert kernel.lock_pi(memory, 0, 0.005) is False
    assert kernel.lock_pi(memory, 0, deadline=1, clock=CLOCK_REALTIME) is False
    with oserror(errno.EPERM, PermissionError):
        kernel.unlock_pi(memory, 0)
    taker = spawn(take)
    asleep(taker)
    release.set()
    assert taker.result() == (True, WAITERS | taker.tid)
    assert memory.load(0) == 0


@needs["pi"]
def test_whose_a_misaligned_pi_word_is_comes_before_its_alignment(memory):
    kernel = Kernel()
    with oserror(errno.EPERM, PermissionError):
        kernel.unlock_pi(memory, 2)
    memory.store(0, threading.get_native_id() << 16 & 0xFFFF_FFFF)
    memory.store(4, threading.get_native_id() >> 16)
    with oserror(errno.EINVAL, InvalidArgument):
        kernel.unlock_pi(memory, 2)
    with oserror(errno.EFAULT):
        kernel.unlock_pi(memory, mmap.PAGESIZE - 2)


@needs["pi"]
def test_the_kernel_knows_who_calls(memory):
    kernel = Kernel()
    for call in (
        lambda: kernel.lock_pi(memory, 0, tid=1),
        lambda: kernel.trylock_pi(memory, 0, tid=1),
        lambda: kernel.unlock_pi(memory, 0, tid=1),
        lambda: kernel.wait_requeue_pi(memory, 0, 4, 0, tid=1),
    ):
        with pytest.raises(ValueError, match="own") as caught:
            call()
        assert not isinstance(caught.value, OSError)
    with oserror(errno.EINVAL, InvalidArgument):
        kernel.lock_pi(memory, 0, tid=0)
    assert memory.load(0) == 0


@needs["pi"]
def test_an_owner_that_does_not_live_is_esrch(memory):
    memory.store(0, 0x3FFF_FFF0)
    with oserror(errno.ESRCH, ProcessLookupError):
        Kernel().lock_pi(memory, 0)


@needs["requeue_pi"]
def test_requeue_pi_hands_the_lock_to_whom_it_wakes(memory, spawn, asleep):
    kernel = Kernel()

    def wait():
        result = kernel.wait_requeue_pi(memory, 0, 4, 0)
        owner = memory.load(4) & ~WAITERS
        kernel.unlock_pi(memory, 4)
        return result, owner

    waiters = []
    for _ in range(3):
        waiters.append(spawn(wait))
        asleep(waiters[-1])
    assert kernel.cmp_requeue_pi(memory, 0, 4, 1) is None
    assert kernel.cmp_requeue_pi(memory, 0, 4, 0) == 3
    assert [waiter.result() for waiter in waiters] == [(WaitResult.WOKEN, waiter.tid) for waiter in waiters]
    assert kernel.cmp_requeue_pi(memory, 0, 4, 0) == 0


@needs["requeue_pi"]
def test_wait_requeue_pi_ends_without_the_lock(memory):
    kernel = Kernel()
    assert kernel.wait_requeue_pi(memory, 0, 4, 1) is WaitResult.MISMATCH
    assert kernel.wait_requeue_pi(memory, 0, 4, 0, 0.005) is WaitResult.TIMEOUT
    assert kernel.wait_requeue_pi(memory, 0, 4, 0, deadline=1, clock=CLOCK_REALTIME) is WaitResult.TIMEOUT
    assert memory.load(4) == 0
    with oserror(errno.EINVAL, InvalidArgument):
        kernel.wait_requeue_pi(memory, 0, 0, 0)
    with oserror(errno.EINVAL, InvalidArgument):
        kernel.cmp_requeue_pi(memory, 0, 0, 0)


@needs["pi"]
def test_a_pi_word_is_handed_to_another_process(wait_until):
    kernel, page = Kernel(), Memory(mmap.mmap(-1, mmap.PAGESIZE))
    assert kernel.lock_pi(page, 0)
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(20)
            taken = kernel.lock_pi(page, 0) and page.load(0) == WAITERS | os.getpid()
            kernel.unlock_pi(page, 0)
            os._exit(not taken)
        finally:
            os._exit(9)
    wait_until(lambda: page.load(0) & WAITERS)
    kernel.unlock_pi(page, 0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert page.load(0) == 0
