"""Taking the lock of the bucket that a waiter is in, or the locks of two buckets.

Lock order, outermost first: the registry lock, or a family's PI lock; then one bucket lock, or two by ascending address
over all tables, through lock_two alone.
"""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.atomic cimport load_acquire_u64, load_relaxed_u64
from pyfutex._core.bucket cimport Bucket, bucket_unlock
from pyfutex._core.family cimport table_numbered
from pyfutex._core.status cimport CONTENDED, Mode, OK, Status, TAKEN
from pyfutex._core.table cimport Table, table_bucket, table_lock, table_settle
from pyfutex._core.waiter cimport location_hash, location_table, Waiter
from pyfutex._core.wordlock cimport LOCK_CONTENDED, LOCK_TAKEN, LockResult, word_lock, word_unlock


cdef inline Status lock_queued(Waiter *w, Mode mode, Bucket **b) noexcept nogil:
    """Lock the bucket in which w is queued, wherever a requeue takes it. OK; TAKEN: it is not queued; CONTENDED."""
    cdef uint64_t location
    while True:
        # Acquire: pairs with the release in bucket_take, so that the phase of a taken waiter is visible.
        location = load_acquire_u64(&w.location)
        if location == 0:
            return TAKEN
        if table_lock(table_numbered(location_table(location)), location_hash(location), 0, mode, b) != LOCK_TAKEN:
            return CONTENDED
        if load_relaxed_u64(&w.location) == location:
            return OK
        bucket_unlock(b[0], 0)      # a requeue moved it, or a waker took it


cdef inline Status lock_two(Table *t, uint64_t hash, Table *t2, uint64_t hash2, uint32_t raised2, Mode mode, Bucket **b,
                            Bucket **b2) noexcept nogil:
    """Lock the buckets of two hashes, perhaps one and the same, and raise the count of the second. OK or CONTENDED.

    The only place where a thread takes a second bucket lock: the lower address first.
    """
    cdef Bucket *low
    cdef Bucket *high
    cdef uint32_t raised_low
    cdef LockResult result
    while True:
        b[0] = table_bucket(t, hash)
        b2[0] = table_bucket(t2, hash2)
        low = b[0] if b[0] < b2[0] else b2[0]
        high = b2[0] if low == b[0] else b[0]
        raised_low = raised2 if low == b2[0] else 0
        result = word_lock(&low.word, raised_low, mode)
        if result == LOCK_TAKEN:
            if low == high:
                return OK
            result = word_lock(&high.word, raised2 - raised_low, mode)
            if result == LOCK_TAKEN:
                return OK
            word_unlock(&low.word, raised_low)
        if result == LOCK_CONTENDED:
            return CONTENDED
        if table_settle(t, hash, mode) != OK or table_settle(t2, hash2, mode) != OK:
            return CONTENDED


cdef inline void unlock_two(Bucket *b, uint32_t lowered, Bucket *b2, uint32_t lowered2) noexcept nogil:
    if b == b2:
        bucket_unlock(b, lowered + lowered2)
    else:
        bucket_unlock(b2, lowered2)
        bucket_unlock(b, lowered)
