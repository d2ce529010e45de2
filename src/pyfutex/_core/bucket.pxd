"""The two-level queue. A bucket chains keys; the waiters of a key hang behind its first one.

    Bucket.head -> head of key A -> head of key B -> NULL       through Waiter.chain
                   | ring of A     | ring of B                  through Waiter.next / Waiter.prev, by priority,
                                                                oldest first within one

So finding a key costs the length of the chain (about one), whatever the number of waiters, and removing any waiter is
O(1) but for the step to its predecessor in the chain.

Every function here requires the bucket's lock, and leaves the count alone: the caller lets go of the lock with what the
count has to fall by.
"""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.atomic cimport (
    likely,
    load_acquire_u32,
    load_relaxed_u32,
    store_relaxed_u32,
    store_release_u64,
    unlikely,
)
from pyfutex._core.checks cimport CHECKS, check_holds, check_holds_bucket
from pyfutex._core.key cimport HASH_SHIFT_LOCATION, Key, key_equal
from pyfutex._core.status cimport MISFIT, OK, Status
from pyfutex._core.vector cimport vector_claim
from pyfutex._core.waiter cimport ENTRY, NATIVE, OBJECT, PI, PLACEHOLDER, PLAIN, QUEUED, TOLD, WOKEN, Waiter, check_queued
from pyfutex._core.wordlock cimport LIVE, LOCKED, ONE_KEY, nobody_waits, word_unlock


cdef struct Bucket:
    uint32_t word       # atomic. Lock, LIVE, count: see wordlock.pxd
    uint32_t tags       # atomic. Written under the lock; while it is not held, at least the tags of the keys queued here
    Waiter *head        # under the lock


cdef struct Taken:
    # Waiters that this thread has taken and not yet marked, oldest first, linked through Waiter.next.
    Waiter *threads
    Waiter **threads_end
    Waiter *objects
    Waiter **objects_end
    Waiter *natives         # of C code
    Waiter **natives_end
    Waiter *entries         # of vectors; settle_entries turns them into threads and objects
    Waiter **entries_end
    uint32_t n_objects
    uint32_t n


cdef inline void taken_init(Taken *taken) noexcept nogil:
    taken.threads = NULL
    taken.threads_end = &taken.threads
    taken.objects = NULL
    taken.objects_end = &taken.objects
    taken.natives = NULL
    taken.natives_end = &taken.natives
    taken.entries = NULL
    taken.entries_end = &taken.entries
    taken.n_objects = 0
    taken.n = 0


cdef inline Waiter **bucket_find(Bucket *b, const Key *key) noexcept nogil:
    # The link that leads to the head of `key`; what it holds is NULL when nobody waits there.
    cdef Waiter **link = &b.head
    check_holds(&b.word)
    while link[0] != NULL and not key_equal(&link[0].key, key):
        check_queued(link[0])
        link = &link[0].chain
    if CHECKS and link[0] != NULL:
        check_queued(link[0])
    return link


cdef inline uint32_t tag_of(uint64_t hash) noexcept nogil:
    # One bit of 32, from those bits of the hash that choose a bucket in the very largest tables only.
    return <uint32_t> 1 << (hash >> HASH_SHIFT_LOCATION & 31)


cdef inline bint bucket_holds_nobody(const Bucket *b, uint64_t hash) noexcept nogil:
    """Without the lock: whether certainly no key of this hash is queued, or being prepared, in a bucket that is in use.

    Acquire, then the tags: a word that was read after an unlock brings at least the tags of that unlock. LOCKED: somebody
    may be about to queue such a key. Acquire, then the word again: tags of a bucket that was retired meanwhile say nothing,
    since its pages may have been dropped; once dead, a bucket stays dead.
    """
    cdef uint32_t word = load_acquire_u32(&b.word)
    if likely(nobody_waits(word)):
        return True
    if word & (LIVE | LOCKED) != LIVE or load_acquire_u32(&b.tags) & tag_of(hash):
        return False
    return load_relaxed_u32(&b.word) & LIVE != 0


cdef inline void bucket_tag(Bucket *b, uint64_t hash) noexcept nogil:
    # A tag may stay when its key has gone: that costs the next wake of a like key a look. Released by the unlock.
    store_relaxed_u32(&b.tags, b.tags | tag_of(hash))


cdef inline void bucket_retag(Bucket *b) noexcept nogil:
    # Leave the tags of those alone who are queued.
    cdef uint32_t tags = 0
    cdef Waiter *w = b.head
    check_holds(&b.word)
    while w != NULL:
        check_queued(w)
        tags |= tag_of(w.location)
        w = w.chain
    store_relaxed_u32(&b.tags, tags)


cdef inline void bucket_unlock(Bucket *b, uint32_t lowered) noexcept nogil:
    # As word_unlock.
    check_holds(&b.word)
    if b.head == NULL:
        store_relaxed_u32(&b.tags, 0)
    word_unlock(&b.word, lowered)


cdef inline void ring_append(Waiter **link, Waiter *first, Waiter *last) noexcept nogil:
    """Put the run first..last, all of one priority, behind the waiters of a key that have it or a higher one.

    `link` is the key's. The place is looked for from the tail, so a waiter costs one step among its equals. A placeholder
    is not passed: those who stand before it came before it.
    """
    cdef Waiter *head = link[0]
    cdef Waiter *follower = head        # in a ring, in front of the head is the tail
    check_holds_bucket()
    if head == NULL:
        first.chain = NULL
        first.prev = last
        last.next = first
        link[0] = first
        return
    check_queued(head)
    while follower.prev.priority < first.priority and follower.prev.kind != PLACEHOLDER:
        follower = follower.prev
        check_queued(follower)
        if follower == head:
            first.chain = head.chain
            link[0] = first
            break
    first.prev = follower.prev
    last.next = follower
    follower.prev.next = first
    follower.prev = last


cdef inline bint bucket_append(Bucket *b, Waiter **link, Waiter *w, uint64_t location) noexcept nogil:
    # Queue w behind the other waiters of its key and priority; `link` is bucket_find's. Whether the key is new to b.
    cdef Waiter *head = link[0]
    cdef bint is_new = head == NULL
    check_holds(&b.word)
    if is_new:
        w.next = w
        w.prev = w
        w.chain = NULL
        link[0] = w
        bucket_tag(b, location)
    elif unlikely(w.priority):
        ring_append(link, w, w)
    else:
        w.next = head
        w.prev = head.prev
        head.prev.next = w
        head.prev = w
    if w.notify & TOLD:
        store_relaxed_u32(&w.phase, QUEUED)
    # Release: pairs with the acquire load of wait_complete, on whatever thread.
    store_release_u64(&w.location, location)
    return is_new


cdef inline bint bucket_unlink(Waiter **link, Waiter *w) noexcept nogil:
    # Take w out of the ring whose head `link` holds. Whether its key is gone from the bucket.
    cdef Waiter *head = link[0]
    check_holds_bucket()
    check_queued(w)
    if w.next == w:
        link[0] = w.chain
        return True
    w.prev.next = w.next
    w.next.prev = w.prev
    if w == head:
        w.next.chain = w.chain
        link[0] = w.next
    return False


cdef inline bint bucket_take(Waiter **link, Waiter *w, Taken *taken) noexcept nogil:
    # Unlink w and make it this thread's own until it is marked. Whether its key is gone from the bucket.
    cdef bint gone = bucket_unlink(link, w)
    w.next = NULL
    if w.notify == OBJECT:
        store_relaxed_u32(&w.phase, WOKEN)
        taken.objects_end[0] = w
        taken.objects_end = &w.next
        taken.n_objects += 1
    elif w.notify == ENTRY:
        taken.entries_end[0] = w
        taken.entries_end = &w.next
    elif w.notify == NATIVE:
        store_relaxed_u32(&w.phase, WOKEN)
        taken.natives_end[0] = w
        taken.natives_end = &w.next
    else:
        taken.threads_end[0] = w
        taken.threads_end = &w.next
    taken.n += 1
    # Release: whoever reads 0 sees the phase. The memory is still ours: the owner waits for the mark.
    store_release_u64(&w.location, 0)
    return gone


cdef inline Waiter *first_waiter(Waiter *head) noexcept nogil:
    # The oldest waiter of a key that is no placeholder, or NULL.
    cdef Waiter *w = head
    check_holds_bucket()
    check_queued(w)
    while w.kind == PLACEHOLDER:
        w = w.next
        if w == head:
            return NULL
    return w


cdef inline Status bucket_wake(Waiter **link, uint32_t n, uint32_t bitset, const Waiter *before, Taken *taken,
                               uint32_t *lowered) noexcept nogil:
    """Take the oldest n waiters of one key whose bitset meets `bitset`; `lowered` grows by ONE_KEY if none is left.

    Only those that stand before `before`, unless that is NULL. MISFIT when the walk meets a PI waiter, whose bitset does
    not matter: what was taken before stays taken.
    """
    cdef Waiter *w = link[0]
    cdef Waiter *last
    cdef Waiter *next
    check_holds_bucket()
    if w == NULL:
        return OK
    last = w.prev
    while n:
        check_queued(w)
        next = w.next
        if w.kind >= PI:
            return MISFIT
        if w == before:
            break
        # A placeholder's bitset is 0. A vector that is leaving has nobody to be woken.
        if w.bitset & bitset and (likely(w.notify != ENTRY) or vector_claim(w)):
            n -= 1
            if bucket_take(link, w, taken):
                lowered[0] += ONE_KEY
        if w == last:
            break
        w = next
    return OK


cdef inline bint ring_cut(Waiter **link, Waiter *first, Waiter *last) noexcept nogil:
    # Take the run first..last out of the ring whose head `link` holds. Whether its key is gone from the bucket.
    cdef Waiter *head = link[0]
    check_holds_bucket()
    check_queued(first)
    check_queued(last)
    if first == head:
        if last == head.prev:
            link[0] = head.chain
            return True
        last.next.chain = head.chain
        link[0] = last.next
    first.prev.next = last.next
    last.next.prev = first.prev
    return False


cdef inline Status bucket_move(Bucket *b, const Key *key, Bucket *b2, const Key *key2, uint64_t location,
                               uint32_t n, const Waiter *before, uint32_t *moved, uint32_t *lowered,
                               bint *is_new) noexcept nogil:
    """Move the first n waiters of `key` behind those of `key2` that have their priority or a higher one, in order.

    They go run by run, of one priority, between placeholders. Each waiter is visited once. Stops at `before` and, with
    MISFIT, at a PI waiter. `lowered` grows by ONE_KEY when `key` is gone from b; `is_new` becomes true when key2 was not
    queued in b2 before.
    """
    cdef Waiter **link = bucket_find(b, key)
    cdef Waiter **link2
    cdef Waiter *first = link[0]
    cdef Waiter *tail
    cdef Waiter *last
    cdef Waiter *following
    cdef bint at_end = first == NULL
    check_holds(&b2.word)
    if at_end:
        return OK
    tail = first.prev
    while n and not at_end:
        if first.kind >= PI:
            return MISFIT
        if first == before:
            return OK
        check_queued(first)
        at_end = first == tail
        following = first.next
        if first.kind == PLACEHOLDER:
            first = following
            continue
        last = first
        while True:
            last.key = key2[0]
            # Release: pairs with the acquire load of wait_complete, which confirms it under the lock it names.
            store_release_u64(&last.location, location)
            moved[0] += 1
            n -= 1
            if at_end or not n or following.kind != PLAIN or following.priority != last.priority:
                break
            last = following
            at_end = last == tail
            following = last.next
        if ring_cut(link, first, last):
            lowered[0] += ONE_KEY
        # Found anew after each cut: when both keys share a bucket, the cut may have taken away the link's waiter.
        link2 = bucket_find(b2, key2)
        if link2[0] == NULL:
            is_new[0] = True
            bucket_tag(b2, location)
        ring_append(link2, first, last)
        first = following
    return OK


cdef inline Status bucket_count(Waiter *head, uint32_t n, const Waiter *before, uint32_t *counted) noexcept nogil:
    # A requeue onto the same key: every waiter it visits counts as requeued, none moves. OK or MISFIT.
    cdef Waiter *w = head
    check_holds_bucket()
    while w != NULL and n and w != before:
        check_queued(w)
        if w.kind >= PI:
            return MISFIT
        if w.kind == PLAIN:
            counted[0] += 1
            n -= 1
        w = w.next if w.next != head else NULL
    return OK
