"""A hash table of buckets that grows bucket by bucket while everybody goes on using it.

A table has one level of buckets, `current`, and while it grows a second one, `previous`, of half the size. At any moment a
key can be queued in one bucket alone: the LIVE one of the two. Growing publishes `previous` and then an empty `current`
whose buckets are all dead; whoever meets a dead bucket splits the old bucket that it comes from, and whoever adds a key
splits one more. Splitting holds one lock, that of the old bucket: nobody can take the new ones before they are LIVE.

    split: lock the old one; fill the two new ones; make them LIVE (release); retire the old one (its word becomes 0)

Levels stay mapped until the table's family dies (a thread may still look at a retired one), but their pages are given
back: they then read as 0, which is how a retired bucket reads.
"""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.atomic cimport likely, load_acquire_u64, load_relaxed_u32, load_relaxed_u64, unlikely
from pyfutex._core.bucket cimport Bucket, tag_of
from pyfutex._core.checks cimport CHECKS, check, check_no_bucket
from pyfutex._core.status cimport Mode, Status
from pyfutex._core.waiter cimport Waiter, check_queued, location_hash, location_table
from pyfutex._core.wordlock cimport LOCK_CONTENDED, LOCK_TAKEN, LockResult, word_count, word_lock


cdef enum:
    LONG_CHAIN = 5          # keys in one bucket that raise the suspicion that the table is too small
    SMALLEST_LOG2 = 6
    LARGEST_LOG2 = 39
    # Up to this size every bucket has a cache line of its own; above, two threads seldom meet in one anyway.
    SPREAD_LOG2 = 12
    # Of what a fork left, the levels that `current` and `previous` may name: somebody may look there while another renews.
    LEVELS_KEPT = 2
    MAX_LEVELS = LEVELS_KEPT + LARGEST_LOG2 - SMALLEST_LOG2 + 1


cdef struct Table:
    # A level is one word: the address of its buckets (page aligned) | log2 of their number. So a wake that finds nobody
    # follows one pointer less. Both are atomic.
    uint64_t current
    uint64_t previous       # 0 when the table does not grow. Published before `current`
    uint32_t number         # what a waiter's location calls this table. Read only
    uint32_t growing        # atomic. 1 from the decision to grow until `previous` is 0 again
    uint64_t away_from_them[5]      # to 64 bytes: what changes during growth stays off the line above
    uint64_t cursor         # atomic. The next bucket of `previous` that a helper looks at
    uint64_t n_split        # atomic. How many buckets of `previous` are split
    uint64_t growths        # atomic
    uint64_t n_levels       # `growing` (or the only user): levels since the last fork, and some from before; the newest last
    uint64_t levels[MAX_LEVELS]


cdef inline uint64_t level_log2(uint64_t level) noexcept nogil:
    return level & 63


cdef inline uint32_t level_stride_log2(uint64_t level) noexcept nogil:
    return 6 if level_log2(level) <= SPREAD_LOG2 else 4


cdef inline Bucket *level_bucket(uint64_t level, uint64_t hash) noexcept nogil:
    return <Bucket *> ((level & ~<uint64_t> 63) + (hash >> (64 - level_log2(level)) << level_stride_log2(level)))


cdef inline Bucket *table_bucket(Table *t, uint64_t hash) noexcept nogil:
    # Where a key of this hash would be queued if the bucket is LIVE. No promise without its lock.
    return level_bucket(load_acquire_u64(&t.current), hash)


# Allocate the first level. NO_MEMORY or OK.
cdef Status table_init(Table *t, uint32_t number) noexcept nogil

# Start over with an empty first level, whatever state the table is in (the child of a fork). NO_MEMORY or OK.
cdef Status table_renew(Table *t) noexcept nogil

# Unmap all levels. Requires: nobody can reach the table any more.
cdef void table_free(Table *t) noexcept nogil

# Make the bucket of `hash` LIVE in the current level. Requires: no bucket lock held. CONTENDED or OK.
cdef Status table_settle(Table *t, uint64_t hash, Mode mode) noexcept nogil

# Help a growth along, or start one if the neighbourhood of `hash` is crowded. Requires: no bucket lock held.
cdef void table_grow(Table *t, uint64_t hash, Mode mode) noexcept nogil


cdef inline void table_added(Table *t, uint64_t hash, uint32_t chain, Mode mode) noexcept nogil:
    """To be called after a key was added to a bucket that now has `chain` keys. Requires: no bucket lock held."""
    if unlikely(chain >= LONG_CHAIN or load_relaxed_u64(&t.previous) != 0):
        table_grow(t, hash, mode)


cdef inline void check_bucket(Table *t, const Bucket *b) noexcept nogil:
    """What holds of every bucket of t, whoever was in it before: the tags, the count, where its keys belong."""
    cdef const Waiter *w = b.head
    cdef uint64_t hash
    cdef uint32_t n = 0
    while w != NULL:
        check_queued(w)
        hash = location_hash(w.location)
        check(location_table(w.location) == t.number, "a key in a table that its location does not name")
        # While we hold b, no more than one growth can begin and none can end: b is in one of the two levels.
        check(table_bucket(t, hash) == b or level_bucket(load_acquire_u64(&t.previous), hash) == b,
              "a key in a bucket that its hash does not name")
        check((b.tags & tag_of(hash)) != 0, "a key without its tag")
        n += 1
        w = w.chain
    check(word_count(load_relaxed_u32(&b.word)) >= n, "a count below the number of keys")


cdef inline LockResult table_lock(Table *t, uint64_t hash, uint32_t raised, Mode mode, Bucket **locked) noexcept nogil:
    """Lock the bucket in which keys of `hash` are queued and raise its count: LOCK_TAKEN or LOCK_CONTENDED."""
    cdef LockResult result
    check_no_bucket()
    while True:
        locked[0] = table_bucket(t, hash)
        result = word_lock(&locked[0].word, raised, mode)
        if likely(result == LOCK_TAKEN):
            if CHECKS:
                check_bucket(t, locked[0])
            return LOCK_TAKEN
        if result == LOCK_CONTENDED or table_settle(t, hash, mode) != 0:
            return LOCK_CONTENDED
