"""RLock: a lock that its owner may take again."""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.atomic cimport load_relaxed_u64, store_relaxed_u64
from pyfutex.sync._mutex cimport Mutex, owner_of
from pyfutex.sync._robust cimport Thread
from pyfutex.sync._shared cimport Shared
from pyfutex.sync._thread cimport robust_thread, thread_self


cdef class RLock:
    cdef Mutex m
    cdef uint32_t word          # its own, unless it lies in shared memory
    cdef uint32_t own_depth     # its owner. How often it is held beyond once; in shared memory, the layout's
    cdef uint64_t owner         # atomic, relaxed: equal to a thread's own only if that thread has written it. 0: nobody
    cdef Shared shared          # None: it lies in this object
    cdef object __weakref__


# An RLock over a whole pyfutex_lock that somebody else found.
cdef RLock rlock_in(Shared shared)


cdef inline uint32_t *rlock_depth(RLock lock) noexcept:
    return &lock.own_depth if lock.m.robust == NULL else &lock.m.robust.depth


cdef inline bint rlock_is_owned(RLock lock) noexcept:
    cdef Thread *t
    if lock.m.robust == NULL:
        return load_relaxed_u64(&lock.owner) == <uint64_t> thread_self()
    t = robust_thread()
    return t != NULL and owner_of(&lock.m) == t.tid


cdef inline void rlock_owned(RLock lock) noexcept:
    # It has just been taken, for the first time.
    if lock.m.robust == NULL:
        store_relaxed_u64(&lock.owner, <uint64_t> thread_self())
