"""The PI operations. Words and states are in pi.pxd."""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.atomic cimport cas_u32, load_acquire_u32, load_relaxed_u32
from pyfutex._core.bucket cimport Bucket, Taken, bucket_append, bucket_find, bucket_take, bucket_unlock, first_waiter
from pyfutex._core.family cimport CManager, is_stale, manager_renew, table_of
from pyfutex._core.key cimport Key, key_hash
from pyfutex._core.status cimport (
    BUSY,
    CONTENDED,
    DEADLOCK,
    MISFIT,
    Mode,
    NO_MEMORY,
    NO_OWNER,
    NOT_OWNER,
    OK,
    OWNER_CHANGED,
    Status,
    TRY_AGAIN,
    WAITING,
)
from pyfutex._core.table cimport Table, table_added, table_lock
from pyfutex._core.waiter cimport PI, Waiter, make_location
from pyfutex._core.wordlock cimport LOCK_TAKEN, ONE_KEY, word_count


cdef enum:
    # How often a compare-and-swap is tried under the bucket lock before letting others in: somebody who keeps changing
    # the word must not stop the bucket.
    PATIENCE = 64


cdef Status acquire_locked(Waiter *w, Waiter *top, uint32_t *word, Owner asked, bint is_try) noexcept nogil:
    """Requires: bucket lock held. OK, WAITING (w is to be queued), or why not; CONTENDED: out of patience."""
    cdef uint32_t seen, owner
    cdef int _try
    for _try in range(PATIENCE):
        seen = load_acquire_u32(word)
        owner = seen & TID_MASK
        if owner == w.tid:
            return DEADLOCK
        if top != NULL and top.kind != PI:
            return MISFIT
        if owner == 0:
            # OWNER_DIED is the next owner's to see. WAITERS is told from the queue, not from the word: a word that
            # lost it would be unlocked in user space, past those who wait.
            if cas_u32(word, seen, w.tid | (seen & OWNER_DIED) | (WAITERS if top != NULL else 0)):
                return OK
            continue
        if top == NULL and asked.tid != 0 and owner != asked.tid:
            return OWNER_CHANGED
        if not seen & WAITERS and not cas_u32(word, seen, seen | WAITERS):
            continue
        if top == NULL and asked.tid != 0 and not asked.is_alive:
            return NO_OWNER
        return BUSY if is_try else WAITING
    return CONTENDED


cdef Status engine_lock_pi(CManager *m, Waiter *w, const Key *key, uint32_t *word, Owner asked, bint is_try,
                           Mode mode) noexcept nogil:
    cdef Table *t = table_of(m, key)
    cdef uint64_t hash
    cdef Bucket *b
    cdef Waiter **link
    cdef uint32_t chain
    cdef bint is_new = False
    cdef Status status
    if is_stale(m) and manager_renew(m) != OK:
        return NO_MEMORY
    hash = key_hash(key, &m.seed)
    w.key = key[0]
    w.epoch = m.epoch
    w.manager = m
    while True:
        if table_lock(t, hash, ONE_KEY, mode, &b) != LOCK_TAKEN:
            return CONTENDED
        link = bucket_find(b, key)
        status = acquire_locked(w, NULL if link[0] == NULL else first_waiter(link[0]), word, asked, is_try)
        if status == WAITING:
            is_new = bucket_append(b, link, w, make_location(hash, t.number))
        chain = word_count(load_relaxed_u32(&b.word))
        bucket_unlock(b, 0 if is_new else ONE_KEY)
        if is_new:
            table_added(t, hash, chain, mode)
        if status != CONTENDED:
            return status


cdef Status release_locked(Waiter **link, uint32_t *word, uint32_t tid, Taken *taken, uint32_t *lowered) noexcept nogil:
    """Requires: bucket lock held. As engine_unlock_pi; CONTENDED: out of patience."""
    cdef Waiter *top = NULL if link[0] == NULL else first_waiter(link[0])
    cdef uint32_t seen
    cdef int tries
    for tries in range(PATIENCE):
        seen = load_acquire_u32(word)
        if seen & TID_MASK != tid:
            return NOT_OWNER if tries == 0 else MISFIT
        if top == NULL:
            return OK if cas_u32(word, seen, 0) else TRY_AGAIN
        if top.kind != PI:
            return MISFIT
        # WAITERS even for the last one, OWNER_DIED never: the new owner takes over from a living one.
        if cas_u32(word, seen, WAITERS | top.tid):
            if bucket_take(link, top, taken):
                lowered[0] += ONE_KEY
            return OK
    return CONTENDED


cdef Status engine_unlock_pi(CManager *m, const Key *key, uint32_t *word, uint32_t tid, Taken *taken,
                             Mode mode) noexcept nogil:
    cdef uint64_t hash
    cdef Bucket *b
    cdef uint32_t lowered = 0
    cdef Status status
    if is_stale(m) and manager_renew(m) != OK:
        return NO_MEMORY
    hash = key_hash(key, &m.seed)
    while True:
        if table_lock(table_of(m, key), hash, 0, mode, &b) != LOCK_TAKEN:
            return CONTENDED
        status = release_locked(bucket_find(b, key), word, tid, taken, &lowered)
        bucket_unlock(b, lowered)
        if status != CONTENDED:
            return status


cdef Status engine_top_waiter(CManager *m, const Key *key, TopWaiter *top, Mode mode) noexcept nogil:
    cdef Bucket *b
    cdef Waiter **link
    cdef Waiter *w
    if is_stale(m) and manager_renew(m) != OK:
        return NO_MEMORY
    if table_lock(table_of(m, key), key_hash(key, &m.seed), 0, mode, &b) != LOCK_TAKEN:
        return CONTENDED
    link = bucket_find(b, key)
    w = NULL if link[0] == NULL else first_waiter(link[0])
    top.exists = w != NULL
    top.is_pi = top.exists and w.kind == PI
    top.tid = w.tid if top.exists else 0
    bucket_unlock(b, 0)
    return OK


cdef Status engine_take_top(CManager *m, const Key *key, uint32_t tid, Taken *taken, Mode mode) noexcept nogil:
    cdef Bucket *b
    cdef Waiter **link
    cdef Waiter *w
    cdef uint32_t lowered = 0
    if table_lock(table_of(m, key), key_hash(key, &m.seed), 0, mode, &b) != LOCK_TAKEN:
        return CONTENDED
    link = bucket_find(b, key)
    w = NULL if link[0] == NULL else first_waiter(link[0])
    if w != NULL and w.kind == PI and w.tid == tid and bucket_take(link, w, taken):
        lowered = ONE_KEY
    bucket_unlock(b, lowered)
    return OK
