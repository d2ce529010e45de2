"""Priority that waiters lend the owners of their words. Contracts are in pilending.pxd."""

from libc.stdint cimport uint8_t, uint32_t

from pyfutex._core.bucket cimport Bucket, bucket_find, bucket_unlock
from pyfutex._core.bucketlocks cimport lock_queued
from pyfutex._core.pistate cimport heir_of, LONGEST_CHAIN, priority_lent, wait_blocked, wait_of, wait_rank
from pyfutex._core.status cimport DETACHED, OK


cdef uint8_t rank_of(PIDirectory *d, const PIWait *wait) noexcept nogil:
    cdef uint8_t lent = priority_lent(d, wait.tid)
    return lent if lent > wait.priority else wait.priority


cdef bint rank_anew(PIDirectory *d, PIWait *wait, uint8_t rank) noexcept nogil:
    cdef Bucket *b
    cdef Waiter *w = wait.waiter
    # A blocked waiter leaves with the PI lock held alone, so it is still there.
    if lock_queued(w, DETACHED, &b) != OK:
        return False
    wait_rank(d, wait, rank)
    wait.state.top_priority = wait_of(heir_of(bucket_find(b, &w.key))).rank
    bucket_unlock(b, 0)
    return True


cdef void lend_priority(CManager *m, Waiter *w) noexcept nogil:
    lend_to(m.family.pi, wait_of(w).state.owner)


cdef void lend_to(PIDirectory *d, uint32_t owner) noexcept nogil:
    cdef PIWait *wait
    cdef uint8_t rank
    cdef int _step
    for _step in range(LONGEST_CHAIN):
        wait = wait_blocked(d, owner)
        if wait == NULL:
            return
        rank = rank_of(d, wait)
        if wait.rank == rank or not rank_anew(d, wait, rank):
            return
        owner = wait.state.owner


cdef void lend_in_vain(PIDirectory *d, uint32_t owner, const PIWait *wait) noexcept nogil:
    cdef PIWait *blocked
    cdef uint8_t rank = rank_of(d, wait)
    cdef int _step
    for _step in range(LONGEST_CHAIN):
        blocked = wait_blocked(d, owner)
        if blocked == NULL or blocked.state.owner == wait.tid:
            return
        if blocked.rank >= rank or not rank_anew(d, blocked, blocked.rank):
            return
        owner = blocked.state.owner
