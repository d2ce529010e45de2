"""Taking the lock of the bucket that a waiter is in, or the locks of two buckets, or of many.

Lock order, outermost first: the registry lock, or a family's PI lock; then one bucket lock, or several by ascending address
over all tables, through lock_two and lock_many alone.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from pyfutex._core.atomic cimport load_acquire_u64, load_relaxed_u64
from pyfutex._core.bucket cimport Bucket, bucket_unlock
from pyfutex._core.checks cimport CHECKS, check_no_bucket
from pyfutex._core.family cimport table_numbered
from pyfutex._core.status cimport CONTENDED, Mode, OK, Status, TAKEN
from pyfutex._core.table cimport Table, check_bucket, table_bucket, table_lock, table_settle
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

    Here and in lock_many alone a thread takes a second bucket lock: the lower address first.
    """
    cdef Bucket *low
    cdef Bucket *high
    cdef uint32_t raised_low
    cdef LockResult result
    check_no_bucket()
    while True:
        b[0] = table_bucket(t, hash)
        b2[0] = table_bucket(t2, hash2)
        low = b[0] if b[0] < b2[0] else b2[0]
        high = b2[0] if low == b[0] else b[0]
        raised_low = raised2 if low == b2[0] else 0
        result = word_lock(&low.word, raised_low, mode)
        if result == LOCK_TAKEN:
            if low == high:
                if CHECKS:
                    check_bucket(t, low)
                return OK
            result = word_lock(&high.word, raised2 - raised_low, mode)
            if result == LOCK_TAKEN:
                if CHECKS:
                    check_bucket(t, b[0])
                    check_bucket(t2, b2[0])
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


cdef enum:
    MOST_LOCKED = 64
    ORDERED_BITS = 6    # of a hash: as many heaps as there may be locks

cdef struct Wanted:
    # One of the buckets for lock_many.
    Table *table
    uint64_t hash
    Bucket *bucket      # the locked one; several may want the same
    uint32_t lowered    # what unlock_many takes off its count


cdef inline uint32_t lock_in_order(Wanted *wanted, const uint8_t *order, uint32_t n, Mode mode,
                                   LockResult *result) noexcept nogil:
    # How many of the wanted, in their order, have their bucket locked. Below n: `result` says why.
    cdef uint32_t i
    cdef Bucket *before = NULL
    for i in range(n):
        if wanted[order[i]].bucket != before:
            before = wanted[order[i]].bucket
            result[0] = word_lock(&before.word, 0, mode)
            if result[0] != LOCK_TAKEN:
                return i
    return n


cdef inline void unlock_many(Wanted *wanted, const uint8_t *order, uint32_t n) noexcept nogil:
    cdef uint32_t i, lowered = 0
    for i in range(n):
        lowered += wanted[order[i]].lowered
        if i + 1 == n or wanted[order[i + 1]].bucket != wanted[order[i]].bucket:
            bucket_unlock(wanted[order[i]].bucket, lowered)
            lowered = 0


cdef inline void order_by_hash(const Wanted *wanted, uint8_t *order, uint32_t n) noexcept nogil:
    # Roughly, by the top bits: in a table, buckets stand in the order of their hashes.
    cdef uint8_t places[1 << ORDERED_BITS]
    cdef uint8_t place = 0, count
    cdef uint32_t i
    memset(places, 0, sizeof(places))
    for i in range(n):
        places[wanted[i].hash >> (64 - ORDERED_BITS)] += 1
    for i in range(1 << ORDERED_BITS):
        count = places[i]
        places[i] = place
        place += count
    for i in range(n):
        count = places[wanted[i].hash >> (64 - ORDERED_BITS)]
        places[wanted[i].hash >> (64 - ORDERED_BITS)] = count + 1
        order[count] = <uint8_t> i


cdef inline void order_by_address(const Wanted *wanted, uint8_t *order, uint32_t n) noexcept nogil:
    # Insertion: whatever order it is given, it ends with that of the addresses; one that is nearly right costs little.
    cdef uint32_t i, j
    cdef uint8_t one
    for i in range(1, n):
        one = order[i]
        j = i
        while j > 0 and wanted[order[j - 1]].bucket > wanted[one].bucket:
            order[j] = order[j - 1]
            j -= 1
        order[j] = one


cdef inline Status lock_many(Wanted *wanted, uint8_t *order, uint32_t n, Mode mode) noexcept nogil:
    """Lock the buckets of up to MOST_LOCKED hashes. OK, then unlock_many is due; or CONTENDED.

    `order` becomes the order in which they are locked, which is that of their addresses.
    """
    cdef uint32_t i, n_locked
    cdef LockResult result = LOCK_TAKEN
    check_no_bucket()
    order_by_hash(wanted, order, n)
    while True:
        for i in range(n):
            wanted[i].bucket = table_bucket(wanted[i].table, wanted[i].hash)
        order_by_address(wanted, order, n)
        n_locked = lock_in_order(wanted, order, n, mode, &result)
        if n_locked == n:
            if CHECKS:
                for i in range(n):
                    check_bucket(wanted[i].table, wanted[i].bucket)
            return OK
        unlock_many(wanted, order, n_locked)
        if result == LOCK_CONTENDED:
            return CONTENDED
        for i in range(n):
            if table_settle(wanted[i].table, wanted[i].hash, mode) != OK:
                return CONTENDED
