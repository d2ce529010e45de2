"""Waiters of C code: queued first, then called back, put into a queue, slept on, or polled. And delivery without the GIL.

Its phase tells the owner where it stands, as it does for a Python Waiter:

    IDLE -> PREPARING           claimed by the thread that is about to queue it
    PREPARING -> QUEUED         under the bucket lock
    QUEUED -> WOKEN             taken, under the bucket lock; the mark is still to come
    QUEUED -> CANCELLED         taken out by its owner, after which the mark is WITHDRAWN

and with QUEUED_MANY for a vector, as vector.pxd has it.

The taker copies what it has to call, marks the waiter, and calls: from the mark on the memory is the owner's again.
"""

from libc.stdint cimport uint8_t, uint32_t

from pyfutex._core.bucket cimport Taken
from pyfutex._core.clock cimport Deadline
from pyfutex._core.completions cimport Completions
from pyfutex._core.status cimport Status
from pyfutex._core.waiter cimport Waiter, WaiterKind


ctypedef void (*NativeCallback)(void *context, int result) noexcept nogil

cdef struct NativeWaiter:
    Waiter c                    # first: a pointer to it is one to the whole
    NativeCallback callback     # NULL: nobody is called
    void *context


cdef void native_init(NativeWaiter *w, NativeCallback callback, Completions *queue, void *context) noexcept nogil

# Make an idle, woken or cancelled waiter the caller's, for being queued: OK; BUSY: it is queued, in its queue still, or
# taken and not yet marked. Never waits.
cdef Status native_claim(NativeWaiter *w, WaiterKind kind, uint32_t bitset, uint8_t priority) noexcept nogil
# It was not queued after all.
cdef void native_refuse(NativeWaiter *w) noexcept nogil

# Whether it was queued and is no more, now.
cdef bint native_cancel(NativeWaiter *w) noexcept nogil

# Sleep until it is woken. TAKEN; TIMED_OUT, INTERRUPTED: it is still queued; BUSY: another thread sleeps on it; NOT_OWNER:
# it was cancelled; MISFIT: it is not queued.
cdef Status native_sleep(NativeWaiter *w, Deadline until) noexcept nogil

# Its Phase, as of this process: one that was queued before a fork reads CANCELLED; one that is not marked yet, QUEUED.
cdef uint32_t native_phase(NativeWaiter *w) noexcept nogil

# What the call would have returned. Requires: WOKEN, and marked, or about to be by the caller.
cdef int native_result(const NativeWaiter *w) noexcept nogil

# Mark the native waiters in `taken` and call back. A callback that wakes others has theirs run inside it, to some depth;
# beyond, their calls (not their marks) are put off until the outermost is back, if there is memory to note them down.
# Requires: no lock held.
cdef void deliver_natives(Taken *taken) noexcept nogil

# Deliver everything in `taken` on a thread that is not attached: threads, native waiters, then Python ones, whose callbacks
# somebody attached has to run: these go to their completion queues, or that of their manager.
cdef void deliver_detached(Taken *taken) noexcept nogil
