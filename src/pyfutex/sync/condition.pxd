"""Condition: threads that wait until another one tells them to look again."""

from libc.stdint cimport uint32_t

from pyfutex.sync._mutex cimport Mutex
from pyfutex.sync._robust cimport RobustLock
from pyfutex.sync._shared cimport Shared
from pyfutex.sync.lock cimport Lock
from pyfutex.sync.rlock cimport RLock


cdef struct Notices:
    # Whoever holds the lock changes them. A waiter sleeps on `n` while it has the value that it had under the lock.
    uint32_t n          # atomic. How often somebody was notified
    uint32_t waiting    # atomic: some look without the lock. At least as many as wait; one that is killed stays counted

cdef struct SharedCondition:
    # What lies in shared memory.
    RobustLock lock     # its own, taken as an RLock is; not used where it was made for another lock
    Notices notices
    uint32_t reserved[2]

cdef class Condition:
    cdef Notices own
    cdef Notices *notices
    cdef Mutex *m               # of the lock, which is of this package; NULL: it is somebody else's
    cdef int flag               # of futex calls on the notices
    cdef Lock plain             # the lock, if it is a Lock
    cdef RLock nested           # the lock, if it is an RLock
    cdef readonly object lock
    cdef Shared shared
    cdef object __weakref__
