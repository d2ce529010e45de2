"""The operations of a manager, on keys and host addresses.

The lock order is in bucketlocks.pxd. With a bucket lock held nobody makes a system call other than to sleep on the second
one, allocates, touches a Python object or calls anything that the engine did not write. Waiters are collected under the
lock and marked after it.

No lost wake. A waiter raises the count, locks, reads the word and queues itself; a waker changes the word, then looks.
docs/memory-model.md has the argument, with the fences and with growth.
"""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.atomic cimport (
    load_acquire_u32,
    load_acquire_u64,
    load_relaxed_u32,
    pause,
    store_release_u64,
)
from pyfutex._core.bucket cimport (
    Bucket,
    bucket_append,
    bucket_count,
    bucket_find,
    bucket_move,
    bucket_retag,
    bucket_unlink,
    bucket_unlock,
    bucket_wake,
    Taken,
)
from pyfutex._core.bucketlocks cimport lock_queued, lock_two, unlock_two
from pyfutex._core.checks cimport check_no_lock, poison
from pyfutex._core.clock cimport Deadline, deadline_never
from pyfutex._core.family cimport CManager, is_stale, manager_renew, table_of
from pyfutex._core.key cimport Key, key_equal, key_hash
from pyfutex._core.parker cimport MARKED, park, Parker, parker_self
from pyfutex._core.pi cimport engine_leave_pi
from pyfutex._core.status cimport (
    CONTENDED,
    DETACHED,
    Mode,
    NO_MEMORY,
    OK,
    Status,
    TAKEN,
    TRY_AGAIN,
    UNKNOWN_OPERATION,
)
from pyfutex._core.table cimport Table, table_added, table_lock
from pyfutex._core.waiter cimport is_marked, make_location, mark_waiter, PI, Waiter
from pyfutex._core.wakeop cimport op_compare, op_is_known
from pyfutex._core.word cimport Word, word_apply, word_compare, word_log2_size
from pyfutex._core.wordlock cimport LOCK_TAKEN, ONE_KEY, word_count


# --- queueing and leaving -------------------------------------------------------------------------------------------

cdef Status engine_prepare(CManager *m, Waiter *w, const Key *key, const Word *word, uint64_t expected,
                           Mode mode) noexcept nogil:
    cdef Table *t = table_of(m, key)
    cdef uint64_t hash
    cdef uint32_t chain
    cdef Bucket *b
    cdef bint is_new
    cdef Status status
    # A look without the lock: a word that differs now is answer enough, and it has touched the page.
    if word != NULL:
        status = word_compare(word, expected)
        if status != OK:
            return status
    if is_stale(m) and manager_renew(m) != OK:
        return NO_MEMORY
    hash = key_hash(key, &m.seed)
    w.key = key[0]
    w.epoch = m.epoch
    w.manager = m
    if table_lock(t, hash, ONE_KEY, mode, &b) != LOCK_TAKEN:
        return CONTENDED
    if word != NULL:
        status = word_compare(word, expected)
        if status != OK:
            bucket_unlock(b, ONE_KEY)
            return status
    is_new = bucket_append(b, bucket_find(b, key), w, make_location(hash, t.number))
    chain = word_count(load_relaxed_u32(&b.word))
    bucket_unlock(b, 0 if is_new else ONE_KEY)
    if is_new:
        table_added(t, hash, chain, mode)
    return OK


cdef Status engine_complete(Waiter *w, Mode mode) noexcept nogil:
    cdef Bucket *b
    cdef Status status
    cdef bint is_gone
    if load_acquire_u64(&w.location) == 0:
        return TAKEN
    if w.epoch != load_acquire_u32((<CManager *> w.manager).fork_epoch):
        # Queued before a fork, in the parent: here its links dangle, and nobody will ever take it.
        store_release_u64(&w.location, 0)
        return OK
    if w.kind >= PI:
        return engine_leave_pi(w, mode)
    status = lock_queued(w, mode, &b)
    if status != OK:
        return status
    is_gone = bucket_unlink(bucket_find(b, &w.key), w)
    store_release_u64(&w.location, 0)
    bucket_unlock(b, ONE_KEY if is_gone else 0)
    return OK


cdef Status engine_notify_through(Waiter *w, Waiter *told, int fd, void *queue, Mode mode) noexcept nogil:
    cdef Bucket *b
    cdef Status status = lock_queued(w, mode, &b)
    if status == OK:
        told.fd = fd
        told.queue = queue
        bucket_unlock(b, 0)
    return status


cdef Status engine_key(Waiter *w, Key *key, Mode mode) noexcept nogil:
    cdef Bucket *b
    cdef Status status = lock_queued(w, mode, &b)
    if status == CONTENDED:
        return CONTENDED
    key[0] = w.key
    if status == OK:
        bucket_unlock(b, 0)
    return OK


cdef void await_mark(Waiter *w) noexcept nogil:
    # The taker is between its unlock and our mark. It may be descheduled there, so sleep, do not spin.
    cdef Parker *p
    check_no_lock()
    while not is_marked(w):
        p = parker_self()
        if p == NULL:
            pause()
        else:
            park(p, &w.mark, deadline_never())


cdef Status engine_sleep(Waiter *w, Deadline deadline) noexcept nogil:
    cdef Parker *p = parker_self()
    cdef Status why = NO_MEMORY
    if p != NULL:
        why = park(p, &w.mark, deadline)
    if why != TAKEN and engine_complete(w, DETACHED) == TAKEN:
        # A waker has counted us: that wins over the timeout and the signal.
        await_mark(w)
        why = TAKEN
    poison(w, sizeof(Waiter))
    return why


# --- waking and moving ----------------------------------------------------------------------------------------------

cdef void deliver_threads(Taken *taken) noexcept nogil:
    cdef Waiter *w = taken.threads
    cdef Waiter *next
    check_no_lock()
    while w != NULL:
        next = w.next       # before the mark: after it the waiter's stack frame may be gone
        mark_waiter(w, MARKED)
        w = next
    taken.threads = NULL
    taken.threads_end = &taken.threads


cdef Status engine_wake_slow(CManager *m, const Key *key, uint64_t hash, uint32_t n, uint32_t bitset, Taken *taken,
                             Mode mode) noexcept nogil:
    cdef Bucket *b
    cdef Waiter **link
    cdef uint32_t lowered = 0
    cdef Status status
    if is_stale(m) and manager_renew(m) != OK:
        return NO_MEMORY
    if table_lock(table_of(m, key), hash, 0, mode, &b) != LOCK_TAKEN:
        return CONTENDED
    link = bucket_find(b, key)
    if link[0] == NULL:
        # The tag that brought us here is another key's, or a stale one: then this is the last to be fooled by it.
        bucket_retag(b)
        status = OK
    else:
        status = bucket_wake(link, n, bitset, NULL, taken, &lowered)
    bucket_unlock(b, lowered)
    return status


cdef Status engine_requeue(CManager *m, const Key *key, const Key *key2, const Word *word, uint64_t expected,
                           uint32_t n_wake, uint32_t n_requeue, const Waiter *before, Taken *taken, uint32_t *requeued,
                           Mode mode) noexcept nogil:
    cdef Table *t = table_of(m, key)
    cdef Table *t2 = table_of(m, key2)
    cdef uint64_t hash, hash2
    cdef uint32_t lowered = 0, chain
    cdef Bucket *b
    cdef Bucket *b2
    cdef Status status
    cdef bint is_new = False
    if word != NULL:
        status = word_compare(word, expected)
        if status != OK:
            return status
    if is_stale(m) and manager_renew(m) != OK:
        return NO_MEMORY
    hash = key_hash(key, &m.seed)
    hash2 = key_hash(key2, &m.seed)
    # The target's count rises before the source's falls, so that whoever wakes one and then the other meets every
    # waiter in one of them.
    if lock_two(t, hash, t2, hash2, ONE_KEY, mode, &b, &b2) != OK:
        return CONTENDED
    if word != NULL:
        status = word_compare(word, expected)
        if status != OK:
            unlock_two(b, 0, b2, ONE_KEY)
            return status
    status = bucket_wake(bucket_find(b, key), n_wake, <uint32_t> 0xFFFFFFFF, before, taken, &lowered)
    if status == OK and key_equal(key, key2):
        status = bucket_count(bucket_find(b, key)[0], n_requeue, before, requeued)
    elif status == OK:
        status = bucket_move(b, key, b2, key2, make_location(hash2, t2.number), n_requeue, before, requeued, &lowered,
                             &is_new)
    chain = word_count(load_relaxed_u32(&b2.word))
    unlock_two(b, lowered, b2, 0 if is_new else ONE_KEY)
    if is_new:
        table_added(t2, hash2, chain, mode)
    return status


cdef Status engine_wake_op(CManager *m, const Key *key, const Key *key2, const Word *word2, uint32_t op, bint held,
                           uint32_t n, uint32_t n2, Taken *taken, Mode mode) noexcept nogil:
    cdef Bucket *b
    cdef Bucket *b2
    cdef uint64_t hash, hash2, old
    cdef uint32_t lowered = 0, lowered2 = 0
    cdef Status status = OK
    if word2 != NULL and not op_is_known(op):
        return UNKNOWN_OPERATION
    if is_stale(m) and manager_renew(m) != OK:
        return NO_MEMORY
    hash = key_hash(key, &m.seed)
    hash2 = key_hash(key2, &m.seed)
    while True:
        if lock_two(table_of(m, key), hash, table_of(m, key2), hash2, 0, mode, &b, &b2) != OK:
            return CONTENDED
        if word2 != NULL:
            status = word_apply(word2, op, &old)
        if status != TRY_AGAIN:
            break
        unlock_two(b, 0, b2, 0)     # let others in: somebody keeps changing the word
    if status == OK and word2 != NULL:
        status = op_compare(op, word_log2_size(word2), old, &held)
    if status == OK:
        status = bucket_wake(bucket_find(b, key), n, <uint32_t> 0xFFFFFFFF, NULL, taken, &lowered)
    if status == OK and held:
        status = bucket_wake(bucket_find(b2, key2), n2, <uint32_t> 0xFFFFFFFF, NULL, taken, &lowered2)
    unlock_two(b, lowered, b2, lowered2)
    return status
