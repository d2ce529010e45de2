"""Guest processes for tests that are read beside a table: words with names, threads by number, time that the test owns."""

from __future__ import annotations

import itertools
import mmap
import os
import struct
from errno import ETIMEDOUT

from guests import BASE, PAGE, Guest, pages

import pyfutex
from pyfutex import CLOCK_MONOTONIC, CLOCK_REALTIME, linux
from pyfutex.linux import (
    FUTEX_CMP_REQUEUE,
    FUTEX_PRIVATE_FLAG,
    FUTEX_REQUEUE,
    FUTEX_WAIT,
    FUTEX_WAIT_BITSET,
    FUTEX_WAKE,
    FUTEX_WAKE_BITSET,
    FUTEX_WAKE_OP,
    futex,
)

A, B, C, D = (BASE + 64 * i for i in range(1, 5))
TIME = BASE + 1024
VECTOR = BASE + 2048
UNMAPPED = BASE + 64 * PAGE
KERNEL_HALF = 1 << 63
ANY = 0xFFFF_FFFF
INT_MAX = 0x7FFF_FFFF
INT_MIN = -0x8000_0000
SECOND = 10**9
LAYOUTS = {"private": FUTEX_PRIVATE_FLAG, "shared": 0, "file": 0}

thread_ids = itertools.count(1000)


class Clock:
    """Both clocks of a guest: they stand until the test moves them.

    Attributes
    ----------
    monotonic, realtime : int, nanoseconds
    """

    def __init__(self):
        self.monotonic = 100 * SECOND
        self.realtime = 1_700_000_000 * SECOND

    def __call__(self, clock):
        return {CLOCK_MONOTONIC: self.monotonic, CLOCK_REALTIME: self.realtime}[clock]

    def advance(self, ns):
        """Let time pass on both clocks."""
        self.monotonic += ns
        self.realtime += ns


def file_page(file, base=BASE, *, space=None, offset=0, writable=True, n=2):
    """An address space in which `n` pages of a memory file lie at `base`, as MAP_SHARED has them."""
    space = pyfutex.AddressSpace() if space is None else space
    buffer = mmap.mmap(file, n * PAGE, offset=offset)
    mappable = pyfutex.Mappable.of(file)
    space.map(base, buffer, mappable=mappable, mappable_offset=offset, writable=writable)
    return space


def memory_file(n=2):
    """A descriptor of `n` pages of memory that processes can share; the caller closes it."""
    file = os.memfd_create("guest")
    os.ftruncate(file, n * PAGE)
    return file


def memory_of(layout):
    """Two pages at BASE."""
    if layout != "file":
        return pyfutex.Memory(pages(2), BASE)
    file = memory_file()
    try:
        return file_page(file)
    finally:
        os.close(file)


class Process(Guest):
    """A guest process, all of whose calls are private, or all shared.

    Parameters
    ----------
    layout : {"private", "shared", "file"}
        FUTEX_PRIVATE_FLAG, or none of it on anonymous memory or on a file that is mapped.
    """

    def __init__(self, layout="private", mem=None, manager=None, **options):
        self.clock = options.get("now") or Clock()
        super().__init__(
            memory_of(layout) if mem is None else mem, manager, **({"now": self.clock} | options)
        )
        self.layout = layout
        self.flag = LAYOUTS[layout]
        self.main = self.thread()

    def thread(self, **options):
        """A new task with a thread id that no process of any test has."""
        return self.task(next(thread_ids), **options)

    def threads(self, n, **options):
        return [self.thread(**options) for _ in range(n)]

    def clone_process(self, copy):
        """The process after a guest's fork: `copy` says what becomes of its private memory."""
        return Process(self.layout, self.mem.fork(copy), self.manager.fork())

    def load(self, addr):
        return int.from_bytes(self.read(addr, 4), "little")

    def read(self, addr, n):
        """`n` bytes, a multiple of 4 at a multiple of 4."""
        return b"".join(self.mem.load(addr + i).to_bytes(4, "little") for i in range(0, n, 4))

    def call(self, task, op, addr, val=0, timeout=0, addr2=0, val3=0):
        """futex(2) as `task`, the private flag added as this process has it."""
        return futex(task, addr, op | self.flag, val, timeout, addr2, val3)

    def wait(self, task, addr=A, val=0, timeout=0):
        return self.call(task, FUTEX_WAIT, addr, val, timeout)

    def wait_bitset(self, task, addr=A, val=0, bitset=ANY, deadline=0, clock=0):
        return self.call(task, FUTEX_WAIT_BITSET | clock, addr, val, deadline, 0, bitset)

    def sleepers(self, n, addr=A, **options):
        """New threads that wait on a word, in the order in which they came."""
        tasks = self.threads(n, **options)
        for task in tasks:
            assert self.wait(task, addr, self.load(addr)) is None
        return tasks

    def wake(self, n=1, addr=A, by=None):
        return self.call(by or self.main, FUTEX_WAKE, addr, n)

    def wake_bitset(self, n, bitset, addr=A):
        return self.call(self.main, FUTEX_WAKE_BITSET, addr, n, 0, 0, bitset)

    def requeue(self, n_wake, n_requeue, addr=A, addr2=B):
        return self.call(self.main, FUTEX_REQUEUE, addr, n_wake, n_requeue, addr2)

    def cmp_requeue(self, n_wake, n_requeue, val, addr=A, addr2=B):
        return self.call(self.main, FUTEX_CMP_REQUEUE, addr, n_wake, n_requeue, addr2, val)

    def wake_op(self, n, n2, op, addr=A, addr2=B):
        return self.call(self.main, FUTEX_WAKE_OP, addr, n, n2, addr2, op)

    def lock(self, task, addr=A, deadline=0):
        return self.call(task, linux.FUTEX_LOCK_PI, addr, 0, deadline)

    def lock2(self, task, addr=A, deadline=0, clock=0):
        return self.call(task, linux.FUTEX_LOCK_PI2 | clock, addr, 0, deadline)

    def trylock(self, task, addr=A):
        return self.call(task, linux.FUTEX_TRYLOCK_PI, addr)

    def unlock(self, task, addr=A):
        return self.call(task, linux.FUTEX_UNLOCK_PI, addr)

    def wait_requeue_pi(self, task, addr=A, addr2=B, val=0, deadline=0, clock=0):
        return self.call(task, linux.FUTEX_WAIT_REQUEUE_PI | clock, addr, val, deadline, addr2)

    def cmp_requeue_pi(self, n_requeue, val=0, addr=A, addr2=B, n_wake=1):
        return self.call(self.main, linux.FUTEX_CMP_REQUEUE_PI, addr, n_wake, n_requeue, addr2, val)

    def until(self, seconds, ns=0, clock=CLOCK_MONOTONIC):
        """Put an absolute timespec, so far from now on the guest's clock, into memory, and return its address."""
        return self.timespec(*divmod(self.clock(clock) + seconds * SECOND + ns, SECOND), TIME)

    def after(self, seconds, ns=0):
        """Put a relative timespec into memory and return its address."""
        return self.timespec(seconds, ns, TIME)

    def vector(self, *entries, addr=VECTOR):
        """Put an array of struct futex_waitv into memory: (val, uaddr, flags[, reserved]) each."""
        for i, (val, uaddr, flags, *reserved) in enumerate(entries):
            self.store_bytes(addr + 24 * i, struct.pack("<QQII", val, uaddr, flags, *(reserved or [0])))
        return addr

    def store_bytes(self, addr, data):
        self.store(addr, *struct.unpack(f"<{len(data) // 4}I", data))

    def store64(self, addr, *values):
        self.store_bytes(addr, struct.pack(f"<{len(values)}Q", *values))

    def drain(self, addr=A):
        """Wake one at a time until nobody is left; the threads that must be there are told by `results`."""
        count = 0
        while self.wake(1, addr):
            count += 1
        return count


def results(tasks):
    """What each task's register got; None: blocked."""
    return [None if task.blocked else task.result(0) for task in tasks]


def woken(tasks):
    """Which of them are not blocked, by position."""
    return [position for position, task in enumerate(tasks) if not task.blocked]


def order(process, tasks, addr=A):
    """In which order single wakes end the calls of `tasks`, by position; drains the queue."""
    seen = []
    while process.wake(1, addr):
        seen += [position for position in woken(tasks) if position not in seen]
    return seen


def expire(task):
    """Let the task's deadline pass, as the owner of the guest's clock does, and return what its register gets."""
    assert task.deadline is not None
    return task.interrupt(ETIMEDOUT)
