"""The operations as C code makes them. Contracts are in nativecalls.pxd and pyfutex.h."""

from libc.errno cimport EINVAL, ENOMEM
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc

from pyfutex._core.atomic cimport prefetch
from pyfutex._core.bucket cimport Taken, taken_init
from pyfutex._core.bucketlocks cimport MOST_LOCKED
from pyfutex._core.checks cimport poison
from pyfutex._core.clock cimport Deadline
from pyfutex._core.engine cimport (
    await_mark,
    engine_prepare,
    engine_requeue,
    engine_sleep,
    engine_wake,
    engine_wake_op,
)
from pyfutex._core.family cimport table_of
from pyfutex._core.key cimport key_hash
from pyfutex._core.nativewaiter cimport (
    deliver_detached,
    native_cancel,
    native_claim,
    native_init,
    native_phase,
    native_refuse,
    native_result,
    native_sleep,
)
from pyfutex._core.place cimport HIGHEST_PRIORITY, QUEUED_NOW, answer, is_too_wide, place_open, read_deadline
from pyfutex._core.status cimport (
    DETACHED,
    MISFIT,
    NOT_OWNER,
    OK,
    Status,
    TAKEN,
)
from pyfutex._core.table cimport table_bucket
from pyfutex._core.target cimport KEY, READ, WRITE, word_close
from pyfutex._core.vector cimport Vector
from pyfutex._core.waiter cimport PLAIN, QUEUED, THREAD, VECTOR, WOKEN, Waiter, waiter_init
from pyfutex._core.waitv cimport vector_begin, vector_give_up, vector_queue, vector_ready
from pyfutex._core.wakev cimport WakeRequest, engine_wakev
from pyfutex._core.word cimport Word


cdef extern from "errno.h":
    const int ECANCELED     # libc.errno lacks it


cdef void call_prefetch(CManager *m, const Place *word, const NativeWaiter *w) noexcept nogil:
    cdef Word found
    if place_open(m, word, KEY, &found) != OK:
        return
    word_close(&found)
    prefetch(table_bucket(table_of(m, &found.key), key_hash(&found.key, &m.seed)))
    if w != NULL:
        # A line for each half: at least one more where it does not begin a line.
        prefetch(w)
        prefetch(<const char *> w + sizeof(NativeWaiter) - 1)


# --- waking ---------------------------------------------------------------------------------------------------------

cdef int call_wake(CManager *m, const Place *word, uint32_t n, uint32_t bitset) noexcept nogil:
    cdef Word found
    cdef Taken taken
    cdef Status status
    if bitset == 0:
        return -EINVAL
    status = place_open(m, word, READ, &found)
    if status != OK:
        return answer(status)
    word_close(&found)
    if n == 0:
        return 0
    taken_init(&taken)
    status = engine_wake(m, &found.key, n, bitset, &taken, DETACHED)
    n = taken.n
    if n:
        deliver_detached(&taken)
    return <int> n if status == OK else answer(status)


cdef int call_wakev(CManager *m, WakeItem *items, size_t n) noexcept nogil:
    cdef WakeRequest requests[MOST_LOCKED]
    cdef Word found
    cdef Taken taken
    cdef Status status
    cdef WakeItem *item
    cdef size_t i, portion, first = 0
    cdef uint32_t n_valid
    if m == NULL or (items == NULL and n):
        return -EINVAL
    while first < n:
        portion = n - first if n - first < MOST_LOCKED else MOST_LOCKED
        n_valid = 0
        for i in range(portion):
            item = &items[first + i]
            status = MISFIT if item.bitset == 0 else place_open(m, &item.place, READ, &found)
            item.result = answer(status)
            if status != OK:
                continue
            word_close(&found)
            if item.n:
                requests[n_valid].key = found.key
                requests[n_valid].n = item.n
                requests[n_valid].bitset = item.bitset
                requests[n_valid].index = <uint32_t> i
                n_valid += 1
        taken_init(&taken)
        status = engine_wakev(m, requests, n_valid, &taken, DETACHED)
        if status != OK:
            return answer(status)
        for i in range(n_valid):
            item = &items[first + requests[i].index]
            item.result = <int> requests[i].woken if requests[i].status == OK else answer(requests[i].status)
        if taken.n:
            deliver_detached(&taken)
        first += portion
    return 0


cdef int call_requeue(CManager *m, const Place *word, const Place *word2, bint compares, uint64_t value, uint32_t n_wake,
                      uint32_t n_requeue, Counts *counts) noexcept nogil:
    cdef Word found, found2
    cdef Taken taken
    cdef uint32_t requeued = 0
    cdef Status status = place_open(m, word, READ, &found)
    if counts != NULL:
        counts.woken = counts.requeued = 0
    if status != OK:
        return answer(status)
    status = place_open(m, word2, READ, &found2)
    if status == OK:
        word_close(&found2)
        taken_init(&taken)
        if compares and is_too_wide(word, value):
            status = MISFIT
        else:
            status = engine_requeue(m, &found.key, &found2.key, &found if compares else NULL, value, n_wake, n_requeue,
                                    NULL, &taken, &requeued, DETACHED)
        word_close(&found)
        if counts != NULL:
            counts.woken = taken.n
            counts.requeued = requeued
        if taken.n:
            deliver_detached(&taken)
    else:
        word_close(&found)
    return answer(status)


cdef int call_wake_op(CManager *m, const Place *word, const Place *word2, uint32_t op, uint32_t n,
                      uint32_t n2) noexcept nogil:
    cdef Word found, found2
    cdef Taken taken
    cdef Status status = place_open(m, word, READ, &found)
    if status != OK:
        return answer(status)
    word_close(&found)
    status = place_open(m, word2, WRITE, &found2)
    if status != OK:
        return answer(status)
    taken_init(&taken)
    status = engine_wake_op(m, &found.key, &found2.key, &found2, op, False, n, n2, &taken, DETACHED)
    word_close(&found2)
    n = taken.n
    if n:
        deliver_detached(&taken)
    return <int> n if status == OK else answer(status)


# --- sleeping -------------------------------------------------------------------------------------------------------

cdef inline int ended(Status status) noexcept nogil:
    # Of engine_sleep.
    return 0 if status == TAKEN else answer(status)


cdef int call_wait(CManager *m, const Place *word, uint64_t value, uint32_t bitset,
                   const CallDeadline *deadline) noexcept nogil:
    cdef Deadline until
    cdef Word found
    cdef Waiter w
    cdef Status status
    if bitset == 0 or read_deadline(deadline, &until):
        return -EINVAL
    status = place_open(m, word, READ, &found)
    if status != OK:
        return answer(status)
    if is_too_wide(word, value):
        status = MISFIT
    else:
        waiter_init(&w, PLAIN, THREAD, bitset, 0)
        status = engine_prepare(m, &w, &found.key, &found, value, DETACHED)
    word_close(&found)
    return ended(engine_sleep(&w, until)) if status == OK else answer(status)


cdef int call_wake_wait(CManager *m, const Place *word, uint32_t n, const Place *word2, uint64_t value,
                        const CallDeadline *deadline, uint32_t *woken) noexcept nogil:
    cdef Deadline until
    cdef Word found, found2
    cdef Taken taken
    cdef Waiter w
    cdef Status woke, status
    if woken != NULL:
        woken[0] = 0
    if read_deadline(deadline, &until):
        return -EINVAL
    # Whatever is wrong with the second word is found out before anybody is woken.
    status = place_open(m, word, READ, &found)
    if status != OK:
        return answer(status)
    word_close(&found)
    status = place_open(m, word2, READ, &found2)
    if status != OK:
        return answer(status)
    taken_init(&taken)
    woke = OK
    if is_too_wide(word2, value):
        woke = MISFIT
    elif n:
        woke = engine_wake(m, &found.key, n, 0xFFFFFFFF, &taken, DETACHED)
    if woken != NULL:
        woken[0] = taken.n
    if woke == OK:
        # Queue first, then wake: whoever is woken finds us queued. A refused wait wakes all the same.
        waiter_init(&w, PLAIN, THREAD, 0xFFFFFFFF, 0)
        status = engine_prepare(m, &w, &found2.key, &found2, value, DETACHED)
    word_close(&found2)
    if taken.n:
        deliver_detached(&taken)
    if woke != OK:
        return answer(woke)
    return ended(engine_sleep(&w, until)) if status == OK else answer(status)


cdef int call_waitv(CManager *m, const CallItem *items, uint32_t n, const CallDeadline *deadline) noexcept nogil:
    # On the heap: n is the caller's choice.
    cdef Waiter *entries
    cdef Deadline until
    cdef NativeWaiter w
    cdef Vector v
    cdef int result
    if n == 0 or read_deadline(deadline, &until):
        return -EINVAL
    entries = <Waiter *> malloc(n * sizeof(Waiter))
    if entries == NULL:
        return -ENOMEM
    native_init(&w, NULL, NULL, NULL)
    result = call_waitv_prepare(m, &w, &v, entries, items, n)
    if result == QUEUED_NOW:
        result = call_waiter_wait(&w, deadline)
        if result == 0 or not native_cancel(&w):
            await_mark(&w.c)
            result = native_result(&w)
    poison(entries, n * sizeof(Waiter))
    poison(&w, sizeof(NativeWaiter))
    free(entries)
    return result


# --- waiters that nobody sleeps in ----------------------------------------------------------------------------------

cdef int call_wait_prepare(CManager *m, NativeWaiter *w, const Place *word, uint64_t value, uint32_t bitset,
                           uint32_t priority) noexcept nogil:
    cdef Word found
    cdef Status status
    if w == NULL or bitset == 0 or priority > HIGHEST_PRIORITY:
        return -EINVAL
    status = place_open(m, word, READ, &found)
    if status != OK:
        return answer(status)
    if is_too_wide(word, value):
        status = MISFIT
    else:
        status = native_claim(w, PLAIN, bitset, <uint8_t> priority)
        if status == OK:
            status = engine_prepare(m, &w.c, &found.key, &found, value, DETACHED)
            if status != OK:
                native_refuse(w)
    word_close(&found)
    return QUEUED_NOW if status == OK else answer(status)


cdef Status queue_one(CManager *m, Vector *v, Waiter *entries, const CallItem *item) noexcept nogil:
    cdef Word found
    cdef Status status = place_open(m, &item.place, READ, &found)
    if status != OK:
        return status
    if is_too_wide(&item.place, item.value):
        status = MISFIT
    else:
        status = vector_queue(m, v, &found.key, &found, item.value, DETACHED)
    word_close(&found)
    return status


cdef int call_waitv_prepare(CManager *m, NativeWaiter *w, Vector *v, Waiter *entries, const CallItem *items,
                            uint32_t n) noexcept nogil:
    cdef Taken taken
    cdef Status status
    cdef uint32_t i
    if m == NULL or w == NULL or v == NULL or entries == NULL or items == NULL or not 0 < n < QUEUED_NOW:
        return -EINVAL
    status = native_claim(w, VECTOR, 0, 0)
    if status != OK:
        return answer(status)
    v.entries = entries
    vector_begin(m, v, &w.c, n)
    for i in range(n):
        status = queue_one(m, v, entries, &items[i])
        if status != OK:
            break
    if status == OK and vector_ready(v) == OK:
        return QUEUED_NOW
    taken_init(&taken)
    if vector_give_up(v, &taken, DETACHED) == OK:
        native_refuse(w)
        return answer(status)
    # A wake that met an entry meanwhile counted us: that wins over a word that differs.
    deliver_detached(&taken)
    return QUEUED_NOW


cdef int call_waiter_cancel(NativeWaiter *w) noexcept nogil:
    return w != NULL and native_cancel(w)


cdef int call_waiter_wait(NativeWaiter *w, const CallDeadline *deadline) noexcept nogil:
    cdef Deadline until
    cdef Status status
    if w == NULL or read_deadline(deadline, &until):
        return -EINVAL
    status = native_sleep(w, until)
    if status == TAKEN:
        return 0
    return -ECANCELED if status == NOT_OWNER else answer(status)


cdef int call_waiter_result(const NativeWaiter *w) noexcept nogil:
    cdef uint32_t phase
    if w == NULL:
        return -EINVAL
    phase = native_phase(<NativeWaiter *> w)
    if phase == WOKEN:
        return native_result(w)
    return QUEUED_NOW if phase == QUEUED else -ECANCELED
