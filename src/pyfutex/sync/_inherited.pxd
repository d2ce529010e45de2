"""Waiting for a lock with priority inheritance: the kernel runs its owner as if it were as urgent as whoever waits.

The kernel hands the lock over, so whoever gets it holds it before it has the interpreter again. Requires, of both: attached,
the lock is pending.
"""

from libc.stdint cimport uint32_t
from posix.time cimport timespec

from pyfutex.sync._robust cimport RobustLock, Thread


# Take it, sleeping until `limit`: as pyfutex_lock_try, or -ETIMEDOUT. RuntimeError: its owner waits for the caller; OSError;
# or what a signal handler raised: it is not held. Nothing is pending after it.
cdef int inherited_acquire(RobustLock *robust, Thread *t, const timespec *limit, int clock,
                           bint handles_signals) except 1

# Sleep on a word while it is `seen`, until somebody moves the caller to the queue of the lock, and then there. 0,
# -EOWNERDEAD, -ENOTRECOVERABLE: as pyfutex_lock_try. -EAGAIN, the word differs; -ETIMEDOUT: it is pending still. -EINTR, a
# signal has come; OSError: it is not.
cdef int inherited_wait(RobustLock *robust, Thread *t, uint32_t *word, uint32_t seen, const timespec *limit,
                        int clock) except 1
