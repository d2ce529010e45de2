"""Futex: one word of one memory in one manager."""

import errno

import pytest
from expect import oserror

from pyfutex import ALL, AddressSpace, InvalidArgument, Mappable, Memory, Target, WaiterState, WaitResult


@pytest.fixture
def futex(manager, memory):
    """The word at address 8."""
    return manager.futex(memory, 8)


def test_futex_tells_what_it_is_bound_to(manager, memory, futex):
    assert futex.engine is manager
    assert futex.mem is memory
    assert futex.addr == 8
    for name in ("engine", "mem", "addr"):
        with pytest.raises(AttributeError):
            setattr(futex, name, None)


def test_futex_reads_and_writes_its_word(memory, futex):
    futex.store(5)
    assert (futex.load(), memory.load(8)) == (5, 5)
    assert futex.exchange(6) == 5
    assert futex.compare_exchange(6, 7) is True
    assert futex.compare_exchange(6, 8) is False
    assert futex.fetch_add() == 7
    assert futex.fetch_add(-8) == 8
    assert futex.load() == 0
    assert memory.load(4) == memory.load(12) == 0


def test_futex_refuses_values_of_more_than_32_bits(futex):
    for value in (-1, 2**32):
        for call in (futex.store, futex.exchange, futex.wait):
            with pytest.raises(OverflowError):
                call(value)
    assert futex.load() == 0


def test_futex_refuses_what_is_no_integer(futex):
    for thing in (1.0, "1", None):
        for call in (futex.store, futex.exchange, futex.fetch_add, futex.wait, futex.wake):
            with pytest.raises(TypeError):
                call(thing)


def test_futex_takes_its_arguments_by_position_alone(futex):
    for call in (lambda: futex.wake(n=1), lambda: futex.wait(val=0, timeout=0), lambda: futex.store(value=1)):
        with pytest.raises(TypeError):
            call()


def test_futex_wake_meets_the_managers_waiters(futex, queue_up):
    first, second = queue_up(8), queue_up(8)
    assert futex.wake() == 1
    assert (first.woken, second.woken) == (True, False)
    assert futex.wake(ALL) == 1
    assert futex.wake() == 0


def test_futex_wake_counts_as_the_managers(futex, queue_up):
    w = queue_up(8)
    assert futex.wake(0) == 0
    with oserror(errno.EINVAL, InvalidArgument):
        futex.wake(-1)
    assert w.state is WaiterState.QUEUED
    assert futex.wake(2**100) == 1


def test_futex_wait_answers_at_once(futex):
    assert futex.wait(1) is WaitResult.MISMATCH
    assert futex.wait(0, 0) is WaitResult.TIMEOUT
    assert futex.wait(0, 0.01) is WaitResult.TIMEOUT


def test_futex_wait_refuses_a_negative_timeout(futex):
    with pytest.raises(ValueError, match="timeout"):
        futex.wait(0, -1)


def test_futex_wait_is_woken_by_the_manager_and_by_another_futex(manager, memory, futex, spawn, wait_until):
    for wake in (lambda: manager.wake(memory, 8), manager.futex(memory, 8).wake):
        sleeper = spawn(futex.wait, 0)
        wait_until(lambda: len(manager) == 1)
        assert wake() == 1
        assert sleeper.result() is WaitResult.WOKEN


def test_futex_wake_wait_wakes_itself_and_waits_on_the_other(
    manager, memory, futex, queue_up, spawn, wait_until
):
    other = manager.futex(memory, 64)
    w = queue_up(8)
    sleeper = spawn(futex.wake_wait, other, 0)
    wait_until(lambda: manager.waiters(memory, 64))
    assert w.woken
    assert other.wake() == 1
    assert sleeper.result() == (1, WaitResult.WOKEN)


def test_futex_wake_wait_answers_at_once(manager, memory, futex, queue_up):
    other = manager.futex(memory, 64)
    queue_up(8)
    assert futex.wake_wait(other, 1) == (1, WaitResult.MISMATCH)
    assert futex.wake_wait(other, 0, 0) == (0, WaitResult.TIMEOUT)


def test_futex_wake_wait_takes_a_futex_of_the_same_manager(manager, memory, futex):
    for thing in (None, 64, memory):
        with pytest.raises(TypeError):
            futex.wake_wait(thing, 0, 0)
    with pytest.raises(ValueError, match="manager"):
        futex.wake_wait(type(manager)().futex(memory, 64), 0, 0)


def test_futex_of_a_mappable_is_shared(manager, queue_up):
    mem = Memory(bytearray(64), mappable=Mappable())
    futex = manager.futex(mem, 8)
    w = queue_up(8, mem=mem)
    assert manager.fork().futex(mem, 8).wake() == 1
    assert w.woken
    queue_up(8, mem=mem, private=True)
    assert futex.wake() == 0


def test_futex_refuses_bad_addresses_when_it_is_made(manager, memory):
    with oserror(errno.EINVAL, InvalidArgument):
        manager.futex(memory, 2)
    for addr in (-4, 4096, 2**64, 2**100):
        with oserror(errno.EFAULT):
            manager.futex(memory, addr)
    with pytest.raises(TypeError):
        manager.futex(memory, 8.0)


def test_futex_takes_a_memory_alone(manager):
    for thing in (None, bytearray(64), AddressSpace(), Target()):
        with pytest.raises(TypeError):
            manager.futex(thing, 8)


def test_futexes_make_a_mutex(manager, memory, spawn):
    mutex = manager.futex(memory, 0)
    count = [0]

    def work():
        for _ in range(300):
            if not mutex.compare_exchange(0, 1):
                while mutex.exchange(2) != 0:
                    mutex.wait(2)
            seen = count[0]
            count[0] = seen + 1
            if mutex.exchange(0) == 2:
                mutex.wake()

    for running in [spawn(work) for _ in range(4)]:
        running.result()
    assert count == [1200]
    assert mutex.load() == 0
    assert len(manager) == 0
