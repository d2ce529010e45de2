"""The operations that put the calling thread to sleep: GIL, signals, deadlines.

A thread sleeps with its waiter on its C stack and the GIL released. It is never attached while that waiter is queued: on
a signal it leaves the queue first. If a waker had taken it by then, the wait returns WOKEN and the signal stays pending;
else the handlers run, and unless one raised, the wait starts over with the same deadline, as the kernel restarts a call.
"""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.clock cimport Deadline
from pyfutex._core.family cimport CManager
from pyfutex._core.status cimport Status
from pyfutex.target cimport Target
from pyfutex.waiter cimport Waiter


# A WaitResult.
cdef object block_wait(object manager, CManager *m, Target mem, object addr, uint64_t val, uint32_t bitset,
                       Deadline until, int sharing, uint32_t log2_size)

# The index of the item that was woken; -1: the deadline passed; -2: a word differed.
cdef object block_waitv(object manager, CManager *m, object items, Deadline until)

# Wake n on one word, then wait on another, giving the GIL up once: a WakeWait.
cdef object block_wake_wait(object manager, CManager *m, Target mem, object wake_addr, uint32_t n, Target mem2,
                            object wait_addr, uint64_t val, Deadline until, int sharing, uint32_t log2_size)

# For targets that only Python can read. A Waiter for the calling thread to sleep on.
cdef Waiter sleeper()
# Sleep on it, queued, and leave the queue in any case: WaitResult.WOKEN, TIMEOUT, or None after a signal.
cdef object sleep_on(Waiter w, Deadline until)

# How a wait ended, as the kernel would put it, for a recording: 0, or a negative errno.
cdef long recorded_answer(Status status) noexcept nogil
