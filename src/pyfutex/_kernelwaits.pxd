"""The calls of the kernel that put the calling thread to sleep: GIL, signals, what is kept alive.

The GIL is released around the call. After a signal the handlers run and, unless one raised, the call is made again with the
same absolute deadline; a thread that a waker had taken is told so by the kernel, whatever signal came.
"""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.clock cimport Deadline
from pyfutex.target cimport Target


# What a negative answer of a wait, or 0, means: a WaitResult; None: a signal came. Raises for all others.
cdef object wait_result(long answer)

# WaitResults. sleep_at: one call at most, None after a signal; `host` is kept alive by the caller. A word that differs at
# the first look ends it, attached.
cdef object sleep_at(uint32_t *host, uint32_t val, uint32_t bitset, Deadline until, int flag, bint futex2)
cdef object sleep_on(Target mem, uint64_t addr, uint32_t val, uint32_t bitset, Deadline until, int flag, bint futex2)
cdef object sleep_requeue_pi(Target mem, uint64_t addr, Target mem2, uint64_t addr2, uint32_t val, Deadline until,
                             int flag)
# A WakeWait.
cdef object wake_then_sleep(Target mem, uint64_t addr, uint32_t n, Target mem2, uint64_t addr2, uint32_t val,
                            Deadline until, int flag)
# True: acquired, attached if nobody holds it. False: the deadline passed.
cdef object sleep_lock_pi(Target mem, uint64_t addr, Deadline until, int flag)
# An index; -1: timed out; -2: a word differed.
cdef object sleep_on_many(tuple items, Deadline until)
