"""wait: what it answers at once, and how it ends by time."""

import errno
import math
import time

import pytest
from expect import oserror

from pyfutex import (
    ANY,
    CLOCK_MONOTONIC,
    CLOCK_REALTIME,
    InvalidArgument,
    Mappable,
    Memory,
    WaiterState,
    WaitResult,
)

CLOCKS = pytest.mark.parametrize("clock", [CLOCK_MONOTONIC, CLOCK_REALTIME])


def test_wait_answers_mismatch_where_the_word_differs(manager, memory):
    assert manager.wait(memory, 0, 1) is WaitResult.MISMATCH
    assert len(manager) == 0


def test_wait_compares_all_32_bits(manager, memory):
    memory.store(0, 0xFFFF_FFFF)
    assert manager.wait(memory, 0, 0x7FFF_FFFF) is WaitResult.MISMATCH
    assert manager.wait(memory, 0, 0xFFFF_FFFF, 0) is WaitResult.TIMEOUT


def test_wait_compares_before_it_looks_at_the_time(manager, memory):
    assert manager.wait(memory, 0, 1, 0) is WaitResult.MISMATCH
    assert manager.wait(memory, 0, 1, deadline=0) is WaitResult.MISMATCH


def test_wait_of_no_time_polls(manager, memory):
    assert manager.wait(memory, 0, 0, 0) is WaitResult.TIMEOUT
    assert len(manager) == 0


def test_wait_ends_after_its_timeout(manager, memory):
    start = time.monotonic()
    assert manager.wait(memory, 0, 0, 0.03) is WaitResult.TIMEOUT
    assert time.monotonic() - start >= 0.03
    assert len(manager) == 0


def test_wait_takes_a_timeout_by_keyword(manager, memory):
    assert manager.wait(memory, 0, 0, timeout=0) is WaitResult.TIMEOUT


@CLOCKS
def test_wait_ends_at_its_deadline(manager, memory, clock):
    deadline = time.clock_gettime(clock) + 0.03
    assert manager.wait(memory, 0, 0, deadline=deadline, clock=clock) is WaitResult.TIMEOUT
    assert time.clock_gettime(clock) >= deadline
    assert len(manager) == 0


@CLOCKS
def test_wait_with_a_past_deadline_polls(manager, memory, clock):
    past = time.clock_gettime(clock) - 10
    assert manager.wait(memory, 0, 0, deadline=past, clock=clock) is WaitResult.TIMEOUT


def test_wait_measures_a_deadline_on_the_monotonic_clock_by_default(manager, memory):
    deadline = time.monotonic() + 0.03
    assert manager.wait(memory, 0, 0, deadline=deadline) is WaitResult.TIMEOUT
    assert time.monotonic() >= deadline


@pytest.mark.parametrize("timeout", [-1, -0.001, math.nan])
def test_wait_refuses_a_time_before_now(manager, memory, timeout):
    with pytest.raises(ValueError, match="timeout"):
        manager.wait(memory, 0, 0, timeout)


@pytest.mark.parametrize("timeout", [math.inf, 1e20, 2**64, 1e300])
def test_wait_refuses_a_time_too_large_to_count(manager, memory, timeout):
    with pytest.raises(OverflowError):
        manager.wait(memory, 0, 0, timeout)
    with pytest.raises(OverflowError):
        manager.wait(memory, 0, 0, deadline=timeout)


@pytest.mark.parametrize("timeout", ["1", b"1", [], 1j, object()])
def test_wait_refuses_a_timeout_that_is_no_number(manager, memory, timeout):
    with pytest.raises(TypeError):
        manager.wait(memory, 0, 0, timeout)
    with pytest.raises(TypeError):
        manager.wait(memory, 0, 0, deadline=timeout)


@pytest.mark.parametrize("deadline", [-1, -0.5, math.nan])
def test_wait_refuses_a_negative_deadline(manager, memory, deadline):
    with pytest.raises(ValueError, match="deadline"):
        manager.wait(memory, 0, 0, deadline=deadline)


def test_wait_refuses_a_timeout_together_with_a_deadline(manager, memory):
    with pytest.raises(TypeError):
        manager.wait(memory, 0, 0, 1, deadline=1)


@pytest.mark.parametrize("clock", [time.CLOCK_PROCESS_CPUTIME_ID, time.CLOCK_BOOTTIME, -1, 99])
def test_wait_refuses_other_clocks(manager, memory, clock):
    with oserror(errno.EINVAL, InvalidArgument):
        manager.wait(memory, 0, 0, deadline=1, clock=clock)


def test_wait_refuses_an_empty_bitset(manager, memory):
    with oserror(errno.EINVAL, InvalidArgument):
        manager.wait(memory, 0, 0, bitset=0)


def test_wait_refuses_an_empty_bitset_before_it_compares(manager, memory):
    with oserror(errno.EINVAL, InvalidArgument):
        manager.wait(memory, 0, 1, bitset=0)


@pytest.mark.parametrize("addr", [1, 2, 3, 4097])
def test_wait_refuses_a_misaligned_address(manager, memory, addr):
    with oserror(errno.EINVAL, InvalidArgument):
        manager.wait(memory, addr, 0)


@pytest.mark.parametrize("addr", [-4, 4096, 2**40, 2**64 - 4, 2**64, 2**100])
def test_wait_refuses_an_address_outside_the_memory(manager, memory, addr):
    with oserror(errno.EFAULT):
        manager.wait(memory, addr, 0)


@pytest.mark.parametrize("value", [-1, 2**32, 2**64, 2**100])
def test_wait_refuses_a_value_of_more_than_32_bits(manager, memory, value):
    with pytest.raises(OverflowError):
        manager.wait(memory, 0, value)
    with pytest.raises(OverflowError):
        manager.wait(memory, 0, 0, bitset=value)


def test_wait_is_woken_with_a_deadline_far_away(manager, memory, spawn, wait_until):
    sleeper = spawn(manager.wait, memory, 0, 0, deadline=time.time() + 3600, clock=CLOCK_REALTIME)
    wait_until(lambda: len(manager) == 1)
    assert manager.wake(memory, 0) == 1
    assert sleeper.result() is WaitResult.WOKEN


def test_wait_times_out_the_right_waiter(manager, memory, queue_up):
    before = queue_up()
    assert manager.wait(memory, 0, 0, 0.01) is WaitResult.TIMEOUT
    after = queue_up()
    assert [w.state for w in (before, after)] == [WaiterState.QUEUED] * 2
    assert manager.wake(memory, 0, 5) == 2


def test_wait_times_out_where_a_requeue_took_it(manager, memory, spawn, wait_until):
    sleeper = spawn(manager.wait, memory, 0, 0, 0.2)
    wait_until(lambda: len(manager) == 1)
    assert manager.requeue(memory, 0, 64, 0, 1) == (0, 1)
    assert sleeper.result() is WaitResult.TIMEOUT
    assert len(manager) == 0


def test_wait_follows_a_requeue_and_is_woken_there(manager, memory, spawn, wait_until):
    sleeper = spawn(manager.wait, memory, 0, 0)
    wait_until(lambda: len(manager) == 1)
    assert manager.requeue(memory, 0, 64, 0, 1) == (0, 1)
    assert manager.wake(memory, 0) == 0
    assert manager.wake(memory, 64) == 1
    assert sleeper.result() is WaitResult.WOKEN


def test_wait_is_shared_where_the_memory_has_a_mappable(manager, spawn, wait_until):
    mem = Memory(bytearray(64), mappable=Mappable())
    sleeper = spawn(manager.wait, mem, 0, 0)
    wait_until(lambda: len(manager) == 1)
    assert manager.wake(mem, 0, private=True) == 0
    assert manager.wake(mem, 0, private=False) == 1
    assert sleeper.result() is WaitResult.WOKEN


def test_wait_lists_the_sleeping_thread(manager, memory, spawn, wait_until):
    sleeper = spawn(manager.wait, memory, 8, 0, bitset=ANY ^ 1)
    wait_until(lambda: len(manager) == 1)
    [info] = manager.waiters(memory, 8)
    assert info.waiter is None
    assert info.bitset == ANY ^ 1
    assert info.kind == "PLAIN"
    manager.wake(memory, 8)
    assert sleeper.result() is WaitResult.WOKEN


def test_wait_keeps_its_memory_alive(manager, spawn, wait_until):
    sleeper = spawn(manager.wait, Memory(bytearray(64)), 0, 0, 0.05)
    wait_until(lambda: len(manager) == 1)
    assert sleeper.result() is WaitResult.TIMEOUT


def test_only_a_timeout_is_false():
    assert [bool(result) for result in WaitResult] == [
        result is not WaitResult.TIMEOUT for result in WaitResult
    ]
    assert [int(result) for result in WaitResult] == [0, 1, 2]
