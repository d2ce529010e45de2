"""Kernel: the operations by system calls, with a Manager's results and errors."""

import errno
import mmap
import pickle
import time

import pytest
from differential import kernel as oracle
from expect import oserror
from unit.kernel_features import needs

from pyfutex import (
    ALL,
    CLOCK_MONOTONIC,
    CLOCK_REALTIME,
    AddressSpace,
    InvalidArgument,
    Kernel,
    KernelFutex,
    Memory,
    Requeued,
    Target,
    WaitItem,
    WaitResult,
    WakeWait,
)

ADD_ONE_ALWAYS = 0x1000_1000  # FUTEX_OP_ADD of 1, then "equals 0"
UNKNOWN_COMPARISON = 0x0F00_0000
BASE = 0x7000_0000


@pytest.fixture
def sleepers(kernel, memory, spawn, asleep):
    """Threads asleep on a word, in order: ``sleepers(n, addr=0, **options)``."""

    def start(n, addr=0, **options):
        started = []
        for _ in range(n):
            started.append(spawn(kernel.wait, memory, addr, memory.load(addr), **options))
            asleep(started[-1])
        return started

    return start


def test_supported_agrees_with_what_raw_calls_answer():
    raw = {
        "waitv": oracle._syscall(449, 0, 0, 0, 0, 0, 0) == -1 and oracle.ctypes.get_errno() == errno.EINVAL,
        "pi": oracle.trylock_pi(1) == -errno.EINVAL,
        "lock_pi2": oracle.futex(1, 13) == -errno.EINVAL,
    }
    for name, is_there in raw.items():
        assert (name in Kernel.supported) == is_there, name
    assert isinstance(Kernel.supported, frozenset)
    assert Kernel.supported <= {"pi", "requeue_pi", "lock_pi2", "waitv", "futex2", "numa", "mpol"}


def test_wake_with_nobody_waiting_wakes_nobody(kernel, memory):
    assert kernel.wake(memory, 0) == 0
    assert kernel.wake(memory, 0, ALL) == 0


def test_wait_ends_with_its_wake(kernel, memory, sleepers):
    (sleeper,) = sleepers(1)
    assert kernel.wake(memory, 0) == 1
    assert sleeper.result() is WaitResult.WOKEN


def test_wait_on_another_value_is_a_mismatch(kernel, memory):
    assert kernel.wait(memory, 0, 1) is WaitResult.MISMATCH
    assert kernel.wait(memory, 0, 1, timeout=0) is WaitResult.MISMATCH


@pytest.mark.parametrize("clock", [CLOCK_MONOTONIC, CLOCK_REALTIME])
def test_wait_ends_with_its_deadline(kernel, memory, clock):
    deadline = time.clock_gettime(clock) + 0.01
    assert kernel.wait(memory, 0, 0, deadline=deadline, clock=clock) is WaitResult.TIMEOUT
    assert time.clock_gettime(clock) >= deadline
    assert kernel.wait(memory, 0, 0, deadline=1, clock=clock) is WaitResult.TIMEOUT


def test_wait_ends_with_its_timeout(kernel, memory):
    start = time.monotonic()
    assert kernel.wait(memory, 0, 0, 0.01) is WaitResult.TIMEOUT
    assert time.monotonic() >= start + 0.01


def test_bitsets_meet(kernel, memory, sleepers):
    first, second = sleepers(1, bitset=1) + sleepers(1, bitset=2)
    assert kernel.wake(memory, 0, ALL, bitset=4) == 0
    assert kernel.wake(memory, 0, ALL, bitset=2) == 1
    assert second.result() is WaitResult.WOKEN
    assert not first.done
    assert kernel.wake(memory, 0, ALL) == 1


def test_a_count_of_zero_wakes_nobody(kernel, memory, sleepers):
    sleepers(1)
    assert kernel.wake(memory, 0, 0) == 0
    assert kernel.wake(memory, 0) == 1


def test_private_and_shared_do_not_meet(kernel, memory, sleepers):
    sleepers(1, private=True)
    sleepers(1)
    assert kernel.wake(memory, 0, ALL, private=True) == 1
    assert kernel.wake(memory, 0, ALL, private=False) == 1


def test_requeue_tells_woken_from_requeued(kernel, memory, sleepers):
    sleepers(4)
    assert kernel.requeue(memory, 0, 4, 1, 2) == Requeued(1, 2)
    assert kernel.requeue(memory, 0, 4, 3, 3) == Requeued(1, 0)
    assert kernel.requeue(memory, 0, 4) == Requeued(0, 0)
    assert kernel.wake(memory, 4, ALL) == 2


def test_cmp_requeue_moves_while_the_word_holds_its_value(kernel, memory, sleepers):
    sleepers(3)
    assert kernel.cmp_requeue(memory, 0, 4, 1) is None
    assert kernel.cmp_requeue(memory, 0, 4, 0, 0, 2) == Requeued(0, 2)
    assert kernel.wake(memory, 0, ALL) == 1
    assert kernel.wake(memory, 4, ALL) == 2


def test_wake_op_changes_the_word_and_wakes_both(kernel, memory, sleepers):
    sleepers(2)
    sleepers(2, 4)
    assert kernel.wake_op(memory, 0, 4, ADD_ONE_ALWAYS, 1, 2) == 3
    assert memory.load(4) == 1
    assert kernel.wake_op(memory, 0, 4, ADD_ONE_ALWAYS) == 1
    assert memory.load(4) == 2


def test_wake_op_with_an_unknown_comparison_is_enosys_after_the_change(kernel, memory):
    with oserror(errno.ENOSYS):
        kernel.wake_op(memory, 0, 4, ADD_ONE_ALWAYS | UNKNOWN_COMPARISON)
    assert memory.load(4) == 1


@pytest.mark.parametrize("counts", [(0, 1), (1, 0)])
def test_wake_op_cannot_have_a_count_of_zero(kernel, memory, counts):
    with oserror(errno.ENOSYS) as caught:
        kernel.wake_op(memory, 0, 4, ADD_ONE_ALWAYS, *counts)
    assert "at least one" in str(caught.value)
    assert memory.load(4) == 0


def test_wake_wait_wakes_then_waits(kernel, memory, sleepers, spawn, asleep):
    (sleeper,) = sleepers(1)
    swapped = spawn(kernel.wake_wait, memory, 0, 4, 0)
    assert sleeper.result() is WaitResult.WOKEN
    asleep(swapped)
    assert kernel.wake(memory, 4) == 1
    assert swapped.result() == WakeWait(1, WaitResult.WOKEN)


def test_wake_wait_wakes_even_if_its_wait_is_refused(kernel, memory, sleepers):
    sleepers(2)
    assert kernel.wake_wait(memory, 0, 4, 1) == WakeWait(1, WaitResult.MISMATCH)
    assert kernel.wake_wait(memory, 0, 4, 0, 0, n=0) == WakeWait(0, WaitResult.TIMEOUT)
    with oserror(errno.EFAULT):
        kernel.wake_wait(memory, 0, mmap.PAGESIZE, 0)
    assert kernel.wake(memory, 0, ALL) == 1


@needs["waitv"]
def test_waitv_tells_which_word_was_woken(memory, spawn, asleep):
    kernel = Kernel()
    waiting = spawn(kernel.waitv, [(memory, 0, 0), WaitItem(memory, 4, 0, private=True), (memory, 8, 0)])
    asleep(waiting)
    assert kernel.wake(memory, 4) == 0
    assert kernel.wake(memory, 4, private=True) == 1
    assert waiting.result() == 1


@needs["waitv"]
def test_waitv_times_out_or_finds_a_change(memory):
    kernel = Kernel()
    items = [(memory, 0, 0), (memory, 4, 0)]
    assert kernel.waitv(items, 0.005) == -1
    for clock in (CLOCK_MONOTONIC, CLOCK_REALTIME):
        assert kernel.waitv(items, deadline=1, clock=clock) == -1
    memory.store(4, 9)
    assert kernel.waitv(items) == -2


@needs["waitv"]
def test_waitv_refuses_what_the_kernel_would(memory):
    kernel = Kernel()
    for items in ([], [(memory, 0, 1)] * 129, [(memory, 2, 0)], [WaitItem(memory, 0, 0, size=8)]):
        with oserror(errno.EINVAL, InvalidArgument):
            kernel.waitv(items)
    assert kernel.waitv([(memory, 0, 1)] * 128) == -2
    with oserror(errno.EFAULT):
        kernel.waitv([(memory, mmap.PAGESIZE, 0)])
    for item in ((memory, 0), (memory, 0, 0, None, 4, 0)):
        with pytest.raises(TypeError):
            kernel.waitv([item])


def test_errors_are_those_of_a_manager(kernel, memory):
    for call in (
        lambda: kernel.wake(memory, 2),
        lambda: kernel.wake(memory, 0, -1),
        lambda: kernel.wake(memory, 0, bitset=0),
        lambda: kernel.wait(memory, 2, 0),
        lambda: kernel.wait(memory, 0, 0, bitset=0),
        lambda: kernel.requeue(memory, 0, 4, -1),
        lambda: kernel.cmp_requeue(memory, 0, 2, 0),
        lambda: kernel.wait(memory, 0, 0, deadline=1, clock=7),
    ):
        with oserror(errno.EINVAL, InvalidArgument):
            call()
    for call in (
        lambda: kernel.wake(memory, mmap.PAGESIZE),
        lambda: kernel.wake(memory, -4),
        lambda: kernel.wait(memory, 1 << 70, 0),
        lambda: kernel.requeue(memory, 0, mmap.PAGESIZE),
        lambda: kernel.wake_op(memory, 0, mmap.PAGESIZE, ADD_ONE_ALWAYS),
    ):
        with oserror(errno.EFAULT):
            call()
    with pytest.raises(ValueError, match="negative"):
        kernel.wait(memory, 0, 0, -1)
    with pytest.raises(TypeError):
        kernel.wait(memory, 0, 0, 1, deadline=1)


def test_a_target_in_python_is_refused(kernel, memory):
    for mem in (Target(), bytearray(4), None):
        with pytest.raises(TypeError, match="real memory"):
            kernel.wake(mem, 0)
        with pytest.raises(TypeError, match="real memory"):
            kernel.wait(mem, 0, 0)
    with pytest.raises(TypeError, match="real memory"):
        kernel.requeue(memory, 0, 0, mem2=Target())


def test_an_address_space_is_its_host_memory(kernel, memory, sleepers):
    space = AddressSpace()
    space.map(BASE, memory)
    space.map(BASE + mmap.PAGESIZE, Memory(mmap.mmap(-1, mmap.PAGESIZE)), writable=False)
    sleepers(3)
    assert kernel.wake(space, BASE) == 1
    assert kernel.requeue(space, BASE, BASE + mmap.PAGESIZE, 0, 1) == Requeued(0, 1)
    assert kernel.wake(space, BASE + mmap.PAGESIZE) == 1
    assert kernel.wake(memory, 0) == 1
    assert kernel.wait(space, BASE, 1) is WaitResult.MISMATCH
    with oserror(errno.EFAULT):
        kernel.wake_op(space, BASE, BASE + mmap.PAGESIZE, ADD_ONE_ALWAYS)
    with oserror(errno.EFAULT):
        kernel.cmp_requeue(space, BASE, BASE + 2 * mmap.PAGESIZE, 0)


def test_a_sleeper_keeps_the_memory_of_an_address_space(kernel, spawn, asleep):
    buffer = mmap.mmap(-1, mmap.PAGESIZE)
    space = AddressSpace()
    uaddr = space.map(BASE, buffer).memory.host_address
    waiting = spawn(kernel.wait, space, BASE, 0)
    asleep(waiting)
    space.unmap(BASE, mmap.PAGESIZE)
    assert space.regions() == []
    with pytest.raises(BufferError):
        buffer.close()
    assert oracle.wake(uaddr, 1, private=False) == 1
    assert waiting.result() is WaitResult.WOKEN
    del waiting
    buffer.close()


def test_a_futex_is_the_word_bound(kernel, memory, sleepers, spawn, asleep):
    word, other = kernel.futex(memory, 0), kernel.futex(memory, 4)
    assert isinstance(word, KernelFutex)
    assert (word.engine, word.mem, word.addr) == (kernel, memory, 0)
    assert word.fetch_add() == 0
    assert word.exchange(5) == 1
    assert word.compare_exchange(5, 6)
    assert word.load() == memory.load(0) == 6
    word.store(0)
    assert word.wait(1) is WaitResult.MISMATCH
    assert word.wait(0, 0.001) is WaitResult.TIMEOUT
    assert word.wake() == 0
    sleepers(2)
    waiting = spawn(word.wake_wait, other, 0)
    asleep(waiting)
    assert other.wake(0) == 0
    assert other.wake(ALL) == 1
    assert waiting.result() == WakeWait(1, WaitResult.WOKEN)
    assert word.wake() == 1
    with oserror(errno.EINVAL, InvalidArgument):
        kernel.futex(memory, 2)
    with pytest.raises(TypeError):
        kernel.futex(AddressSpace(), 0)


def test_a_kernel_has_no_state(kernel):
    assert bool(kernel) is True
    assert eval(repr(kernel)).futex2 == kernel.futex2
    assert pickle.loads(pickle.dumps(kernel)).futex2 == kernel.futex2
