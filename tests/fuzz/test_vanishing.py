"""Memory that is taken away: whoever exports it refuses; what goes behind its back is an error of the kernel's calls."""

import array
import ctypes
import gc
import mmap
import os
from errno import EFAULT

import pytest
from fuzz.hostility import PAGE, vanish
from sync.programs import ended, forked

from pyfutex import AddressSpace, Kernel, Manager, Memory, Waiter
from pyfutex.sync import Barrier, Condition, Event, Latch, Lock, Once, RLock, RWLock, Semaphore

BUFFERS = {
    "bytearray": lambda: bytearray(8192),
    "array": lambda: array.array("I", bytes(8192)),
    "map": lambda: mmap.mmap(-1, 8192),
    "view": lambda: memoryview(bytearray(8192)),
}


def mapped(buffer):
    space = AddressSpace()
    space.map(0, buffer)
    return space


def queued(buffer):
    """A waiter whose manager and memory nobody else has."""
    w = Waiter()
    assert Manager().wait_prepare(w, Memory(buffer), 0, 0) is None
    return w


HOLDERS = {
    "Memory": Memory,
    "AddressSpace": mapped,
    "Futex": lambda buffer: Manager().futex(Memory(buffer), 0),
    "KernelFutex": lambda buffer: Kernel().futex(Memory(buffer), 0),
    "Waiter": queued,
    "Barrier": lambda buffer: Barrier.create(buffer, parties=2),
    "RWLock side": lambda buffer: RWLock.create(buffer).read(),
    "Latch": lambda buffer: Latch.create(buffer, count=1),
    **{kind.__name__: kind.create for kind in (Condition, Event, Lock, Once, RLock, RWLock, Semaphore)},
}


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("name", BUFFERS)
def test_memory_that_is_used_cannot_be_taken_away(name, holder):
    buffer = BUFFERS[name]()
    held = HOLDERS[holder](buffer)
    with pytest.raises(BufferError):
        vanish(buffer)
    if isinstance(held, Waiter):
        held.cancel()
    del held
    gc.collect()
    vanish(buffer)


def unmapped():
    """A Memory over a page that somebody unmapped behind everybody's back."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    page = libc.mmap(None, PAGE, 3, 0x22, -1, 0)
    memory = Memory((ctypes.c_char * PAGE).from_address(page))
    assert libc.munmap(page, PAGE) == 0
    return memory


# All but waits, which look at the word themselves before they ask the kernel.
OF_THE_KERNEL = {
    "wake": lambda kernel, memory: kernel.wake(memory, 0, private=False),
    "requeue": lambda kernel, memory: kernel.requeue(memory, 0, 4, private=False),
    "cmp_requeue": lambda kernel, memory: kernel.cmp_requeue(memory, 0, 4, 0),
    "wake_op": lambda kernel, memory: kernel.wake_op(memory, 0, 4, 0),
    "trylock_pi": lambda kernel, memory: kernel.trylock_pi(memory, 0),
}


@pytest.mark.parametrize("name", OF_THE_KERNEL)
def test_memory_that_was_unmapped_is_the_kernels_fault(name):
    def child():
        with pytest.raises(OSError) as caught:
            OF_THE_KERNEL[name](Kernel(), unmapped())
        assert caught.value.errno == EFAULT

    with forked(child) as pid:
        assert ended(pid) == 0


def test_calls_that_do_not_look_at_a_word_do_not_touch_what_was_unmapped():
    def child():
        manager, memory = Manager(), unmapped()
        assert manager.wake(memory, 0) == 0
        assert manager.requeue(memory, 0, 4) == (0, 0)
        assert manager.waiters(memory, 0) == []
        assert manager.futex(memory, 0).wake() == 0

    with forked(child) as pid:
        assert ended(pid) == 0


def test_a_part_of_a_file_that_was_cut_off_is_not_touched_by_a_wake(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(2 * PAGE))
    with path.open("r+b") as file:
        memory = Memory(mmap.mmap(file.fileno(), 2 * PAGE))
        os.truncate(path, PAGE)

    def child():
        assert Manager().wake(memory, PAGE) == 0
        with pytest.raises(OSError) as caught:
            Kernel().cmp_requeue(memory, PAGE, PAGE + 4, 0)
        assert caught.value.errno == EFAULT
        memory.store(0, 1)

    with forked(child) as pid:
        assert ended(pid) == 0
