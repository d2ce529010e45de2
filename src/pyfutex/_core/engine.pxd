"""The operations, on keys and host addresses.

All functions are nogil and touch no Python object. Those with a `mode` take bucket locks: called ATTACHED they answer
CONTENDED, having changed nothing, where they would have to wait. A `word` stays open during the call, and its key is the
one given; NULL means that nothing is compared. FAULT can only come from a word of a NATIVE target.
"""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.atomic cimport fence, likely
from pyfutex._core.bucket cimport bucket_holds_nobody, Taken
from pyfutex._core.clock cimport Deadline
from pyfutex._core.family cimport CManager, table_of
from pyfutex._core.key cimport Key, key_hash
from pyfutex._core.status cimport Mode, OK, Status
from pyfutex._core.table cimport Table, table_bucket
from pyfutex._core.waiter cimport Waiter
from pyfutex._core.word cimport Word


# Queue w for `key` if the word holds `expected`. OK (queued), MISMATCH, FAULT, CONTENDED, NO_MEMORY. The comparison and the
# queueing are one step with respect to every waker. Requires: w idle.
cdef Status engine_prepare(CManager *m, Waiter *w, const Key *key, const Word *word, uint64_t expected,
                           Mode mode) noexcept nogil

# Take w out of whatever queue it is in now; its phase is the caller's to set. OK (it was queued, or stems from before a
# fork), TAKEN (a waker was faster: await_mark before its memory is reused), CONTENDED. Requires: w was queued.
cdef Status engine_complete(Waiter *w, Mode mode) noexcept nogil

# Set the descriptor and the completion queue through which the taker of w will tell of `told`: w itself, or the whole of
# its vector, an OBJECT. OK, CONTENDED, or TAKEN: w is not queued any more, nothing was set.
cdef Status engine_notify_through(Waiter *w, Waiter *told, int fd, void *queue, Mode mode) noexcept nogil

# The key under which w is queued, or was last. OK or CONTENDED.
cdef Status engine_key(Waiter *w, Key *key, Mode mode) noexcept nogil

# Sleep until the taker of w has marked it. Requires: detached; w taken or marked; no other thread sleeps on w.
cdef void await_mark(Waiter *w) noexcept nogil

# Sleep on w until it is woken (TAKEN, also when a timeout or a signal came at the same time), or else take it out of the
# queue: TIMED_OUT, INTERRUPTED. In every case w is the caller's again, and says nothing any more. Requires: detached; w
# queued by this thread.
cdef Status engine_sleep(Waiter *w, Deadline deadline) noexcept nogil

# Take the oldest `n` waiters of `key` whose bitset meets `bitset`. OK, CONTENDED, NO_MEMORY, or MISFIT when the walk met a
# PI waiter; `taken` then holds what was taken before. The caller delivers `taken` in any case.
cdef Status engine_wake_slow(CManager *m, const Key *key, uint64_t hash, uint32_t n, uint32_t bitset, Taken *taken,
                             Mode mode) noexcept nogil

# Wake n_wake of `key`, move the next n_requeue to the tail of `key2`, if the word holds `expected`. `before`: only waiters
# that stand before this placeholder. OK, MISMATCH, FAULT, CONTENDED, NO_MEMORY, MISFIT (as above).
cdef Status engine_requeue(CManager *m, const Key *key, const Key *key2, const Word *word, uint64_t expected,
                           uint32_t n_wake, uint32_t n_requeue, const Waiter *before, Taken *taken, uint32_t *requeued,
                           Mode mode) noexcept nogil

# Apply `op` (see wakeop.pxd) to word2, wake n of `key` and, if the comparison held, n2 of `key2`; word2 NULL: it was
# applied already and came out as `held`. OK, UNKNOWN_OPERATION, FAULT, CONTENDED, NO_MEMORY, MISFIT.
cdef Status engine_wake_op(CManager *m, const Key *key, const Key *key2, const Word *word2, uint32_t op, bint held,
                           uint32_t n, uint32_t n2, Taken *taken, Mode mode) noexcept nogil

# Mark all threads in `taken`. Requires: no bucket lock held; entries of vectors are settled (see waitv.pxd).
cdef void deliver_threads(Taken *taken) noexcept nogil


cdef inline bint nobody_at(Table *t, uint64_t hash) noexcept nogil:
    """Whether certainly nobody waits for a key of this hash. For wake alone: see docs/memory-model.md, "Nobody waits"."""
    # The caller's store to the futex word, then this fence, then the count; against prepare's count, fence, load.
    fence()
    return bucket_holds_nobody(table_bucket(t, hash), hash)


cdef inline bint nobody_for(CManager *m, const Key *key, uint64_t *hash) noexcept nogil:
    """The same for a key, of which `hash` becomes the hash."""
    hash[0] = key_hash(key, &m.seed)
    return nobody_at(table_of(m, key), hash[0])


cdef inline Status engine_wake(CManager *m, const Key *key, uint32_t n, uint32_t bitset, Taken *taken,
                               Mode mode) noexcept nogil:
    cdef uint64_t hash
    if likely(nobody_for(m, key, &hash)):
        return OK
    return engine_wake_slow(m, key, hash, n, bitset, taken, mode)
