"""CompletionQueue: taken waiters, in the order of the wakes."""

from pyfutex._core.completions cimport Completions
from pyfutex._core.waiter cimport Waiter as CWaiter


cdef class CompletionQueue:
    cdef object __weakref__
    cdef object collected       # always None: with a reference in it the class takes part in garbage collection
    cdef Completions c

    cdef object pop(self)
