"""The clocks that guests read: those of the host, against which the deadlines of their waits are measured.

Qiling 1.4.6 gives the time of day for every clock, with microseconds where nanoseconds belong, and does not know
clock_gettime64, which 32-bit programs ask first.
"""

import errno
import time

from qiling import Qiling
from unicorn import UcError

# Realtime, monotonic, the processor times, raw, the coarse two, since boot.
CLOCKS = range(8)


def clock_gettime(ql: Qiling, clock_id: int, tp: int) -> int:
    """The system call with a timespec of the guest's own width."""
    return _read_clock(ql, clock_id, tp, ql.arch.pointersize)


def clock_gettime64(ql: Qiling, clock_id: int, tp: int) -> int:
    """The system call of 32-bit guests with a timespec of 64-bit fields."""
    return _read_clock(ql, clock_id, tp, 8)


def _read_clock(ql: Qiling, clock_id: int, tp: int, size: int) -> int:
    if clock_id not in CLOCKS:
        return -errno.EINVAL
    seconds, ns = divmod(time.clock_gettime_ns(clock_id), 1_000_000_000)
    try:
        ql.mem.write_ptr(tp, seconds & (1 << 8 * size) - 1, size)
        ql.mem.write_ptr(tp + size, ns, size)
    except UcError:
        return -errno.EFAULT
    return 0
