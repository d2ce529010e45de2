"""CompletionQueue: taken waiters, in the order of the wakes."""

from pyfutex._core.completions cimport Completions
from pyfutex._core.waiter cimport Waiter as CWaiter


cdef class CompletionQueue:
    cdef object __weakref__
    cdef Completions c
    # Taken off the stack and not yet handed out, oldest first, linked through Waiter.next; the reference that the
    # manager's queue held goes with each. Under the critical section of this object.
    cdef CWaiter *ready
    cdef CWaiter *ready_end

    cdef object pop(self)
