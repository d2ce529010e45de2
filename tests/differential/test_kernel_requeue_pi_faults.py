"""FUTEX_WAIT_REQUEUE_PI and FUTEX_CMP_REQUEUE_PI on words that are not there or not to be written: which error, and when.

One thread, one memory and one address for the kernel and for a `pyfutex.linux.Task`. Linux takes the key of a private word
from its address alone, so that a thread may wait for a lock in a page that does not exist yet.
"""

from __future__ import annotations

import ctypes
import itertools
import mmap
import threading
from errno import EAGAIN, EFAULT, EINVAL, ETIMEDOUT

import pytest
from differential import kernel
from guests import Words

from pyfutex import AddressSpace, Manager, linux

PAGE = mmap.PAGESIZE
PRIVATE = linux.FUTEX_PRIVATE_FLAG
WAIT, REQUEUE = linux.FUTEX_WAIT_REQUEUE_PI, linux.FUTEX_CMP_REQUEUE_PI
SAME = "the same as the kernel"

_libc = ctypes.CDLL(None)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_long,
]
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]

PLACES = ("word", "lock", "read-only", "nowhere", "kernel")

pytestmark = pytest.mark.skipif(not kernel.usable(), reason="no futex(2) that can be watched on this machine")


def anonymous(prot):
    """The address of a page of its own, which is never given back."""
    return _libc.mmap(None, PAGE, prot, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)


def buffer(addr):
    return (ctypes.c_char * PAGE).from_address(addr)


class Places:
    """Words by name, as the kernel has them, and as a task has them in the same places."""

    def __init__(self, kind):
        page, read_only = anonymous(mmap.PROT_READ | mmap.PROT_WRITE), anonymous(mmap.PROT_READ)
        ctypes.string_at(
            read_only, PAGE
        )  # a page never read faults under the kernel's lock, then as one to be written
        self.at = {
            "word": page + 64,
            "lock": page + 128,
            "read-only": read_only + 64,
            "nowhere": anonymous(0) + 64,
        }
        self.at["kernel"] = 1 << 63
        self.past = page + 256
        ctypes.memmove(self.past, bytes(kernel.Timespec(0, 1)), 16)
        if kind == "space":
            self.memory = AddressSpace()
            self.memory.map(page, buffer(page))
            self.memory.map(read_only, buffer(read_only), writable=False)
        else:
            self.memory = Words(page)
            self.memory.words[self.past + 8] = 1
        self.task = linux.Task(threading.get_native_id(), self.memory, Manager())

    def both(self, *registers):
        """What the kernel's register gets, and the task's."""
        return kernel.futex(*registers), linux.futex(self.task, *registers)


@pytest.fixture(params=["space", "target"])
def places(request):
    return Places(request.param)


def pairs(places):
    """Two places each, aligned or not. A Python target of ours has no memory that can only be read."""
    names = [name for name in PLACES if name != "read-only" or isinstance(places.memory, AddressSpace)]
    for name, name2, off, off2 in itertools.product(names, names, (0, 1), (0, 2)):
        yield f"{name}+{off} {name2}+{off2}", places.at[name] + off, places.at[name2] + off2


@pytest.mark.parametrize("val", [0, 1], ids=["equal", "differs"])
def test_wait_requeue_pi_with_its_deadline_in_the_past(places, val):
    """Private alone: a Python target does not say by an error of `shared_key` that nothing is there."""
    for name, addr, addr2 in pairs(places):
        theirs, ours = places.both(addr, WAIT | PRIVATE, val, places.past, addr2)
        assert (name, ours) == (name, theirs), SAME
    expected = -EAGAIN if val else -ETIMEDOUT
    nowhere = places.at["word"], WAIT | PRIVATE, val, places.past, places.at["nowhere"]
    assert linux.futex(places.task, *nowhere) == expected
    assert len(places.task.manager) == 0


@pytest.mark.parametrize("n_requeue", [0, 1])
@pytest.mark.parametrize("val", [0, 1], ids=["equal", "differs"])
def test_cmp_requeue_pi_with_nobody_there(places, val, n_requeue):
    for name, addr, addr2 in pairs(places):
        theirs, ours = places.both(addr, REQUEUE | PRIVATE, 1, n_requeue, addr2, val)
        assert (name, ours) == (name, theirs), SAME


@pytest.mark.parametrize("val", [0, 1], ids=["equal", "differs"])
def test_shared_words_have_to_be_there(val):
    places = Places("space")
    for name, addr, addr2 in pairs(places):
        theirs, ours = places.both(addr, WAIT, val, places.past, addr2)
        assert (name, ours) == (name, theirs), SAME
        theirs, ours = places.both(addr, REQUEUE, 1, 1, addr2, val)
        assert (name, ours) == (name, theirs), SAME


def requeues(call, places, addr2):
    """What requeues answer while somebody waits for a lock at `addr2`: to it, and to another one."""
    word, lock = places.at["word"], places.at["lock"]
    op = REQUEUE | PRIVATE
    to_it = [call(word, op, 1, n, addr2, val) for val, n in ((1, 0), (1, 1), (0, 0), (0, 1))]
    return to_it, [call(word, op, 1, 1, to, 0) for to in (lock, places.at["kernel"])]


@pytest.mark.parametrize("name", ["nowhere", "read-only"])
def test_the_lock_that_a_thread_waits_for_appears_later(spawn, wait_until, name):
    places = Places("space")
    addr2, word = places.at[name], places.at["word"]

    def wait():
        return kernel.futex(word, WAIT | PRIVATE, 0, 0, addr2), kernel.unlock_pi(addr2)

    waiter = spawn(wait)
    wait_until(lambda: kernel.asleep(waiter.tid, word))
    theirs = requeues(kernel.futex, places, addr2)
    assert _libc.mprotect(addr2 & -PAGE, PAGE, mmap.PROT_READ | mmap.PROT_WRITE) == 0
    theirs += (kernel.futex(word, REQUEUE | PRIVATE, 1, 0, addr2, 0), *waiter.result())

    task = linux.Task(1, places.memory, places.task.manager)
    assert linux.futex(task, word, WAIT | PRIVATE, 0, 0, addr2) is None
    ours = requeues(lambda *registers: linux.futex(places.task, *registers), places, addr2)
    assert task.blocked
    places.memory.unmap(addr2 & -PAGE, PAGE)
    places.memory.map(addr2 & -PAGE, buffer(addr2 & -PAGE))
    ours += (linux.futex(places.task, word, REQUEUE | PRIVATE, 1, 0, addr2, 0), task.result(0))
    ours += (linux.futex(task, addr2, linux.FUTEX_UNLOCK_PI | PRIVATE, 0),)

    assert ours == theirs, SAME
    assert ours == ([-EAGAIN, -EAGAIN, -EFAULT, -EFAULT], [-EINVAL, -EFAULT], 1, 0, 0)
    assert len(task.manager) == 0


def test_a_lock_to_read_alone_that_its_waiter_owns_already(spawn, wait_until):
    """EDEADLK comes before the fault of writing."""
    places = Places("space")
    addr2, word = places.at["read-only"], places.at["word"]
    cell = ctypes.c_uint32.from_address(addr2)

    def protect(prot):
        assert _libc.mprotect(addr2 & -PAGE, PAGE, prot) == 0

    def own(tid):
        protect(mmap.PROT_READ | mmap.PROT_WRITE)
        cell.value = tid
        protect(mmap.PROT_READ)

    waiter = spawn(kernel.futex, word, WAIT | PRIVATE, 0, 0, addr2)
    wait_until(lambda: kernel.asleep(waiter.tid, word))
    own(waiter.tid)
    theirs = requeues(kernel.futex, places, addr2)
    own(0)
    protect(mmap.PROT_READ | mmap.PROT_WRITE)
    assert kernel.futex(word, REQUEUE | PRIVATE, 1, 0, addr2, 0) == 1
    assert waiter.result() == 0

    task = linux.Task(1, places.memory, places.task.manager)
    own(task.tid)
    assert linux.futex(task, word, WAIT | PRIVATE, 0, 0, addr2) is None
    assert requeues(lambda *registers: linux.futex(places.task, *registers), places, addr2) == theirs, SAME
    task.exit()
