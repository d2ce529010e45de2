"""Waiter: an entry of the queue as a Python object."""

from libc.stdint cimport uint32_t

from pyfutex._core.clock cimport Deadline
from pyfutex._core.waiter cimport Waiter as CWaiter
from pyfutex.completionqueue cimport CompletionQueue


cdef class Waiter:
    cdef CWaiter c
    cdef object on_wake             # None, or called with this waiter when it was woken. Immutable
    cdef CompletionQueue queue      # where it goes when woken, or None; an event loop sets its own while it awaits
    cdef object on_cancel           # None, or what tells the event loop that awaits it that it was cancelled
    cdef object manager             # the Manager in which it was queued last
    cdef object target              # the memory on which it waited last; of a vector a tuple
    cdef public object tag


# Whether w was queued and is no more, now. If not: it had been taken, or was not queued at all.
cdef bint waiter_cancel(Waiter w) noexcept

# As Waiter.cancel.
cdef bint waiter_leave(Waiter w) except? True

# Its Phase, as of this process: a waiter that was queued before a fork reads CANCELLED.
cdef int waiter_phase(Waiter w) noexcept

# Make it this process's, with a descriptor that the parent of a fork does not listen to. Requires: neither queued nor taken.
cdef void adopt_after_fork(Waiter w) noexcept

# The index of a vector that is WOKEN. Waits, detached, for those who are still at it; then its key is there too.
cdef uint32_t waiter_index(Waiter w) noexcept

# The end of a taken waiter that stands for its thread; nothing for others. Waits, detached, for the mark; a taker that was
# not attached has left the queue's reference to us.
cdef void waiter_settle(Waiter w) noexcept

# Sleep on w until it is woken or `until`: WaitResult.WOKEN or TIMEOUT (still queued). RuntimeError as Waiter.wait. On a
# signal: run the handlers and go on, or return None, still queued.
cdef object waiter_sleep(Waiter w, Deadline until, bint runs_handlers)

# Call on_wake if there is one; exceptions go to sys.unraisablehook.
cdef void run_callback(Waiter w) noexcept
