"""Putting a robust lock out of use for good, in one step for signal handlers, and for a kill as any other acquisition."""

from libc.errno cimport EBUSY, ENOSYS
from libc.stdint cimport uint64_t

from pyfutex._errors cimport raise_errno
from pyfutex.memory cimport Memory
from pyfutex.sync._mutex cimport mutex_raise
from pyfutex.sync._robust cimport (
    EDEADLK,
    ENOTRECOVERABLE,
    EOWNERDEAD,
    INCONSISTENT,
    RobustLock,
    Thread,
    robust_begin,
    robust_end,
    robust_release,
    robust_try,
)
from pyfutex.sync._thread cimport robust_thread


def retire_lock(Memory memory not None, uint64_t at, /):
    """Make the lock at a byte of a memory unrecoverable, unless somebody holds it: whether nobody did.

    Whoever waits for it, or comes later, gets `NotRecoverable`.
    """
    cdef Thread *t = robust_thread()
    cdef RobustLock *lock
    cdef int result
    if at % 8 or at > memory.c.nbytes or memory.c.nbytes - at < sizeof(RobustLock):
        raise ValueError(f"there is no lock at byte {at}")
    lock = <RobustLock *> (memory.c.host + at)
    if t == NULL:
        raise_errno(ENOSYS, "there are no robust futexes here")
    robust_begin(lock, t)
    result = robust_try(lock, t, False)
    if result == -EBUSY:
        robust_end(t)
    if result == -EBUSY or result == -EDEADLK:
        return False
    if result == 0 or result == -EOWNERDEAD:
        lock.state = INCONSISTENT   # as if its owner had died and nobody had made good what he left
        result = robust_release(lock, t)
    if result and result != -ENOTRECOVERABLE:
        mutex_raise(result)
    return True
