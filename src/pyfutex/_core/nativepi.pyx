"""The PI operations as C code makes them. Contracts are in nativepi.pxd and pyfutex.h."""

from libc.errno cimport EAGAIN, EINVAL
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from pyfutex._core.atomic cimport load_acquire_u32
from pyfutex._core.bucket cimport Taken, taken_init
from pyfutex._core.clock cimport Deadline
from pyfutex._core.engine cimport engine_prepare, engine_sleep
from pyfutex._core.key cimport key_equal
from pyfutex._core.nativewaiter cimport deliver_detached, native_claim, native_refuse
from pyfutex._core.pi cimport Heir, Owner, TID_MASK, engine_inherit, engine_lock_pi, engine_unlock_pi
from pyfutex._core.pistate cimport piwait_init
from pyfutex._core.place cimport HIGHEST_PRIORITY, QUEUED_NOW, answer, is_too_wide, place_open, read_deadline
from pyfutex._core.requeuepi cimport Condition, Lock, engine_requeue_pi
from pyfutex._core.status cimport (
    DETACHED,
    INTERRUPTED,
    MISFIT,
    NO_OWNER,
    OK,
    OWNER_CHANGED,
    Status,
    TAKEN,
    TRY_AGAIN,
    WAITING,
)
from pyfutex._core.target cimport READ, WRITE, word_close
from pyfutex._core.waiter cimport PI, REQUEUE_PI, THREAD, Waiter, waiter_init
from pyfutex._core.word cimport Word, word_load


cdef extern from "errno.h":
    const int ENOTSUP       # libc.errno lacks it

cdef inline bint is_thread(uint32_t tid) noexcept nogil:
    return 0 < tid <= TID_MASK


cdef Status open_pi(const CManager *m, const Place *place, Word *word) noexcept nogil:
    return MISFIT if place != NULL and place.size != 4 else place_open(m, place, WRITE, word)


cdef Status ask_for_owner(CManager *m, const Place *place, uint32_t tid, Owner *owner) noexcept nogil:
    """Whether the owner of the word lives, if the manager has whom to ask. The word is closed by then, and no lock held."""
    cdef Word word
    cdef uint64_t value
    cdef Status status
    owner.tid = 0
    owner.is_alive = True
    owner.deaths = load_acquire_u32(&m.family.deaths)
    if m.owner_alive == NULL:
        return OK
    status = open_pi(m, place, &word)
    if status != OK:
        return status
    status = word_load(&word, &value)
    word_close(&word)
    value &= TID_MASK
    if status == OK and value != 0 and value != tid:
        owner.is_alive = m.owner_alive(m.owner_alive_context, <uint32_t> value) != 0
        owner.tid = <uint32_t> value
    return status


cdef Status acquire(CManager *m, Waiter *w, const Place *place, uint32_t tid, bint is_try) noexcept nogil:
    """As engine_lock_pi, but never OWNER_CHANGED. Requires: a manager."""
    cdef Owner owner
    cdef Word word
    cdef Status status
    while True:
        status = ask_for_owner(m, place, tid, &owner)
        if status == OK:
            status = open_pi(m, place, &word)
        if status != OK:
            return status
        status = engine_lock_pi(m, w, &word.key, &word, owner, is_try, DETACHED)
        word_close(&word)
        if status != OWNER_CHANGED:
            return status


cdef int call_lock_pi(CManager *m, const Place *word, uint32_t tid, const CallDeadline *deadline) noexcept nogil:
    cdef Deadline until
    cdef Waiter w
    cdef PIWait wait
    cdef Status status
    if m == NULL or word == NULL or read_deadline(deadline, &until) or not is_thread(tid):
        return -EINVAL
    while True:
        waiter_init(&w, PI, THREAD, 0, 0)
        piwait_init(&wait, &w, tid, 0, word.target, word.addr)
        status = acquire(m, &w, word, tid, False)
        if status != WAITING:
            return answer(status)
        status = engine_sleep(&w, until)
        if status == TAKEN:
            return -wait.error
        # As Linux has it, a signal does not end this.
        if status != INTERRUPTED:
            return answer(status)


cdef int call_trylock_pi(CManager *m, const Place *word, uint32_t tid) noexcept nogil:
    cdef Waiter w
    cdef PIWait wait
    if m == NULL or not is_thread(tid):
        return -EINVAL
    waiter_init(&w, PI, THREAD, 0, 0)
    piwait_init(&wait, &w, tid, 0, NULL, 0)
    return answer(acquire(m, &w, word, tid, True))


cdef int call_unlock_pi(CManager *m, const Place *word, uint32_t tid) noexcept nogil:
    cdef Word found
    cdef Taken taken
    cdef Status status = open_pi(m, word, &found) if is_thread(tid) else MISFIT
    if status != OK:
        return answer(status)
    taken_init(&taken)
    status = engine_unlock_pi(m, &found.key, &found, tid, &taken, DETACHED)
    word_close(&found)
    deliver_detached(&taken)
    return answer(status)


cdef int call_lock_pi_prepare(CManager *m, NativeWaiter *w, PIWait *wait, const Place *word, uint32_t tid,
                              uint32_t priority) noexcept nogil:
    cdef Status status
    if m == NULL or w == NULL or wait == NULL or word == NULL or not is_thread(tid) or priority > HIGHEST_PRIORITY:
        return -EINVAL
    status = native_claim(w, PI, 0, <uint8_t> priority)
    if status != OK:
        return answer(status)
    piwait_init(wait, &w.c, tid, <uint8_t> priority, word.target, word.addr)
    status = acquire(m, &w.c, word, tid, False)
    if status == WAITING:
        return QUEUED_NOW
    native_refuse(w)
    return answer(status)


cdef Status queue_for_pi(CManager *m, Waiter *w, PIWait *wait, const Place *word, const Place *word2,
                         uint64_t value) noexcept nogil:
    """Queue a REQUEUE_PI waiter, whose `wait` lacks but the key of the second word."""
    cdef Word found, found2
    cdef Status status = open_pi(m, word2, &found2)
    if status != OK:
        return status
    wait.target_key = found2.key
    word_close(&found2)
    status = place_open(m, word, READ, &found)
    if status != OK:
        return status
    if is_too_wide(word, value) or key_equal(&found.key, &found2.key):
        status = MISFIT
    else:
        status = engine_prepare(m, w, &found.key, &found, value, DETACHED)
    word_close(&found)
    return status


cdef int call_wait_requeue_pi(CManager *m, const Place *word, const Place *word2, uint64_t value, uint32_t tid,
                              const CallDeadline *deadline) noexcept nogil:
    cdef Deadline until
    cdef Waiter w
    cdef PIWait wait
    cdef Status status
    if read_deadline(deadline, &until) or not is_thread(tid) or word2 == NULL:
        return -EINVAL
    waiter_init(&w, REQUEUE_PI, THREAD, 0xFFFFFFFF, 0)
    piwait_init(&wait, &w, tid, 0, word2.target, word2.addr)
    status = queue_for_pi(m, &w, &wait, word, word2, value)
    if status != OK:
        return answer(status)
    status = engine_sleep(&w, until)
    if status == TAKEN:
        return -wait.error
    return -EAGAIN if status == INTERRUPTED and wait.was_requeued else answer(status)


cdef int call_wait_requeue_pi_prepare(CManager *m, NativeWaiter *w, PIWait *wait, const Place *word, const Place *word2,
                                      uint64_t value, uint32_t tid, uint32_t priority) noexcept nogil:
    cdef Status status
    if w == NULL or wait == NULL or word2 == NULL or not is_thread(tid) or priority > HIGHEST_PRIORITY:
        return -EINVAL
    status = native_claim(w, REQUEUE_PI, 0xFFFFFFFF, <uint8_t> priority)
    if status != OK:
        return answer(status)
    piwait_init(wait, &w.c, tid, <uint8_t> priority, word2.target, word2.addr)
    status = queue_for_pi(m, &w.c, wait, word, word2, value)
    if status == OK:
        return QUEUED_NOW
    native_refuse(w)
    return answer(status)


cdef Status requeue_to_lock(CManager *m, const Place *word, const Place *word2, uint64_t value, uint32_t n_requeue,
                            const Owner *asked, Taken *taken, uint32_t *requeued) noexcept nogil:
    """As engine_requeue_pi, on places."""
    cdef Condition condition
    cdef Lock lock
    cdef Word found, found2
    cdef Status status = place_open(m, word, READ, &found)
    if status != OK:
        return status
    status = open_pi(m, word2, &found2)
    if status == OK:
        condition.word = &found
        condition.expected = value
        condition.before = NULL
        lock.word = &found2
        lock.asked = asked[0]
        if key_equal(&found.key, &found2.key) or is_too_wide(word, value):
            status = MISFIT
        else:
            status = engine_requeue_pi(m, &found.key, &found2.key, &condition, &lock, n_requeue, taken, requeued)
        word_close(&found2)
    word_close(&found)
    return status


cdef int call_cmp_requeue_pi(CManager *m, const Place *word, const Place *word2, uint64_t value, uint32_t n_requeue,
                             Counts *counts) noexcept nogil:
    cdef Owner owner
    cdef Taken taken
    cdef uint32_t requeued = 0
    cdef Status status = MISFIT if m == NULL else OWNER_CHANGED
    taken_init(&taken)
    while status == OWNER_CHANGED:
        # Whose liveness matters is who has the word when its first waiter comes; nobody has an id of 0.
        status = ask_for_owner(m, word2, 0, &owner)
        if status == OK:
            status = requeue_to_lock(m, word, word2, value, n_requeue, &owner, &taken, &requeued)
    if counts != NULL:
        counts.woken = taken.n
        counts.requeued = requeued
    deliver_detached(&taken)
    return answer(status)


cdef int call_owner_exit(CManager *m, uint32_t tid) noexcept nogil:
    cdef Taken taken
    cdef Heir heir
    cdef Status status
    cdef int handed = 0
    if m == NULL or not is_thread(tid):
        return -EINVAL
    while True:
        taken_init(&taken)
        status = engine_inherit(m, tid, &taken, &heir)
        deliver_detached(&taken)
        if status == NO_OWNER:
            return handed
        if status == WAITING:
            return -ENOTSUP
        if status != OK and status != TRY_AGAIN:
            return answer(status)
        handed += status == OK
