"""Waking on many words. The contract is in wakev.pxd."""

from libc.stdint cimport uint8_t, uint32_t

from pyfutex._core.atomic cimport prefetch
from pyfutex._core.bucket cimport bucket_find, bucket_wake
from pyfutex._core.bucketlocks cimport MOST_LOCKED, Wanted, lock_many, unlock_many
from pyfutex._core.family cimport is_stale, manager_renew, table_of
from pyfutex._core.key cimport key_equal, key_hash
from pyfutex._core.status cimport CONTENDED, NO_MEMORY, OK
from pyfutex._core.table cimport table_bucket
from pyfutex._core.waiter cimport Waiter


cdef Status engine_wakev(CManager *m, WakeRequest *requests, uint32_t n, Taken *taken, Mode mode) noexcept nogil:
    cdef Wanted wanted[MOST_LOCKED]
    cdef uint8_t order[MOST_LOCKED]
    cdef WakeRequest *r
    cdef Waiter *head
    cdef uint32_t i, before
    if is_stale(m) and manager_renew(m) != OK:
        return NO_MEMORY
    for i in range(n):
        wanted[i].table = table_of(m, &requests[i].key)
        wanted[i].hash = key_hash(&requests[i].key, &m.seed)
        wanted[i].lowered = 0
        prefetch(table_bucket(wanted[i].table, wanted[i].hash))
    if lock_many(wanted, order, n, mode) != OK:
        return CONTENDED
    # In rounds: the first of each chain is sent for, then, when these come, the second where the first is of another key.
    for i in range(n):
        if wanted[i].bucket.head != NULL:
            prefetch(wanted[i].bucket.head)
    for i in range(n):
        head = wanted[i].bucket.head
        if head != NULL and head.chain != NULL and not key_equal(&head.key, &requests[i].key):
            prefetch(head.chain)
    for i in range(n):
        r = &requests[i]
        before = taken.n
        r.status = bucket_wake(bucket_find(wanted[i].bucket, &r.key), r.n, r.bitset, NULL, taken, &wanted[i].lowered)
        r.woken = taken.n - before
    unlock_many(wanted, order, n)
    return OK
