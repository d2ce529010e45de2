"""The PI operations on targets of every kind. Contracts are in _pi.pxd."""

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from pyfutex._arguments cimport as_address
from pyfutex._blocking cimport recorded_answer, sleep_on, sleeper
from pyfutex._calledpi cimport called_inherit, called_lock_pi, called_unlock_pi
from pyfutex._claims cimport waiter_claim_pi, waiter_refuse
from pyfutex._core.bucket cimport taken_init
from pyfutex._core.engine cimport engine_sleep
from pyfutex._core.key cimport Key as CKey, LOG2_SIZE_U32
from pyfutex._core.pi cimport Heir, Owner, TID_MASK, engine_inherit, engine_lock_pi, engine_unlock_pi
from pyfutex._core.pistate cimport PIWait, piwait_init
from pyfutex._core.status cimport (
    ATTACHED,
    BUSY,
    CONTENDED,
    DETACHED,
    FAULT,
    INTERRUPTED,
    MISFIT,
    NO_OWNER,
    NOT_OWNER,
    OK,
    OWNER_CHANGED,
    TAKEN,
    TIMED_OUT,
    TRY_AGAIN,
    WAITING,
)
from pyfutex._core.target cimport BY_MEMORY, READ, WRITE, word_close, word_open
from pyfutex._core.waiter cimport PI, THREAD, Waiter as CWaiter, waiter_init
from pyfutex._core.word cimport Word, word_load
from pyfutex._delivery cimport deliver
from pyfutex._errors cimport raise_status
from pyfutex._owners cimport ask_for_owner
from pyfutex._recording cimport WORD_OF_MANAGER, note_end, note_wait
from pyfutex._words cimport find_key, open_word
from pyfutex.target cimport is_called


cdef enum Attempt:
    TO_LOCK
    TO_TRY
    TO_TRY_IF_FREE      # BUSY where the word holds anything: a try may leave another word than a lock does


cdef Status acquire(CManager *m, CWaiter *c, Target mem, object addr, uint32_t tid, int sharing, object owner_alive,
                    Attempt attempt) except? <Status> 255:
    """On a target that the engine reads by itself. `c`: with a PIWait."""
    cdef Owner owner
    cdef Word word
    cdef Status status
    cdef uint64_t seen
    while True:
        owner.tid = 0
        if owner_alive is not None:
            ask_for_owner(m, mem, addr, sharing, tid, owner_alive, &owner)
        status = open_word(mem, addr, LOG2_SIZE_U32, sharing, WRITE, &word)
        if status != OK:
            return status
        if attempt == TO_TRY_IF_FREE and word_load(&word, &seen) == OK and seen:
            word_close(&word)
            return BUSY
        status = engine_lock_pi(m, c, &word.key, &word, owner, attempt != TO_LOCK, ATTACHED)
        if status == CONTENDED:
            with nogil:
                status = engine_lock_pi(m, c, &word.key, &word, owner, attempt != TO_LOCK, DETACHED)
        word_close(&word)
        if status != OWNER_CHANGED:
            return status


cdef Status called_acquire_word(object manager, CManager *m, Waiter w, Target mem, object addr, uint32_t tid,
                                uint8_t priority, int sharing, object owner_alive) except? <Status> 255:
    cdef CKey key
    cdef Status status = find_key(mem, addr, LOG2_SIZE_U32, sharing, WRITE, &key)
    if status == OK:
        status = called_lock_pi(manager, m, w, mem, addr, &key, tid, priority, owner_alive)
    return status


cdef Status prepare_lock_pi(object manager, CManager *m, Waiter w, Target mem, object addr, uint32_t tid,
                            uint8_t priority, int sharing, object owner_alive) except? <Status> 255:
    cdef Status status
    cdef uint64_t a
    if is_called(mem):
        return called_acquire_word(manager, m, w, mem, addr, tid, priority, sharing, owner_alive)
    if as_address(addr, &a):
        return FAULT
    waiter_claim_pi(w, manager, mem, PI, tid, priority, a)
    try:
        status = acquire(m, &w.c, mem, addr, tid, sharing, owner_alive, TO_LOCK)
    except BaseException:
        waiter_refuse(w)
        raise
    if status != WAITING:
        waiter_refuse(w)
    return status


cdef Status try_lock_pi(object manager, CManager *m, Target mem, object addr, uint32_t tid, int sharing,
                        object owner_alive) except? <Status> 255:
    if is_called(mem):
        return called_acquire_word(manager, m, None, mem, addr, tid, 0, sharing, owner_alive)
    return attempt_lock_pi(m, mem, addr, tid, sharing, owner_alive, TO_TRY)


cdef Status attempt_lock_pi(CManager *m, Target mem, object addr, uint32_t tid, int sharing, object owner_alive,
                            Attempt attempt) except? <Status> 255:
    cdef CWaiter w
    cdef PIWait wait
    waiter_init(&w, PI, THREAD, 0, 0)
    piwait_init(&wait, &w, tid, 0, NULL, 0)
    return acquire(m, &w, mem, addr, tid, sharing, owner_alive, attempt)


cdef object lock_pi_called(object manager, CManager *m, Target mem, object addr, uint32_t tid, Deadline until,
                           int sharing, object owner_alive):
    cdef Waiter w = sleeper()
    cdef Status status
    while True:
        status = called_acquire_word(manager, m, w, mem, addr, tid, 0, sharing, owner_alive)
        if status == OK:
            return True
        if status != WAITING:
            raise_status(status)
        result = sleep_on(w, until)
        if result is not None:
            if w.result:
                raise_status(FAULT)
            return bool(result)
        PyErr_CheckSignals()


cdef object block_lock_pi(object manager, CManager *m, Target mem, object addr, uint32_t tid, Deadline until,
                          int sharing, object owner_alive):
    cdef CWaiter w
    cdef PIWait wait
    cdef Owner owner
    cdef Word word
    cdef Status status
    cdef uint64_t a, asleep
    if is_called(mem):
        return lock_pi_called(manager, m, mem, addr, tid, until, sharing, owner_alive)
    if as_address(addr, &a):
        raise_status(FAULT)
    while True:
        # A free word is had attached.
        status = attempt_lock_pi(m, mem, addr, tid, sharing, owner_alive, TO_TRY_IF_FREE)
        if status == OK:
            return True
        if status != BUSY:
            raise_status(status)
        owner.tid = 0
        if owner_alive is not None:
            ask_for_owner(m, mem, addr, sharing, tid, owner_alive, &owner)
        status = open_word(mem, addr, LOG2_SIZE_U32, sharing, WRITE, &word)
        if status != OK:
            raise_status(status)
        asleep = note_wait(WORD_OF_MANAGER, word.key.space, word.key.offset, <uint64_t> &w, 0)
        with nogil:
            waiter_init(&w, PI, THREAD, 0, 0)
            piwait_init(&wait, &w, tid, 0, &mem.c, a)
            status = engine_lock_pi(m, &w, &word.key, &word, owner, False, DETACHED)
            word_close(&word)
            if status == WAITING:
                status = engine_sleep(&w, until)
        note_end(asleep, recorded_answer(status))
        if status == TAKEN:
            status = FAULT if wait.error else OK
        if status == OK:
            return True
        if status == TIMED_OUT:
            return False
        if status == INTERRUPTED:
            PyErr_CheckSignals()
        elif status != OWNER_CHANGED:
            raise_status(status)


cdef long holds_unaligned(Target mem, object addr) except -2:
    # Linux reads the word before it looks at the alignment: whose is it? -1: unreadable.
    cdef Word byte
    cdef uint64_t a, part
    cdef uint32_t value = 0
    cdef Status status
    cdef int i
    if as_address(addr, &a):
        return -1
    for i in range(4):
        status = word_open(&mem.c, a + i, 0, BY_MEMORY, READ, &byte)
        if status == OK:
            status = word_load(&byte, &part)
            word_close(&byte)
        if status != OK:
            return -1
        value |= <uint32_t> part << 8 * i
    return value & TID_MASK


cdef Status release_pi(CManager *m, Target mem, object addr, uint32_t tid, int sharing,
                       Taken *taken) except? <Status> 255:
    cdef Word word
    cdef Status status
    if is_called(mem):
        status = find_key(mem, addr, LOG2_SIZE_U32, sharing, WRITE, &word.key)
        if status == OK:
            status = called_unlock_pi(m, mem, addr, &word.key, tid, taken)
        return status
    status = open_word(mem, addr, LOG2_SIZE_U32, sharing, WRITE, &word)
    if status == MISFIT and holds_unaligned(mem, addr) != tid:
        status = NOT_OWNER
    if status != OK:
        return status
    status = engine_unlock_pi(m, &word.key, &word, tid, taken, ATTACHED)
    if status == CONTENDED:
        with nogil:
            status = engine_unlock_pi(m, &word.key, &word, tid, taken, DETACHED)
    word_close(&word)
    return status


cdef object inherit_pi(CManager *m, uint32_t tid):
    cdef Taken taken
    cdef Heir heir
    cdef Status status
    cdef uint32_t handed = 0
    while True:
        taken_init(&taken)
        with nogil:
            status = engine_inherit(m, tid, &taken, &heir)
        if status == WAITING:
            try:
                handed += called_inherit(m, tid, &heir, &taken)
            finally:
                deliver(&taken)
        elif status == OK or status == TRY_AGAIN:
            deliver(&taken)
            handed += status == OK
        elif status == NO_OWNER:
            return handed
        else:
            raise_status(status)
