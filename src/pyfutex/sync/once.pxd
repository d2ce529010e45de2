"""Once: something that is done once, by whoever comes first.

In shared memory, 72 bytes:

    byte  0   a lock (pyfutex_lock.h), held by the thread that does it
         64   1: it is done; 0: not yet
         68   4 bytes, 0

A lock in the object has no owner, so it says beside it whose it is.
"""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex.sync._mutex cimport Mutex
from pyfutex.sync._robust cimport RobustLock
from pyfutex.sync._shared cimport Shared


cdef struct SharedOnce:
    RobustLock lock
    uint32_t is_done
    uint32_t reserved


cdef class Once:
    cdef Mutex m
    cdef uint32_t *is_done      # atomic; 0, then 1
    cdef uint32_t word          # its own, unless it lies in shared memory
    cdef uint32_t own_is_done   # likewise
    cdef uint64_t runner        # atomic; where the record of the thread lies that holds `word`, or 0
    cdef Shared shared          # None: it lies in this object
    cdef object __weakref__
