"""Words of 1, 2, 4 and 8 bytes in every operation: compared and changed as wide as they are, and no wider."""

import errno
import mmap

import pytest
from expect import oserror
from hypothesis import given
from hypothesis import strategies as st

from pyfutex import (
    ALL,
    AddressSpace,
    InvalidArgument,
    Kernel,
    Key,
    KeyKind,
    Manager,
    Mappable,
    Memory,
    Target,
    Waiter,
    WaiterState,
    WaitItem,
    WaitResult,
)

SIZES = (1, 2, 4, 8)
EVERY_SIZE = pytest.mark.parametrize("size", SIZES)
AT = 64
FILL = 0xA5


def largest(size):
    return 256**size - 1


class Cells(Target):
    """Python memory of single bytes, little-endian."""

    def __init__(self, buffer):
        self.buffer = buffer

    def load(self, addr, size=4, /):
        return int.from_bytes(self.buffer[addr : addr + size], "little")

    def swap(self, addr, new, size=4, /):
        old = self.load(addr, size)
        self.buffer[addr : addr + size] = new.to_bytes(size, "little")
        return old

    def compare_and_swap(self, addr, old, new, size=4, /):
        seen = self.load(addr, size)
        if seen == old:
            self.swap(addr, new, size)
        return seen


def flat(buffer):
    return Memory(buffer, 0)


def mapped(buffer):
    space = AddressSpace()
    space.map(0, buffer)
    return space


@pytest.fixture(params=[flat, mapped, Cells])
def place(request):
    """A page of FILL, and a target over it."""
    buffer = bytearray([FILL]) * mmap.PAGESIZE
    return buffer, request.param(buffer)


def put(buffer, size, value):
    buffer[AT : AT + size] = value.to_bytes(size, "little")


def look(buffer, size):
    return int.from_bytes(buffer[AT : AT + size], "little")


def only_the_word_changed(buffer, size):
    return set(buffer[:AT]) | set(buffer[AT + size :]) == {FILL}


@EVERY_SIZE
def test_a_wait_compares_the_whole_word_and_nothing_beside_it(manager, place, size):
    buffer, mem = place
    value = largest(size) - 1
    put(buffer, size, value)
    waiter = Waiter()
    assert manager.wait_prepare(waiter, mem, AT, value, size=size) is None
    assert waiter.cancel()
    for bit in range(8 * size):
        assert manager.wait_prepare(waiter, mem, AT, value ^ 1 << bit, size=size) == -errno.EAGAIN
    assert manager.wait(mem, AT, value ^ 1, size=size) is WaitResult.MISMATCH
    assert manager.wait(mem, AT, value, 0, size=size) is WaitResult.TIMEOUT


@EVERY_SIZE
def test_a_word_meets_words_of_its_own_size_alone(manager, place, size):
    buffer, mem = place
    waiter = Waiter()
    assert manager.wait_prepare(waiter, mem, AT, look(buffer, size), size=size) is None
    for other in SIZES:
        if other != size:
            assert manager.wake(mem, AT, ALL, size=other) == 0
            assert manager.waiters(mem, AT, size=other) == []
    assert [info.waiter for info in manager.waiters(mem, AT, size=size)] == [waiter]
    assert waiter.key.size == size
    assert manager.wake(mem, AT, ALL, size=size) == 1
    assert waiter.state is WaiterState.DONE


@EVERY_SIZE
@pytest.mark.parametrize("shared", [True, False])
def test_threads_sleep_on_words_of_any_size(manager, size, shared, spawn, wait_until):
    mem = Memory(bytearray(64), mappable=Mappable() if shared else None)
    sleeper = spawn(manager.wait, mem, 8, 0, size=size)
    wait_until(lambda: len(manager) == 1)
    wait_until(lambda: manager.wake(mem, 8, size=size) == 1)
    assert sleeper.result() is WaitResult.WOKEN


@EVERY_SIZE
def test_values_that_do_not_fit_the_word_are_refused(manager, place, size):
    _, mem = place
    for value in (256**size, -1):
        with pytest.raises(OverflowError):
            manager.wait(mem, AT, value, 0, size=size)
        with pytest.raises(OverflowError):
            manager.wait_prepare(Waiter(), mem, AT, value, size=size)
        with pytest.raises(OverflowError):
            manager.cmp_requeue(mem, AT, 0, value, size=size)
    assert len(manager) == 0


@EVERY_SIZE
def test_a_word_lies_at_a_multiple_of_its_size(manager, place, size):
    _, mem = place
    for step in range(1, size):
        with oserror(errno.EINVAL, InvalidArgument):
            manager.wake(mem, AT + step, size=size)
        assert manager.wait_prepare(Waiter(), mem, AT + step, 0, size=size) == -errno.EINVAL
        with oserror(errno.EINVAL, InvalidArgument):
            manager.requeue(mem, AT, AT + step, size=size)
        with oserror(errno.EINVAL, InvalidArgument):
            manager.wake_op(mem, AT, AT + step, 0, size=size)


@pytest.mark.parametrize("size", [0, 3, 5, 16, -4, 2**70])
def test_there_are_no_other_sizes(manager, memory, size):
    calls = (
        lambda: manager.wait(memory, 0, 0, 0, size=size),
        lambda: manager.wake(memory, 0, size=size),
        lambda: manager.requeue(memory, 0, 8, size=size),
        lambda: manager.cmp_requeue(memory, 0, 8, 0, size=size),
        lambda: manager.wake_op(memory, 0, 8, 0, size=size),
        lambda: manager.wake_wait(memory, 0, 8, 0, 0, size=size),
        lambda: manager.wait_prepare(Waiter(), memory, 0, 0, size=size),
        lambda: manager.futex(memory, 0, size),
        lambda: memory.load(0, size),
        lambda: Key(KeyKind.PRIVATE, 0, size=size),
    )
    for call in calls:
        with oserror(errno.EINVAL, InvalidArgument):
            call()


@EVERY_SIZE
def test_the_last_word_of_a_memory(manager, size):
    mem = Memory(bytearray(64), 0)
    assert manager.wake(mem, 64 - size, size=size) == 0
    with oserror(errno.EFAULT):
        manager.wake(mem, 64, size=size)


@EVERY_SIZE
def test_requeue_keeps_to_the_size(manager, place, size):
    buffer, mem = place
    waiters = [Waiter() for _ in range(3)]
    for waiter in waiters:
        assert manager.wait_prepare(waiter, mem, AT, look(buffer, size), size=size) is None
    assert manager.cmp_requeue(mem, AT, 0, look(buffer, size) ^ 1, size=size) is None
    assert manager.cmp_requeue(mem, AT, 0, look(buffer, size), 1, 1, size=size) == (1, 1)
    assert manager.requeue(mem, AT, 0, 0, size=size) == (0, 1)
    assert {waiter.key.size for waiter in waiters} == {size}
    assert manager.wake(mem, 0, ALL, size=size) == 2


@EVERY_SIZE
def test_wake_wait_on_words_of_a_size(manager, place, size):
    buffer, mem = place
    waiter = Waiter()
    assert manager.wait_prepare(waiter, mem, AT, look(buffer, size), size=size) is None
    assert manager.wake_wait(mem, AT, 0, look(buffer, size) ^ 1, size=size) == (1, WaitResult.MISMATCH)
    assert manager.wake_wait(mem, AT, 0, look(buffer, size), 0, size=size) == (0, WaitResult.TIMEOUT)


def modelled(op, size, old):
    """What wake_op leaves in a word, and whether its comparison holds; None: no such comparison. In plain Python."""

    def signed(value, bits):
        value &= (1 << bits) - 1
        return value - (1 << bits) if value >> bits - 1 else value

    bits = 8 * size
    operation, comparison = op >> 28 & 7, op >> 24 & 15
    operand = signed(op >> 12, 12)
    if op >> 31:
        operand = 1 << operand % bits
    argument = signed(signed(op, 12), bits)
    new = (operand, old + operand, old | operand, old & ~operand, old ^ operand)[operation] & largest(size)
    was = signed(old, bits)
    tests = (
        was == argument,
        was != argument,
        was < argument,
        was <= argument,
        was > argument,
        was >= argument,
    )
    return new, tests[comparison] if comparison < len(tests) else None


@given(
    size=st.sampled_from(SIZES),
    operation=st.integers(0, 4) | st.integers(8, 12),
    comparison=st.integers(0, 6),
    operand=st.integers(0, 0xFFF),
    argument=st.integers(0, 0xFFF),
    old=st.integers(0, 2**64 - 1) | st.integers(0, 300),
    kind=st.sampled_from([flat, mapped, Cells]),
)
def test_wake_op_is_as_wide_as_the_word(size, operation, comparison, operand, argument, old, kind):
    old &= largest(size)
    op = operation << 28 | comparison << 24 | operand << 12 | argument
    buffer = bytearray([FILL]) * 256
    put(buffer, size, old)
    mem, manager, waiter = kind(buffer), Manager(), Waiter()
    assert manager.wait_prepare(waiter, mem, AT, old, size=size) is None
    new, holds = modelled(op, size, old)
    if holds is None:
        with oserror(errno.ENOSYS):
            manager.wake_op(mem, 0, AT, op, size=size)
    else:
        assert manager.wake_op(mem, 0, AT, op, size=size) == holds
    assert look(buffer, size) == new
    assert only_the_word_changed(buffer, size)
    waiter.cancel()


@pytest.mark.parametrize("size", SIZES)
def test_wake_op_hands_a_python_target_no_more_than_the_word_holds(size):
    buffer = bytearray([FILL]) * 256
    put(buffer, size, largest(size))
    mem, manager = Cells(buffer), Manager()
    add_one, set_minus_one = 1 << 28 | 1 << 12, 0xFFF << 12
    assert manager.wake_op(mem, 0, AT, add_one, size=size) == 0
    assert look(buffer, size) == 0
    assert manager.wake_op(mem, 0, AT, set_minus_one, size=size) == 0
    assert look(buffer, size) == largest(size)
    assert only_the_word_changed(buffer, size)


def test_a_vector_of_all_sizes(manager, place):
    buffer, mem = place
    items = [
        WaitItem(mem, 8 * i, int.from_bytes(buffer[:size], "little"), size=size)
        for i, size in enumerate(SIZES)
    ]
    waiter = Waiter()
    for index, item in enumerate(items):
        assert manager.waitv_prepare(waiter, items) is None
        assert sum(manager.wake(mem, item.addr, size=size) for size in SIZES if size != item.size) == 0
        assert manager.wake(mem, item.addr, size=item.size) == 1
        assert (waiter.result, waiter.key.size) == (index, item.size)
    for index, item in enumerate(items):
        others = [*items[:index], item._replace(val=item.val ^ 1 << (8 * item.size - 1)), *items[index + 1 :]]
        assert manager.waitv_prepare(waiter, others) == -errno.EAGAIN
    with pytest.raises(OverflowError):
        manager.waitv([WaitItem(mem, 0, 256, size=1)])


@EVERY_SIZE
def test_a_futex_of_a_size(manager, size):
    buffer = bytearray([FILL]) * 128
    mem = Memory(buffer)
    word = manager.futex(mem, AT, size)
    assert word.size == size
    word.store(largest(size))
    assert word.fetch_add(3) == largest(size)
    assert word.load() == 2
    assert not word.compare_exchange(1, 5)
    assert word.compare_exchange(2, 5)
    assert word.exchange(7) == 5
    assert word.wait(6) is WaitResult.MISMATCH
    assert word.wait(7, 0) is WaitResult.TIMEOUT
    assert word.wake() == 0
    with pytest.raises(OverflowError):
        word.store(256**size)
    assert look(buffer, size) == 7
    assert only_the_word_changed(buffer, size)


def test_two_futexes_of_different_sizes_are_not_handed_over_between(manager, memory):
    with pytest.raises(ValueError, match="size"):
        manager.futex(memory, 0, 8).wake_wait(manager.futex(memory, 8, 4), 0)


@EVERY_SIZE
def test_targets_load_swap_and_compare_and_swap_a_size(place, size):
    buffer, mem = place
    put(buffer, size, 1)
    assert mem.load(AT, size) == 1
    assert mem.swap(AT, largest(size), size) == 1
    assert mem.compare_and_swap(AT, 1, 2, size) == largest(size)
    assert mem.compare_and_swap(AT, largest(size), 2, size) == largest(size)
    assert mem.load(AT, size) == 2
    assert only_the_word_changed(buffer, size)


def test_a_python_target_that_answers_with_too_much(manager):
    class Liar(Cells):
        def load(self, addr, size=4, /):
            return 256**size

    mem = Liar(bytearray(64))
    for size in SIZES:
        with pytest.raises(OverflowError):
            manager.wait(mem, 0, 0, 0, size=size)
    assert len(manager) == 0


def test_keys_of_different_sizes_differ():
    keys = [Key(KeyKind.PRIVATE, 64, size=size) for size in SIZES]
    assert len(set(keys)) == len(SIZES)
    assert keys[2] == Key(KeyKind.PRIVATE, 64)
    assert repr(keys[0]) == "Key(PRIVATE, 0x40, size=1)"


def test_the_kernel_has_words_of_four_bytes_alone(memory):
    kernel = Kernel()
    for size in (1, 2, 8):
        for call in (
            lambda: kernel.wake(memory, 0, size=size),
            lambda: kernel.wait(memory, 0, 0, 0, size=size),
            lambda: kernel.requeue(memory, 0, 8, size=size),
            lambda: kernel.cmp_requeue(memory, 0, 8, 0, size=size),
            lambda: kernel.wake_op(memory, 0, 8, 0, size=size),
            lambda: kernel.wake_wait(memory, 0, 8, 0, 0, size=size),
        ):
            with oserror(errno.EINVAL, InvalidArgument):
                call()
    assert kernel.wake(memory, 0, size=4) == 0
