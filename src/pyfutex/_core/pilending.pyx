"""Priority that waiters lend the owners of their words. Contracts are in pilending.pxd."""

from libc.stdint cimport uint8_t, uint32_t

from pyfutex._core.bucket cimport Bucket, bucket_append, bucket_find, bucket_unlink, bucket_unlock
from pyfutex._core.bucketlocks cimport lock_queued
from pyfutex._core.pistate cimport heir_of, LONGEST_CHAIN, priority_lent, wait_blocked, wait_of
from pyfutex._core.status cimport DETACHED, OK


cdef uint8_t priority_of(PIDirectory *d, const PIWait *wait) noexcept nogil:
    cdef uint8_t lent = priority_lent(d, wait.tid)
    return lent if lent > wait.priority else wait.priority


cdef bint queue_anew(Waiter *w, uint8_t priority) noexcept nogil:
    cdef Bucket *b
    cdef Waiter **link
    cdef PIWait *wait = wait_of(w)
    # A blocked waiter leaves with the PI lock held alone, so it is still there.
    if lock_queued(w, DETACHED, &b) != OK:
        return False
    bucket_unlink(bucket_find(b, &w.key), w)
    w.priority = priority
    link = bucket_find(b, &w.key)
    bucket_append(b, link, w, w.location)
    wait.state.top_priority = heir_of(link).priority
    bucket_unlock(b, 0)
    return True


cdef void lend_priority(CManager *m, Waiter *w) noexcept nogil:
    lend_to(m.family.pi, wait_of(w).state.owner)


cdef void lend_to(PIDirectory *d, uint32_t owner) noexcept nogil:
    cdef PIWait *wait
    cdef uint8_t priority
    cdef int _step
    for _step in range(LONGEST_CHAIN):
        wait = wait_blocked(d, owner)
        if wait == NULL:
            return
        priority = priority_of(d, wait)
        if wait.waiter.priority == priority or not queue_anew(wait.waiter, priority):
            return
        owner = wait.state.owner


cdef void lend_in_vain(PIDirectory *d, uint32_t owner, const PIWait *wait) noexcept nogil:
    cdef PIWait *blocked
    cdef uint8_t priority = priority_of(d, wait)
    cdef int _step
    for _step in range(LONGEST_CHAIN):
        blocked = wait_blocked(d, owner)
        if blocked == NULL or blocked.state.owner == wait.tid:
            return
        if blocked.waiter.priority >= priority or not queue_anew(blocked.waiter, blocked.waiter.priority):
            return
        owner = blocked.state.owner
