"""cmp_requeue_pi. Contracts are in requeuepi.pxd, words and locks in pi.pxd."""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.atomic cimport load_relaxed_u32
from pyfutex._core.bucket cimport (
    Bucket,
    bucket_append,
    bucket_find,
    bucket_take,
    bucket_unlink,
    bucket_unlock,
    first_waiter,
)
from pyfutex._core.bucketlocks cimport lock_two, unlock_two
from pyfutex._core.family cimport is_stale, manager_renew, table_of
from pyfutex._core.key cimport key_equal, key_hash
from pyfutex._core.pi cimport acquire_locked, block_locked, directory_lock, directory_unlock
from pyfutex._core.pilending cimport lend_in_vain, lend_priority
from pyfutex._core.pistate cimport known_owner, wait_of
from pyfutex._core.status cimport CONTENDED, DEADLOCK, DETACHED, MISFIT, NO_MEMORY, OK, OWNER_CHANGED, WAITING
from pyfutex._core.table cimport Table, table_added, table_lock
from pyfutex._core.waiter cimport check_queued, make_location, PLACEHOLDER, REQUEUE_PI
from pyfutex._core.word cimport word_compare
from pyfutex._core.wordlock cimport LOCK_TAKEN, ONE_KEY, word_count


cdef Waiter *requeuer(Waiter **link, const Waiter *before) noexcept nogil:
    """The first waiter of a key, of those who stand before a placeholder unless that is NULL; or NULL."""
    cdef Waiter *w = link[0]
    if w == NULL:
        return NULL
    while w.kind == PLACEHOLDER:
        check_queued(w)
        if w == before:
            return NULL
        w = w.next
        if w == link[0]:
            return NULL
    return w


cdef bint waits_for(const Waiter *w, const Key *key2) noexcept nogil:
    return w.kind == REQUEUE_PI and wait_of(w).state == NULL and key_equal(&wait_of(w).target_key, key2)


cdef Status engine_top_requeuer(CManager *m, const Key *key, const Key *key2, uint32_t *tid, Mode mode) noexcept nogil:
    cdef Bucket *b
    cdef Waiter *top
    cdef Status status = OK
    if is_stale(m) and manager_renew(m) != OK:
        return NO_MEMORY
    if table_lock(table_of(m, key), key_hash(key, &m.seed), 0, mode, &b) != LOCK_TAKEN:
        return CONTENDED
    top = requeuer(bucket_find(b, key), NULL)
    tid[0] = 0
    if top != NULL:
        if waits_for(top, key2):
            tid[0] = wait_of(top).tid
        else:
            status = MISFIT
    bucket_unlock(b, 0)
    return status


cdef Waiter *requeuer_of(Waiter **link, uint32_t tid, const Key *key2) noexcept nogil:
    """The waiter of a key through which Python acquired the PI word already; or NULL."""
    cdef Waiter *w = link[0]
    if w == NULL:
        return NULL
    while not waits_for(w, key2) or wait_of(w).tid != tid:
        check_queued(w)
        w = w.next
        if w == link[0]:
            return NULL
    return w


cdef Status acquire_for(const Waiter *w, const Waiter *top2, const Lock *lock, bint more, uint32_t *owner) noexcept nogil:
    """Requires: the bucket lock of the PI word. OK, WAITING (behind `owner`), or why not."""
    if lock.word != NULL:
        return acquire_locked(wait_of(w).tid, top2, lock.word, lock.asked, False, more, owner)
    owner[0] = lock.owner
    return lock.found


cdef Status engine_requeue_pi(CManager *m, const Key *key, const Key *key2, const Condition *condition, const Lock *lock,
                              uint32_t n_requeue, Taken *taken, uint32_t *requeued) noexcept nogil:
    cdef Table *t = table_of(m, key)
    cdef Table *t2 = table_of(m, key2)
    cdef uint64_t hash, hash2
    cdef uint32_t lowered = 0, chain, owner = 0
    cdef Bucket *b
    cdef Bucket *b2
    cdef Waiter **link
    cdef Waiter **link2
    cdef Waiter *w
    cdef Waiter *top2
    cdef Waiter *last = NULL
    cdef Owner asked = lock.asked
    cdef bint is_new = False
    cdef Status status
    if is_stale(m) and manager_renew(m) != OK:
        return NO_MEMORY
    hash = key_hash(key, &m.seed)
    hash2 = key_hash(key2, &m.seed)
    status = directory_lock(m, DETACHED)
    if status != OK:
        return status
    lock_two(t, hash, t2, hash2, ONE_KEY, DETACHED, &b, &b2)
    while True:
        if condition.word != NULL:
            status = word_compare(condition.word, condition.expected)
            if status != OK:
                break
        link = bucket_find(b, key)
        if lock.word != NULL:
            w = requeuer(link, condition.before)
        else:
            w = requeuer_of(link, lock.tid, key2)
            if w == NULL:
                status = OWNER_CHANGED
        if w == NULL:
            break
        if not waits_for(w, key2):
            status = MISFIT
            break
        link2 = bucket_find(b2, key2)
        status = acquire_for(w, NULL if link2[0] == NULL else first_waiter(link2[0]), lock, n_requeue != 0, &owner)
        if status == CONTENDED:
            continue
        if status == OK:
            owner = wait_of(w).tid
            asked.tid = 0
            w.key = key2[0]
            if bucket_take(link, w, taken):
                lowered += ONE_KEY
        elif status == WAITING:
            n_requeue += 1
            status = OK
        break
    while status == OK and n_requeue:
        link = bucket_find(b, key)
        w = requeuer(link, condition.before)
        if w == NULL:
            break
        if not waits_for(w, key2):
            status = MISFIT
            break
        link2 = bucket_find(b2, key2)
        top2 = NULL if link2[0] == NULL else first_waiter(link2[0])
        owner = known_owner(top2, owner)
        status = block_locked(m, w, top2, key2, owner, asked)
        if status != OK:
            break
        wait_of(w).was_requeued = 1
        if bucket_unlink(link, w):
            lowered += ONE_KEY
        w.key = key2[0]
        # Found anew: where both keys share a bucket, the cut may have taken away the link's waiter.
        if bucket_append(b2, bucket_find(b2, key2), w, make_location(hash2, t2.number)):
            is_new = True
        requeued[0] += 1
        n_requeue -= 1
        last = w
    chain = word_count(load_relaxed_u32(&b2.word))
    unlock_two(b, lowered, b2, 0 if is_new else ONE_KEY)
    if is_new:
        table_added(t2, hash2, chain, DETACHED)
    # Those who were moved last have the lowest priority, so the first of them speaks for all.
    if last != NULL:
        lend_priority(m, last)
    if status == DEADLOCK:
        lend_in_vain(m.family.pi, owner, wait_of(w))
    directory_unlock(m)
    return status
