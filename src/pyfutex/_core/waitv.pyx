"""Waiting on several words at once. Contracts are in waitv.pxd, the protocol in vector.pxd."""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.atomic cimport (
    cas_u32,
    fetch_sub_u32,
    load_acquire_u32,
    load_relaxed_u32,
    store_relaxed_u32,
)
from pyfutex._core.bucket cimport Taken
from pyfutex._core.checks cimport check_no_lock
from pyfutex._core.engine cimport engine_complete, engine_notify_through, engine_prepare
from pyfutex._core.family cimport CManager
from pyfutex._core.key cimport Key
from pyfutex._core.status cimport CONTENDED, Mode, OK, Status, TAKEN
from pyfutex._core.vector cimport NOT_TAKEN, TAKEN_FIRST, Vector
from pyfutex._core.waiter cimport ENTRY, LEAVING, NATIVE, OBJECT, PLAIN, PREPARING, QUEUED_MANY, WOKEN, Waiter, waiter_init
from pyfutex._core.word cimport Word


cdef void vector_begin(CManager *m, Vector *v, Waiter *whole, uint32_t n) noexcept nogil:
    v.whole = whole
    v.n = n
    store_relaxed_u32(&v.pending, n + 1)
    v.n_queued = 0
    v.cursor = 0
    v.tokens = 0
    whole.part = v
    whole.manager = m
    whole.epoch = load_acquire_u32(m.fork_epoch)


cdef Status vector_queue(CManager *m, Vector *v, const Key *key, const Word *word, uint64_t expected,
                         Mode mode) noexcept nogil:
    cdef Waiter *entry = &v.entries[v.n_queued]
    cdef Status status
    waiter_init(entry, PLAIN, ENTRY, <uint32_t> 0xFFFFFFFF, v.whole.priority)
    store_relaxed_u32(&entry.phase, NOT_TAKEN)
    entry.part = v
    status = engine_prepare(m, entry, key, word, expected, mode)
    if status == OK:
        v.n_queued += 1
    return status


cdef Status vector_ready(Vector *v) noexcept nogil:
    # Releases all that was written so far, to whoever will be in charge.
    return OK if cas_u32(&v.whole.phase, PREPARING, QUEUED_MANY) else TAKEN


cdef Status vector_unlink(Vector *v, Mode mode) noexcept nogil:
    cdef Status status
    while v.cursor < v.n_queued:
        status = engine_complete(&v.entries[v.cursor], mode)
        if status == CONTENDED:
            return CONTENDED
        if status == OK:
            v.tokens += 1       # it was ours; a taken one's token is its taker's
        v.cursor += 1
    return OK


cdef void vector_finish(Vector *v, Taken *taken) noexcept nogil:
    """The whole, with its result, to those that are to be marked. Requires: the last tokens were the caller's.

    Every party wrote before it gave up its tokens: the fates of all entries are visible here.
    """
    cdef Waiter *whole = v.whole
    cdef uint32_t index = v.n - 1
    while load_relaxed_u32(&v.entries[index].phase) == NOT_TAKEN:
        index -= 1
    whole.bitset = index
    whole.key = v.entries[index].key
    whole.next = NULL
    if whole.notify == OBJECT:
        taken.objects_end[0] = whole
        taken.objects_end = &whole.next
        taken.n_objects += 1
    elif whole.notify == NATIVE:
        taken.natives_end[0] = whole
        taken.natives_end = &whole.next
    else:
        taken.threads_end[0] = whole
        taken.threads_end = &whole.next


cdef inline void give_up_tokens(Vector *v, uint32_t tokens, Taken *taken) noexcept nogil:
    # Sequentially consistent, so release for what we wrote and acquire for what the others did. v is not ours afterwards.
    if fetch_sub_u32(&v.pending, tokens) == tokens:
        vector_finish(v, taken)


cdef Status vector_give_up(Vector *v, Taken *taken, Mode mode) noexcept nogil:
    cdef uint32_t *phase = &v.whole.phase
    cas_u32(phase, PREPARING, LEAVING)      # fails where an entry was taken, and in a second call
    if vector_unlink(v, mode) != OK:
        return CONTENDED
    if load_relaxed_u32(phase) == LEAVING:
        return OK
    # From WOKEN_EARLY: before our tokens go, since the mark may follow at once.
    store_relaxed_u32(phase, WOKEN)
    give_up_tokens(v, v.tokens + (v.n - v.n_queued) + 1, taken)
    return TAKEN


cdef bint vector_call_off(Waiter *whole) noexcept nogil:
    return cas_u32(&whole.phase, QUEUED_MANY, LEAVING)


cdef Status settle_entries(Taken *taken, Mode mode) noexcept nogil:
    cdef Waiter *entry
    cdef Vector *v
    cdef uint32_t tokens
    check_no_lock()
    while taken.entries != NULL:
        entry = taken.entries
        v = <Vector *> entry.part
        tokens = 1
        if load_relaxed_u32(&entry.phase) == TAKEN_FIRST:
            if vector_unlink(v, mode) != OK:
                return CONTENDED
            tokens += v.tokens + 1
        taken.entries = entry.next      # before the tokens: after them the entry may be gone
        if taken.entries == NULL:
            taken.entries_end = &taken.entries
        give_up_tokens(v, tokens, taken)
    return OK


cdef Status vector_notify_through(Vector *v, int fd, void *queue, Mode mode) noexcept nogil:
    # An entry that is queued keeps its vector from being finished, and whoever takes it out of its queue does so under the
    # lock that we hold meanwhile: so the finisher sees what we set.
    cdef uint32_t i
    cdef Status status
    for i in range(v.n_queued):
        status = engine_notify_through(&v.entries[i], v.whole, fd, queue, mode)
        if status != TAKEN:
            return status
    return TAKEN
