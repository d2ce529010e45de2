"""Lock: held by one thread at a time."""

from libc.stdint cimport uint32_t

from pyfutex.sync._mutex cimport Mutex
from pyfutex.sync._shared cimport Shared


cdef class Lock:
    cdef Mutex m
    cdef uint32_t word          # its own, unless it lies in shared memory
    cdef Shared shared          # None: it lies in this object
    cdef object __weakref__


cdef inline bint lock_is_shared(Lock lock):
    # One of priority inheritance that is nobody else's lies in memory of its own, of no offset.
    return lock.shared is not None and lock.shared.offset is not None
