"""futex(2) by raw system calls, and a way to see that a thread sleeps in one.

Nothing here goes through pyfutex: this is the oracle's side. Every call answers as the register would hold
it: a result of 0 or more, or a negative errno.
"""

from __future__ import annotations

import ctypes
import platform
import time
from errno import EINVAL
from pathlib import Path
from typing import Final

SYS_FUTEX: Final = {"x86_64": 202, "aarch64": 98, "riscv64": 98, "ppc64le": 221, "s390x": 238}.get(
    platform.machine()
)

SYS_SET_ROBUST_LIST: Final = {"x86_64": 273, "aarch64": 99, "riscv64": 99, "ppc64le": 300, "s390x": 304}.get(
    platform.machine()
)

# The newer calls have the same number everywhere.
SYS_FUTEX_WAITV: Final = 449
SYS_FUTEX_WAIT: Final = 455

WAIT: Final = 0
WAKE: Final = 1
REQUEUE: Final = 3
CMP_REQUEUE: Final = 4
WAKE_OP: Final = 5
LOCK_PI: Final = 6
UNLOCK_PI: Final = 7
TRYLOCK_PI: Final = 8
WAIT_BITSET: Final = 9
WAKE_BITSET: Final = 10
WAIT_REQUEUE_PI: Final = 11
CMP_REQUEUE_PI: Final = 12
PRIVATE: Final = 128
FUTEX2_SIZE_U32: Final = 2

WAITERS: Final = 0x8000_0000
OWNER_DIED: Final = 0x4000_0000
TID_MASK: Final = 0x3FFF_FFFF

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
_syscall.argtypes = [
    ctypes.c_long,
    ctypes.c_ulong,
    ctypes.c_long,
    ctypes.c_ulong,
    ctypes.c_ulong,
    ctypes.c_ulong,
    ctypes.c_ulong,
]


class Timespec(ctypes.Structure):
    """struct timespec of a 64-bit ABI."""

    _fields_ = (("tv_sec", ctypes.c_int64), ("tv_nsec", ctypes.c_int64))

    @classmethod
    def of(cls, seconds: float) -> Timespec:
        """Split `seconds`, which may be negative, into whole seconds and nanoseconds of 0 to 999,999,999."""
        whole, nanoseconds = divmod(round(seconds * 1e9), 1_000_000_000)
        return cls(whole, nanoseconds)


class WaitvEntry(ctypes.Structure):
    """struct futex_waitv."""

    _fields_ = (
        ("val", ctypes.c_uint64),
        ("uaddr", ctypes.c_uint64),
        ("flags", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
    )


def futex(uaddr: int, op: int, val: int = 0, utime_or_val2: int = 0, uaddr2: int = 0, val3: int = 0) -> int:
    """One futex(2) call, the GIL released meanwhile. Negative arguments become two's complement."""
    mask = 0xFFFF_FFFF_FFFF_FFFF
    result = _syscall(
        SYS_FUTEX, uaddr & mask, op, val & mask, utime_or_val2 & mask, uaddr2 & mask, val3 & mask
    )
    return result if result >= 0 else -ctypes.get_errno()


def wait(
    uaddr: int, val: int, timeout: float | None = None, *, bitset: int | None = None, private: bool = True
) -> int:
    """FUTEX_WAIT, or FUTEX_WAIT_BITSET if a bitset is named; `timeout` is relative for both."""
    flag = PRIVATE if private else 0
    if bitset is None:
        limit = None if timeout is None else Timespec.of(timeout)
        return futex(uaddr, WAIT | flag, val, ctypes.addressof(limit) if limit else 0)
    limit = None if timeout is None else Timespec.of(time.monotonic() + timeout)
    return futex(uaddr, WAIT_BITSET | flag, val, ctypes.addressof(limit) if limit else 0, 0, bitset)


class Vector:
    """Arguments of a futex_waitv call, made before the thread that will sleep in it is told to.

    Parameters
    ----------
    entries : list of (uaddr, val, private)
    """

    def __init__(self, entries: list[tuple[int, int, bool]]) -> None:
        self.entries = (WaitvEntry * max(1, len(entries)))(
            *(
                (val, uaddr, FUTEX2_SIZE_U32 | (PRIVATE if private else 0), 0)
                for uaddr, val, private in entries
            )
        )
        self.uaddr = ctypes.addressof(self.entries)
        self.n = len(entries)

    def wait(self, timeout: float | None = None) -> int:
        """futex_waitv(2): the index, or -EAGAIN, -ETIMEDOUT, ...; `timeout` is relative here."""
        limit = None if timeout is None else Timespec.of(time.monotonic() + timeout)
        result = _syscall(
            SYS_FUTEX_WAITV,
            self.uaddr,
            self.n,
            0,
            ctypes.addressof(limit) if limit else 0,
            time.CLOCK_MONOTONIC,
            0,
        )
        return int(result) if result >= 0 else -ctypes.get_errno()


def has_waitv() -> bool:
    """Tell whether the running kernel knows futex_waitv(2)."""
    return Vector([]).wait() == -EINVAL


def wake(uaddr: int, n: int, *, bitset: int | None = None, private: bool = True) -> int:
    """FUTEX_WAKE, or FUTEX_WAKE_BITSET if a bitset is named."""
    flag = PRIVATE if private else 0
    if bitset is None:
        return futex(uaddr, WAKE | flag, n)
    return futex(uaddr, WAKE_BITSET | flag, n, 0, 0, bitset)


def requeue(uaddr: int, uaddr2: int, n_wake: int, n_requeue: int, *, private: bool = True) -> int:
    """FUTEX_REQUEUE: woken plus requeued."""
    return futex(uaddr, REQUEUE | (PRIVATE if private else 0), n_wake, n_requeue, uaddr2)


def cmp_requeue(
    uaddr: int, uaddr2: int, val: int, n_wake: int, n_requeue: int, *, private: bool = True
) -> int:
    """FUTEX_CMP_REQUEUE: woken plus requeued, -EAGAIN if the word differs."""
    return futex(uaddr, CMP_REQUEUE | (PRIVATE if private else 0), n_wake, n_requeue, uaddr2, val)


def wake_op(uaddr: int, uaddr2: int, op: int, n_wake: int, n_wake2: int, *, private: bool = True) -> int:
    """FUTEX_WAKE_OP with an encoded operation."""
    return futex(uaddr, WAKE_OP | (PRIVATE if private else 0), n_wake, n_wake2, uaddr2, op)


def lock_pi(uaddr: int, timeout: float | None = None, *, private: bool = True) -> int:
    """FUTEX_LOCK_PI as the calling thread; the kernel counts its deadline on the realtime clock."""
    limit = None if timeout is None else Timespec.of(time.time() + timeout)
    return futex(uaddr, LOCK_PI | (PRIVATE if private else 0), 0, ctypes.addressof(limit) if limit else 0)


def trylock_pi(uaddr: int, *, private: bool = True) -> int:
    """FUTEX_TRYLOCK_PI as the calling thread."""
    return futex(uaddr, TRYLOCK_PI | (PRIVATE if private else 0))


def unlock_pi(uaddr: int, *, private: bool = True) -> int:
    """FUTEX_UNLOCK_PI as the calling thread."""
    return futex(uaddr, UNLOCK_PI | (PRIVATE if private else 0))


def wait_requeue_pi(
    uaddr: int, uaddr2: int, val: int, timeout: float | None = None, *, private: bool = True
) -> int:
    """FUTEX_WAIT_REQUEUE_PI as the calling thread; `timeout` is relative."""
    limit = None if timeout is None else Timespec.of(time.monotonic() + timeout)
    flag = PRIVATE if private else 0
    return futex(uaddr, WAIT_REQUEUE_PI | flag, val, ctypes.addressof(limit) if limit else 0, uaddr2)


def cmp_requeue_pi(uaddr: int, uaddr2: int, val: int, n_requeue: int, *, private: bool = True) -> int:
    """FUTEX_CMP_REQUEUE_PI: woken plus requeued, -EAGAIN if the word differs."""
    return futex(uaddr, CMP_REQUEUE_PI | (PRIVATE if private else 0), 1, n_requeue, uaddr2, val)


def set_robust_list(head: int, length: int) -> int:
    """set_robust_list(2) of the calling thread."""
    result = _syscall(SYS_SET_ROBUST_LIST, head, length, 0, 0, 0, 0)
    return int(result) if result >= 0 else -ctypes.get_errno()


def asleep(tid: int, uaddr: int) -> bool:
    """Tell whether thread `tid` of this process sleeps in the queue of a futex(2) call on `uaddr`.

    For futex_waitv(2), `uaddr` is that of the list.

    The kernel prints a call's arguments only for a thread that is off its processor and not runnable. A wake makes
    its thread runnable before the waking call returns, so a thread seen here after a wake was not woken by it. Inside
    the call a thread may also sleep uninterruptibly (state D) for the process's memory map, before it is queued; so
    the state is asked for too, between two looks that see the same call.
    """
    return _is_inside(tid, uaddr) and _state(tid) == "S" and _is_inside(tid, uaddr)


def sleeps_in_call(tid: int, *numbers: int | None) -> bool:
    """Tell whether thread `tid` of this process sleeps in a system call with one of these numbers."""
    wanted = {str(number) for number in numbers}

    def is_inside() -> bool:
        return _task_file(tid, "syscall").partition(" ")[0] in wanted

    return is_inside() and _state(tid) == "S" and is_inside()


def _is_inside(tid: int, uaddr: int) -> bool:
    fields = _task_file(tid, "syscall").split()
    numbers = {str(SYS_FUTEX), str(SYS_FUTEX_WAITV)}
    return len(fields) > 2 and fields[0] in numbers and int(fields[1], 16) == uaddr


def _state(tid: int) -> str:
    return _task_file(tid, "stat").rpartition(")")[2].strip()[:1]


def _task_file(tid: int, name: str) -> str:
    try:
        return Path(f"/proc/self/task/{tid}/{name}").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def usable() -> bool:
    """Tell whether this machine's futex call and /proc are there to compare with."""
    return SYS_FUTEX is not None and Path("/proc/self/syscall").exists()
