"""wait_requeue_pi and cmp_requeue_pi, on targets of every kind. Contracts are in _requeuepi.pxd.

Where one of the two targets is Python's the comparison takes the way of _calledtarget: a placeholder in the queue, a load,
and only those who stand before it are moved. The PI word is then changed before the queue is, under its target's mutex.
"""

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport uint64_t

from pyfutex._arguments cimport as_address
from pyfutex._blocking cimport sleep_on, sleeper
from pyfutex._calledpi cimport called_acquire, enter_pi, remember_target
from pyfutex._calledtarget cimport called_load, called_queue, hold_place, leave_place
from pyfutex._claims cimport waiter_claim_pi, waiter_refuse
from pyfutex._core.engine cimport engine_prepare, engine_sleep
from pyfutex._core.key cimport Key as CKey, LOG2_SIZE_U32, key_equal
from pyfutex._core.pistate cimport PIWait, piwait_init, wait_of
from pyfutex._core.requeuepi cimport Condition, Lock, engine_requeue_pi, engine_top_requeuer
from pyfutex._core.status cimport (
    ATTACHED,
    CONTENDED,
    DETACHED,
    FAULT,
    INTERRUPTED,
    MISFIT,
    MISMATCH,
    NO_MEMORY,
    OK,
    OWNER_CHANGED,
    TAKEN,
    TIMED_OUT,
    WAITING,
)
from pyfutex._core.target cimport Access, READ, Sharing, WRITE, word_close, word_open
from pyfutex._core.waiter cimport REQUEUE_PI, THREAD, Waiter as CWaiter, waiter_init
from pyfutex._core.word cimport Word, word_load
from pyfutex._errors cimport raise_status
from pyfutex._owners cimport ask_for_owner
from pyfutex._pimutex cimport pi_leave
from pyfutex._words cimport find_key, open_word
from pyfutex.target cimport is_called

from pyfutex.results import WaitResult

cdef object TIMEOUT = WaitResult.TIMEOUT
cdef object WOKEN = WaitResult.WOKEN
cdef object DIFFERED = WaitResult.MISMATCH


cdef Status load_word(Target mem, object addr, int sharing, uint32_t *value) except? <Status> 255:
    cdef Word word
    cdef uint64_t seen
    cdef Status status
    if is_called(mem):
        value[0] = called_load(mem, addr)
        return OK
    status = open_word(mem, addr, LOG2_SIZE_U32, sharing, READ, &word)
    if status == OK:
        status = word_load(&word, &seen)
        value[0] = <uint32_t> seen
        word_close(&word)
    return status


cdef Status find_both(Target mem, object addr, Target mem2, object addr2, uint32_t val, int sharing, Access access2,
                      CKey *key, CKey *key2) except? <Status> 255:
    """The keys of a wait, in Linux's order: the second word first; two equal ones after the comparison."""
    cdef Status status = find_key(mem2, addr2, LOG2_SIZE_U32, sharing, access2, key2)
    cdef uint32_t seen
    if mem is mem2 and addr == addr2:
        return MISFIT
    if status == OK:
        status = find_key(mem, addr, LOG2_SIZE_U32, sharing, READ, key)
    if status == OK and key_equal(key, key2):
        status = load_word(mem, addr, sharing, &seen)
        if status == OK:
            status = MISFIT if seen == val else MISMATCH
    return status


cdef Status prepare_requeue_pi(object manager, CManager *m, Waiter w, Target mem, object addr, Target mem2, object addr2,
                               uint32_t val, uint32_t tid, uint8_t priority, int sharing,
                               Access access2) except? <Status> 255:
    cdef CKey key, key2
    cdef Word word
    cdef uint64_t a2
    cdef Status status = find_both(mem, addr, mem2, addr2, val, sharing, access2, &key, &key2)
    if status != OK:
        return status
    if as_address(addr2, &a2):
        return FAULT
    if is_called(mem2):
        remember_target(mem2)
    waiter_claim_pi(w, manager, mem2, REQUEUE_PI, tid, priority, a2)
    wait_of(&w.c).target_key = key2
    if is_called(mem):
        return called_queue(m, w, mem, addr, &key, val)
    status = open_word(mem, addr, LOG2_SIZE_U32, sharing, READ, &word)
    if status == OK:
        status = engine_prepare(m, &w.c, &word.key, &word, val, ATTACHED)
        if status == CONTENDED:
            with nogil:
                status = engine_prepare(m, &w.c, &word.key, &word, val, DETACHED)
        word_close(&word)
    if status != OK:
        waiter_refuse(w)
    return status


cdef object block_on_object(object manager, CManager *m, Target mem, object addr, Target mem2, object addr2, uint32_t val,
                            uint32_t tid, Deadline until, int sharing):
    cdef Waiter w = sleeper()
    cdef Status status
    while True:
        status = prepare_requeue_pi(manager, m, w, mem, addr, mem2, addr2, val, tid, 0, sharing, WRITE)
        if status == MISMATCH:
            return DIFFERED
        if status != OK:
            raise_status(status)
        result = sleep_on(w, until)
        if result is not None:
            if result is WOKEN and w.result:
                raise_status(FAULT)
            return result
        PyErr_CheckSignals()
        if wait_of(&w.c).was_requeued:
            return DIFFERED


cdef object block_requeue_pi(object manager, CManager *m, Target mem, object addr, Target mem2, object addr2,
                             uint32_t val, uint32_t tid, Deadline until, int sharing):
    cdef CWaiter w
    cdef PIWait wait
    cdef CKey key, key2
    cdef Word word
    cdef uint64_t a2
    cdef Status status
    if is_called(mem) or is_called(mem2):
        return block_on_object(manager, m, mem, addr, mem2, addr2, val, tid, until, sharing)
    while True:
        status = find_both(mem, addr, mem2, addr2, val, sharing, WRITE, &key, &key2)
        if status == OK and as_address(addr2, &a2):
            status = FAULT
        if status == OK:
            status = open_word(mem, addr, LOG2_SIZE_U32, sharing, READ, &word)
        if status == MISMATCH:
            return DIFFERED
        if status != OK:
            raise_status(status)
        with nogil:
            waiter_init(&w, REQUEUE_PI, THREAD, 0xFFFFFFFF, 0)
            piwait_init(&wait, &w, tid, 0, &mem2.c, a2)
            wait.target_key = key2
            status = engine_prepare(m, &w, &word.key, &word, val, DETACHED)
            word_close(&word)
            if status == OK:
                status = engine_sleep(&w, until)
        if status == TAKEN:
            if wait.error:
                raise_status(FAULT)
            return WOKEN
        if status == TIMED_OUT:
            return TIMEOUT
        if status == MISMATCH:
            return DIFFERED
        if status != INTERRUPTED:
            raise_status(status)
        PyErr_CheckSignals()
        if wait.was_requeued:
            return DIFFERED


cdef Status requeue_native(CManager *m, Target mem, object addr, Target mem2, object addr2, uint32_t val,
                           uint32_t n_requeue, int sharing, object owner_alive, Taken *taken,
                           uint32_t *requeued) except? <Status> 255:
    cdef Condition condition
    cdef Lock lock
    cdef Word word, word2
    cdef uint64_t a, a2
    cdef Status status
    if as_address(addr, &a) or as_address(addr2, &a2):
        return FAULT
    condition.expected = val
    condition.before = NULL
    while True:
        lock.asked.tid = 0
        if owner_alive is not None:
            # Whose liveness matters is who has the word when its first waiter comes; nobody has an id of 0.
            ask_for_owner(m, mem2, addr2, sharing, 0, owner_alive, &lock.asked)
        # No Python code may run from here to word_close.
        status = word_open(&mem.c, a, LOG2_SIZE_U32, <Sharing> sharing, READ, &word)
        if status != OK:
            return status
        status = word_open(&mem2.c, a2, LOG2_SIZE_U32, <Sharing> sharing, WRITE, &word2)
        if status == OK:
            condition.word = &word
            lock.word = &word2
            if key_equal(&word.key, &word2.key):
                status = MISFIT
            else:
                with nogil:
                    status = engine_requeue_pi(m, &word.key, &word2.key, &condition, &lock, n_requeue, taken, requeued)
            word_close(&word2)
        word_close(&word)
        if status != OWNER_CHANGED:
            return status


cdef Status requeue_called(CManager *m, Target mem, object addr, const CKey *key, Target mem2, object addr2,
                           const CKey *key2, uint32_t n_requeue, int sharing, object owner_alive, CWaiter *placeholder,
                           Taken *taken, uint32_t *requeued) except? <Status> 255:
    """The word compared equal when `placeholder` stood in the queue."""
    cdef Condition condition
    cdef Lock lock
    cdef Word word2
    cdef Status status
    condition.word = NULL
    condition.before = placeholder
    while True:
        lock.word = NULL
        lock.asked.tid = 0
        word2.readers = NULL
        if is_called(mem2):
            status = engine_top_requeuer(m, key, key2, &lock.tid, ATTACHED)
            if status == CONTENDED:
                with nogil:
                    status = engine_top_requeuer(m, key, key2, &lock.tid, DETACHED)
            if status != OK or lock.tid == 0:
                return status
            lock.found = called_acquire(m, mem2, addr2, key2, lock.tid, n_requeue != 0, owner_alive, &lock.owner,
                                        &lock.asked)
            if lock.found != OK and lock.found != WAITING:
                return lock.found
        else:
            if owner_alive is not None:
                ask_for_owner(m, mem2, addr2, sharing, 0, owner_alive, &lock.asked)
            status = open_word(mem2, addr2, LOG2_SIZE_U32, sharing, WRITE, &word2)
            if status != OK:
                return status
            lock.word = &word2
        with nogil:
            status = engine_requeue_pi(m, key, key2, &condition, &lock, n_requeue, taken, requeued)
        word_close(&word2)
        if status != OWNER_CHANGED:
            return status


cdef Status requeue_pi_words(CManager *m, Target mem, object addr, Target mem2, object addr2, uint32_t val,
                             uint32_t n_requeue, int sharing, object owner_alive, Taken *taken,
                             uint32_t *requeued) except? <Status> 255:
    cdef CWaiter *placeholder
    cdef CKey key, key2
    cdef uint32_t seen
    cdef Status status
    if mem is mem2 and addr == addr2:
        return MISFIT
    if not is_called(mem) and not is_called(mem2):
        return requeue_native(m, mem, addr, mem2, addr2, val, n_requeue, sharing, owner_alive, taken, requeued)
    status = find_key(mem, addr, LOG2_SIZE_U32, sharing, READ, &key)
    if status == OK:
        status = find_key(mem2, addr2, LOG2_SIZE_U32, sharing, WRITE, &key2)
    if status == OK and key_equal(&key, &key2):
        status = MISFIT
    if status != OK:
        return status
    if is_called(mem2):
        enter_pi(mem2)
    try:
        placeholder = hold_place(m, &key)
        if placeholder == NULL:
            return NO_MEMORY
        try:
            status = load_word(mem, addr, sharing, &seen)
            if status == OK:
                status = MISMATCH if seen != val else requeue_called(m, mem, addr, &key, mem2, addr2, &key2, n_requeue,
                                                                     sharing, owner_alive, placeholder, taken, requeued)
            return status
        finally:
            leave_place(placeholder)
    finally:
        if is_called(mem2):
            pi_leave(&mem2.pi)
