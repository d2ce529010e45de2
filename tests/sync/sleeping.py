"""How a test sees that a thread, of whatever process, sleeps on a word: nothing here goes through pyfutex."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

from differential.kernel import PRIVATE, SYS_FUTEX

SYS_FUTEX_WAITV = 449
LOCK_PI, LOCK_PI2 = 6, 13  # operations, below the bits that say how
OPERATION = 0x7F


def inside(primitive):
    """The addresses of an object, where a primitive lies that is not in shared memory."""
    return range(id(primitive), id(primitive) + sys.getsizeof(primitive))


def within(buffer):
    """The addresses of a buffer."""
    start = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
    return range(start, start + len(memoryview(buffer).cast("B")))


def sleeps_on(tid, *areas):
    """Whether a thread of this process sleeps in a futex call on a word in one of these areas."""
    return _sleeps("self", tid, lambda address, operation: any(address in area for area in areas))


def sleeps_on_shared(pid):
    """Whether the main thread of another process sleeps in a futex call on shared memory, or on several words."""
    return _sleeps(pid, pid, lambda address, operation: not operation & PRIVATE, among_several=True)


def sleeps(pid, tid):
    """Whether a thread sleeps in a futex call, on whatever words."""
    return _sleeps(pid, tid, lambda address, operation: True, among_several=True)


def sleeps_for_pi(tid):
    """Whether a thread of this process sleeps for a lock of priority inheritance, not for a thread that it starts, say."""
    return _sleeps("self", tid, lambda address, operation: operation & OPERATION in (LOCK_PI, LOCK_PI2))


def slept_on(tid):
    """The address that a thread of this process sleeps on in a futex call."""
    return int(_read(f"/proc/self/task/{tid}/syscall").split()[1], 16)


def system_call(pid, tid):
    """The system call that a thread is in, as the kernel tells: its number and arguments; empty: nothing is told."""
    return _read(f"/proc/{pid}/task/{tid}/syscall").split()


def state(pid, tid):
    """The letter that the kernel gives a thread: S, sleeping; T, stopped."""
    return _read(f"/proc/{pid}/task/{tid}/stat").rpartition(")")[2].strip()[:1]


def _sleeps(pid, tid, is_wanted, *, among_several=False):
    def is_inside():
        fields = system_call(pid, tid)
        if among_several and fields[:1] == [str(SYS_FUTEX_WAITV)]:
            return True
        return (
            len(fields) > 2
            and fields[0] == str(SYS_FUTEX)
            and is_wanted(int(fields[1], 16), int(fields[2], 16))
        )

    # It may sleep for something else before it is queued: see differential.kernel.asleep.
    return is_inside() and state(pid, tid) == "S" and is_inside()


def _read(path):
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
