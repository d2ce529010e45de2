"""Growth: how a table becomes twice as large without anybody waiting for it."""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.atomic cimport (
    cas_u32,
    exchange_u32,
    fetch_add_relaxed_u64,
    fetch_add_u64,
    load_acquire_u32,
    load_acquire_u64,
    load_relaxed_u32,
    load_relaxed_u64,
    pause,
    store_relaxed_u64,
    store_release_u32,
    store_release_u64,
)
from pyfutex._core.bucket cimport Bucket, bucket_tag
from pyfutex._core.checks cimport CHECKS, check_no_bucket, note_unlocked
from pyfutex._core.pages cimport drop_pages, map_pages, unmap_pages
from pyfutex._core.parker cimport word_wake
from pyfutex._core.status cimport CONTENDED, Mode, NO_MEMORY, OK, Status
from pyfutex._core.waiter cimport Waiter, location_hash
from pyfutex._core.wordlock cimport (
    LIVE,
    LOCK_CONTENDED,
    LOCK_DEAD,
    LockResult,
    ONE_KEY,
    PARKED,
    STARVED,
    word_count,
    word_lock,
)


cdef enum:
    # A table is too small when so many neighbouring buckets hold more than so many keys: a load of 1.25.
    SAMPLE_BUCKETS = 256
    SAMPLE_KEYS = 320
    HELP_LOOKS = 16         # buckets that a helper looks at in search of one to split


cdef size_t level_bytes(uint64_t level) noexcept nogil:
    return <size_t> 1 << (level_log2(level) + level_stride_log2(level))


cdef void *level_pages(uint64_t level) noexcept nogil:
    return <void *> (level & ~<uint64_t> 63)


cdef Bucket *level_nth(uint64_t level, uint64_t i) noexcept nogil:
    return <Bucket *> ((level & ~<uint64_t> 63) + (i << level_stride_log2(level)))


cdef uint64_t level_new(uint64_t log2) noexcept nogil:
    # All buckets dead (zero). 0 when there is no memory.
    cdef void *pages = map_pages(level_bytes(log2))
    return 0 if pages == NULL else <uint64_t> pages | log2


cdef void forget_levels(Table *t) noexcept nogil:
    """Unmap what a parent process had left long before the fork: threads that looked at that there are not here."""
    cdef uint64_t i, n_kept = LEVELS_KEPT, n_old
    if t.n_levels <= n_kept:
        return
    n_old = t.n_levels - n_kept
    for i in range(n_old):
        unmap_pages(level_pages(t.levels[i]), level_bytes(t.levels[i]))
    for i in range(n_kept):
        t.levels[i] = t.levels[n_old + i]
    t.n_levels = n_kept


cdef Status table_renew(Table *t) noexcept nogil:
    cdef uint64_t level
    cdef uint64_t i
    forget_levels(t)
    level = level_new(SMALLEST_LOG2)
    if level == 0:
        return NO_MEMORY
    for i in range(<uint64_t> 1 << SMALLEST_LOG2):
        level_nth(level, i).word = LIVE
    t.levels[t.n_levels] = level
    t.n_levels += 1
    t.growing = 0
    store_relaxed_u64(&t.previous, 0)
    store_release_u64(&t.current, level)
    return OK


cdef Status table_init(Table *t, uint32_t number) noexcept nogil:
    t.number = number
    t.growths = 0
    t.n_levels = 0
    return table_renew(t)


cdef void table_free(Table *t) noexcept nogil:
    cdef uint64_t i
    for i in range(t.n_levels):
        unmap_pages(level_pages(t.levels[i]), level_bytes(t.levels[i]))


cdef Status split(Table *t, uint64_t old_level, uint64_t new_level, uint64_t i, Mode mode) noexcept nogil:
    """Split bucket i of the old level into buckets 2i and 2i + 1 of the new one, unless that is done already.

    CONTENDED or OK. Nothing but the old bucket's lock is held, and only its heads are touched: the waiters behind a head
    name the table and the hash, not the bucket.
    """
    cdef Bucket *old = level_nth(old_level, i)
    cdef Bucket *child
    cdef Waiter **ends[2]
    cdef Waiter *w
    cdef uint32_t counts[2]
    cdef uint64_t shift = 64 - level_log2(new_level)
    cdef uint64_t which
    cdef LockResult result
    check_no_bucket()
    result = word_lock(&old.word, 0, mode)
    if result == LOCK_CONTENDED:
        return CONTENDED
    if result == LOCK_DEAD:
        return OK
    if CHECKS:
        check_bucket(t, old)
    for which in range(2):
        child = level_nth(new_level, 2 * i + which)
        child.head = NULL
        child.tags = 0
        ends[which] = &child.head
        counts[which] = 0
    w = old.head
    while w != NULL:
        which = location_hash(w.location) >> shift & 1
        ends[which][0] = w
        ends[which] = &w.chain
        counts[which] += 1
        bucket_tag(level_nth(new_level, 2 * i + which), w.location)
        w = w.chain
    for which in range(2):
        ends[which][0] = NULL
        # Release: pairs with the acquire (or the CAS) of whoever finds the new bucket LIVE. Before the old one dies, so
        # that a key always has a bucket that says how many wait.
        store_release_u32(&level_nth(new_level, 2 * i + which).word, LIVE + counts[which] * ONE_KEY)
    old.head = NULL
    note_unlocked(&old.word)
    if exchange_u32(&old.word, 0) & (PARKED | STARVED):
        word_wake(&old.word, 0x7FFFFFFF, 0xFFFFFFFF)
    if fetch_add_u64(&t.n_split, 1) + 1 == <uint64_t> 1 << level_log2(old_level):
        finish_growth(t, old_level)
    return OK


cdef void finish_growth(Table *t, uint64_t old_level) noexcept nogil:
    # The last split is done, so every bucket of the old level is 0 already: dropping its pages changes no value.
    drop_pages(level_pages(old_level), level_bytes(old_level))
    store_release_u64(&t.previous, 0)
    store_release_u32(&t.growing, 0)


cdef Status table_settle(Table *t, uint64_t hash, Mode mode) noexcept nogil:
    cdef uint64_t current, previous
    check_no_bucket()
    while True:
        current = load_acquire_u64(&t.current)
        if load_acquire_u32(&level_bucket(current, hash).word) & LIVE:
            return OK
        previous = load_acquire_u64(&t.previous)
        # Dead, but not for want of a split: the table grew under us, or the bucket is LIVE by now.
        if previous == 0 or previous == current or load_acquire_u64(&t.current) != current:
            pause()
            continue
        if split(t, previous, current, hash >> (64 - level_log2(previous)), mode) == CONTENDED:
            return CONTENDED


cdef void table_grow(Table *t, uint64_t hash, Mode mode) noexcept nogil:
    check_no_bucket()
    if load_relaxed_u64(&t.previous) != 0:
        help_growth(t, mode)
    elif is_crowded(load_acquire_u64(&t.current), hash):
        start_growth(t)


cdef void help_growth(Table *t, Mode mode) noexcept nogil:
    cdef uint64_t previous = load_acquire_u64(&t.previous)
    cdef uint64_t current = load_acquire_u64(&t.current)
    cdef uint64_t i
    cdef int _look
    if previous == 0 or previous == current or level_log2(current) != level_log2(previous) + 1:
        return      # just over, or the next one just began
    for _look in range(HELP_LOOKS):
        # The cursor goes round: a bucket that was contended is met again.
        i = fetch_add_relaxed_u64(&t.cursor, 1) & ((<uint64_t> 1 << level_log2(previous)) - 1)
        if load_relaxed_u32(&level_nth(previous, i).word) & LIVE:
            split(t, previous, current, i, mode)
            return


cdef bint is_crowded(uint64_t level, uint64_t hash) noexcept nogil:
    # Neighbours in memory are strangers in hash, so they are a fair sample, and cheap to read.
    cdef uint64_t n = <uint64_t> 1 << level_log2(level)
    cdef uint64_t sample = SAMPLE_BUCKETS if n > SAMPLE_BUCKETS else n
    cdef uint64_t first = (hash >> (64 - level_log2(level))) & ~(sample - 1)
    cdef uint64_t i
    cdef uint64_t keys = 0
    for i in range(sample):
        keys += word_count(load_relaxed_u32(&level_nth(level, first + i).word))
    return keys * SAMPLE_BUCKETS > sample * SAMPLE_KEYS


cdef void start_growth(Table *t) noexcept nogil:
    # No lock is held and nobody waits for us: the flag is tried, not taken. Without memory the table stays as it is.
    cdef uint64_t old, new
    if not cas_u32(&t.growing, 0, 1):
        return
    old = load_relaxed_u64(&t.current)
    if level_log2(old) == LARGEST_LOG2:
        return      # `growing` stays up: nobody need try again
    new = level_new(level_log2(old) + 1)
    if new == 0:
        store_release_u32(&t.growing, 0)
        return
    t.levels[t.n_levels] = new
    t.n_levels += 1
    store_relaxed_u64(&t.cursor, 0)
    store_relaxed_u64(&t.n_split, 0)
    fetch_add_u64(&t.growths, 1)
    store_release_u64(&t.previous, old)
    store_release_u64(&t.current, new)
