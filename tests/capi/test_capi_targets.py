"""Memory behind an embedder's functions, from C and, as a NativeTarget, from Python and for guests.

The functions are Python here: they run on the thread that calls, under its bucket lock, with nobody else about.
"""

import ctypes
import errno

import pytest
from capi.capi import (
    ANY,
    PRIVATE,
    QUEUED,
    CompareAndSwap,
    Load,
    Place,
    SharedKey,
    Swap,
    TargetFunctions,
    soon,
)
from hypothesis import given
from hypothesis import strategies as st

from pyfutex import Manager, Mappable, Memory, NativeTarget, Waiter, WaitResult, linux

BASE, BYTES = 0x5000, 256
EVERY_SIZE = pytest.mark.parametrize("size", [1, 2, 4, 8])


class MMU:
    """Bytes at BASE, reached through functions that count their calls."""

    def __init__(self, mappable=0):
        self.bytes = bytearray(BYTES)
        self.calls = []
        self.interfere = lambda: None
        self.mappable = mappable
        self.functions = TargetFunctions(
            Load(self.load),
            Swap(self.swap),
            CompareAndSwap(self.compare_and_swap),
            SharedKey(self.shared_key),
        )

    def at(self, addr, size):
        offset = addr - BASE
        return slice(offset, offset + size) if 0 <= offset <= BYTES - size else None

    def load(self, _context, addr, size, value):
        self.calls.append(("load", addr, size))
        if (where := self.at(addr, size)) is None:
            return errno.EFAULT
        value[0] = int.from_bytes(self.bytes[where], "little")
        return 0

    def swap(self, context, addr, size, desired, previous):
        if error := self.load(context, addr, size, previous):
            return error
        self.bytes[self.at(addr, size)] = desired.to_bytes(size, "little")
        return 0

    def compare_and_swap(self, context, addr, size, expected, desired, previous):
        self.interfere()
        if error := self.load(context, addr, size, previous):
            return error
        if previous[0] == expected:
            self.bytes[self.at(addr, size)] = desired.to_bytes(size, "little")
        return 0

    def shared_key(self, _context, addr, mappable, offset):
        if self.at(addr, 1) is None:
            return errno.EFAULT
        mappable[0], offset[0] = self.mappable, addr - BASE
        return 0

    def word(self, addr, size=4):
        return int.from_bytes(self.bytes[self.at(addr, size)], "little")

    def capsule(self, name=b"pyfutex.target_functions"):
        new = ctypes.pythonapi.PyCapsule_New
        new.restype, new.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
        self.name = name  # the capsule keeps a pointer to it
        return new(ctypes.addressof(self.functions), name, None)


@pytest.fixture
def mmu():
    return MMU()


@pytest.fixture
def target(api, mmu):
    made = api.target_new(mmu.functions, None)
    yield made
    api.target_free(made)


def test_functions_are_needed(api, mmu):
    for name in ("load", "swap", "compare_and_swap"):
        functions = TargetFunctions(*(getattr(mmu.functions, field) for field, _ in TargetFunctions._fields_))
        setattr(functions, name, dict(TargetFunctions._fields_)[name]())
        assert api.target_new(functions, None) is None
    assert api.target_new(None, None) is None


@EVERY_SIZE
def test_waiting_and_waking_from_c(api, m, mmu, target, polled, size):
    word, waiter = Place(target, BASE + 16, size, 0), polled()[0]
    assert api.wait_prepare(m, waiter, word, 1, ANY, 0) == -errno.EAGAIN
    assert api.wait_prepare(m, waiter, word, 0, ANY, 0) == QUEUED
    assert mmu.calls[-1] == ("load", BASE + 16, size)
    assert api.wake(m, word, 1, ANY) == 1
    assert api.wait(m, word, 0, ANY, soon(api)) == -errno.ETIMEDOUT


def test_what_is_not_mapped_is_a_fault_at_the_access(api, m, target, polled):
    nowhere = Place(target, 0x100, 4, PRIVATE)
    assert api.wait_prepare(m, polled()[0], nowhere, 0, ANY, 0) == -errno.EFAULT
    assert api.wake_op(m, nowhere, nowhere, 0, 1, 1) == -errno.EFAULT
    assert api.wake_op(m, nowhere, nowhere, 1 << 28, 1, 1) == -errno.EFAULT
    assert api.lock_pi(m, nowhere, 7, None) == -errno.EFAULT
    assert api.unlock_pi(m, nowhere, 7) == -errno.EFAULT
    assert api.cmp_requeue(m, nowhere, nowhere, 0, 1, 1, None) == -errno.EFAULT
    shared = Place(target, 0x100, 4, 2)
    assert api.wake(m, shared, 1, ANY) == -errno.EFAULT
    assert api.manager_waiters(m) == 0


def test_pi_words(api, m, mmu, target):
    word = Place(target, BASE, 4, 0)
    assert api.lock_pi(m, word, 7, None) == 0
    assert mmu.word(BASE) == 7
    assert api.trylock_pi(m, word, 8) == -errno.EBUSY
    assert api.unlock_pi(m, word, 7) == 0
    assert mmu.word(BASE) == 0


def test_wake_op_gives_way_to_who_keeps_changing_the_word(api, m, mmu, target):
    """The compare-and-swap fails for longer than one turn under the lock has patience for."""
    turns = iter(range(200))
    word = Place(target, BASE, 4, 0)

    def interfere():
        if next(turns, None) is not None:
            mmu.bytes[0] ^= 1

    mmu.interfere = interfere
    add_2 = 1 << 28 | 2 << 12
    assert api.wake_op(m, word, word, add_2, 1, 1) == 0
    assert next(turns, None) is None
    assert mmu.word(BASE) in (2, 3)


def test_two_targets_meet_in_a_mappable(api, m, polled):
    number = api.mappable_new()
    one, two = MMU(number), MMU(number)
    targets = [api.target_new(mmu.functions, None) for mmu in (one, two)]
    waiter = polled()[0]
    assert api.wait_prepare(m, waiter, Place(targets[0], BASE + 8, 4, 0), 0, ANY, 0) == QUEUED
    assert api.wake(m, Place(targets[1], BASE + 8, 4, PRIVATE), 1, ANY) == 0
    assert api.wake(m, Place(targets[1], BASE + 8, 4, 0), 1, ANY) == 1
    for target in targets:
        api.target_free(target)


# --- from Python ---


def test_a_capsule_is_needed(mmu):
    for capsule in (None, object(), mmu.capsule(b"something else")):
        with pytest.raises(TypeError):
            NativeTarget(capsule)
    mmu.functions.load = Load()
    with pytest.raises(ValueError, match="load"):
        NativeTarget(mmu.capsule())


@EVERY_SIZE
def test_the_manager_works_on_it(mmu, size):
    mem, manager, waiter = NativeTarget(mmu.capsule()), Manager(), Waiter()
    assert mem.load(BASE, size) == 0
    assert mem.swap(BASE, 5, size) == 0
    assert mem.compare_and_swap(BASE, 4, 6, size) == 5
    assert mem.compare_and_swap(BASE, 5, 6, size) == 5
    assert mem.load(BASE, size) == 6
    assert manager.wait_prepare(waiter, mem, BASE, 5, size=size) == -errno.EAGAIN
    assert manager.wait_prepare(waiter, mem, BASE, 6, size=size) is None
    assert manager.wait(mem, BASE, 6, 0, size=size) is WaitResult.TIMEOUT
    assert manager.cmp_requeue(mem, BASE, BASE + 8, 6, 0, size=size) == (0, 1)
    assert manager.wake_op(mem, BASE, BASE + 8, 1 << 28 | 3 << 12, size=size) == 1
    assert mem.load(BASE + 8, size) == 3
    assert waiter.woken
    with pytest.raises(OSError, match="outside"):
        mem.load(0x100, size)
    with pytest.raises(OSError, match="outside"):
        manager.wait(mem, 0x100, 0, size=size)


@given(
    operation=st.integers(0, 4),
    operand=st.integers(0, 0xFFF),
    old=st.integers(0, 2**64 - 1),
    log2=st.integers(0, 3),
)
def test_wake_op_changes_it_as_it_does_a_memory(operation, operand, old, log2):
    size, op = 1 << log2, operation << 28 | operand << 12
    mmu, buffer, manager = MMU(), bytearray(8), Manager()
    mmu.bytes[:8] = buffer[:] = old.to_bytes(8, "little")
    mem, memory = NativeTarget(mmu.capsule()), Memory(buffer)
    manager.wake_op(mem, BASE, BASE, op, size=size)
    manager.wake_op(memory, 0, 0, op, size=size)
    assert mmu.bytes[:8] == buffer


def test_it_meets_a_memory_of_the_same_mappable(api):
    mappable = Mappable()
    mmu = MMU(api.mappable_of(mappable))
    mem, memory = NativeTarget(mmu.capsule()), Memory(bytearray(BYTES), mappable=mappable)
    assert mem.shared_key(BASE + 4) == memory.shared_key(4)
    manager, waiter = Manager(), Waiter()
    assert manager.wait_prepare(waiter, mem, BASE + 4, 0) is None
    assert manager.wake(memory, 4) == 1


def test_a_guest_lives_in_it(mmu):
    """Timespecs, robust lists and words of a guest are read and written through the functions."""
    mem, manager = NativeTarget(mmu.capsule()), Manager()
    task, other = linux.Task(7, mem, manager), linux.Task(8, mem, manager)
    word, timespec, head = BASE, BASE + 16, BASE + 32
    mmu.bytes[16:32] = (0).to_bytes(8, "little") + (10**9).to_bytes(8, "little")
    assert linux.futex(task, word, linux.FUTEX_WAIT, 0, timespec) == -errno.EINVAL
    assert linux.futex(task, word, linux.FUTEX_WAIT, 1) == -errno.EAGAIN
    assert linux.futex(task, word, linux.FUTEX_WAIT, 0) is None
    assert linux.futex(other, word, linux.FUTEX_WAKE, 1) == 1
    assert task.result() == 0
    assert linux.futex(task, 0x100, linux.FUTEX_WAIT, 0) == -errno.EFAULT
    # A robust list of one entry, whose word lies 8 bytes behind it.
    mmu.bytes[32:56] = b"".join(n.to_bytes(8, "little") for n in (head + 32, 8, 0))
    mmu.bytes[64:76] = head.to_bytes(8, "little") + (7).to_bytes(4, "little")
    assert linux.set_robust_list(task, head, 24) == 0
    task.exit()
    assert mmu.word(head + 40) == linux.FUTEX_OWNER_DIED
    unaligned = BASE + 101
    assert linux.get_robust_list(other, 0, unaligned, unaligned + 16) == 0
    assert mmu.word(unaligned + 16, 8) == 24
