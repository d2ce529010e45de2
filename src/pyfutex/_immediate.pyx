"""The operations that answer at once. Contracts are in _immediate.pxd; the four steps of each, in manager.pyx."""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._arguments cimport as_address
from pyfutex._calledtarget cimport called_cmp_requeue, called_lock_pi, called_unlock_pi, called_wake_op
from pyfutex._core.bucket cimport Taken, taken_init
from pyfutex._core.engine cimport engine_requeue, engine_wake_op
from pyfutex._core.key cimport Key as CKey
from pyfutex._core.pi cimport engine_lock_pi, engine_unlock_pi, Owner, TID_MASK
from pyfutex._core.status cimport (
    ATTACHED,
    CONTENDED,
    DETACHED,
    MISFIT,
    MISMATCH,
    NOT_OWNER,
    OK,
    OWNER_CHANGED,
    Status,
)
from pyfutex._core.target cimport BY_MEMORY, READ, Word, word_close, word_open, WRITE
from pyfutex._core.waiter cimport Waiter as CWaiter
from pyfutex._delivery cimport deliver
from pyfutex._errors cimport raise_status
from pyfutex._owners cimport ask_for_owner
from pyfutex._words cimport find_key, open_word
from pyfutex.target cimport is_called, Target
from pyfutex.waiter cimport Waiter

from pyfutex.results import Requeued


cdef object finish(Status status, Taken *taken):
    cdef uint32_t woken = taken.n
    if woken:
        deliver(taken)
    if status != OK:
        raise_status(status, woken)
    return woken


cdef object wake_op_words(CManager *m, Target mem, object addr, Target mem2, object addr2, uint32_t op, uint32_t n,
                          uint32_t n2, int sharing):
    cdef uint32_t *host = NULL
    cdef CKey key
    cdef Word word
    cdef Taken taken
    cdef Status status
    cdef bint held = False
    taken_init(&taken)
    status = find_key(mem, addr, sharing, READ, &key)
    if status == OK and is_called(mem2):
        word.readers = NULL
        status = find_key(mem2, addr2, sharing, WRITE, &word.key)
        if status == OK:
            status = called_wake_op(mem2, addr2, op, &held)
    elif status == OK:
        status = open_word(mem2, addr2, sharing, WRITE, &word)
        host = <uint32_t *> word.host
    if status != OK:
        raise_status(status)
    status = engine_wake_op(m, &key, &word.key, host, op, held, n, n2, &taken, ATTACHED)
    if status == CONTENDED:
        with nogil:
            status = engine_wake_op(m, &key, &word.key, host, op, held, n, n2, &taken, DETACHED)
    word_close(&word)
    return finish(status, &taken)


cdef long holds_unaligned(Target mem, object addr) except -2:
    # Linux reads the word before it looks at the alignment: whose is it? -1: unreadable.
    cdef Word byte
    cdef uint64_t a
    cdef uint32_t value = 0
    cdef int i
    if as_address(addr, &a):
        return -1
    for i in range(4):
        if word_open(&mem.c, a + i, 0, BY_MEMORY, READ, &byte) != OK:
            return -1
        value |= <uint32_t> (<unsigned char *> byte.host)[0] << 8 * i
        word_close(&byte)
    return value & TID_MASK


cdef Status acquire_pi(object manager, CManager *m, Waiter w, CWaiter *c, Target mem, object addr, uint32_t tid,
                       int sharing, object owner_alive) except? <Status> 255:
    cdef Owner owner
    cdef CKey key
    cdef Word word
    cdef Status status
    if is_called(mem):
        status = find_key(mem, addr, sharing, WRITE, &key)
        if status == OK:
            status = called_lock_pi(manager, m, w, mem, addr, &key, tid, owner_alive)
        return status
    while True:
        owner.tid = 0
        if owner_alive is not None:
            ask_for_owner(mem, addr, sharing, tid, owner_alive, &owner)
        status = open_word(mem, addr, sharing, WRITE, &word)
        if status != OK:
            return status
        status = engine_lock_pi(m, c, &word.key, <uint32_t *> word.host, owner, w is None, ATTACHED)
        if status == CONTENDED:
            with nogil:
                status = engine_lock_pi(m, c, &word.key, <uint32_t *> word.host, owner, w is None, DETACHED)
        word_close(&word)
        if status != OWNER_CHANGED:
            return status


cdef int release_pi(CManager *m, Target mem, object addr, uint32_t tid, int sharing) except -1:
    cdef Word word
    cdef Taken taken
    cdef Status status
    taken_init(&taken)
    if is_called(mem):
        status = find_key(mem, addr, sharing, WRITE, &word.key)
        if status == OK:
            status = called_unlock_pi(m, mem, addr, &word.key, tid, &taken)
        finish(status, &taken)
        return 0
    status = open_word(mem, addr, sharing, WRITE, &word)
    if status == MISFIT and holds_unaligned(mem, addr) != tid:
        status = NOT_OWNER
    if status != OK:
        raise_status(status)
    status = engine_unlock_pi(m, &word.key, <uint32_t *> word.host, tid, &taken, ATTACHED)
    if status == CONTENDED:
        with nogil:
            status = engine_unlock_pi(m, &word.key, <uint32_t *> word.host, tid, &taken, DETACHED)
    word_close(&word)
    finish(status, &taken)
    return 0


cdef object requeue_words(CManager *m, Target mem, object addr, Target mem2, object addr2, uint32_t n_wake,
                          uint32_t n_requeue, int sharing, bint compares, uint32_t expected):
    cdef uint32_t requeued = 0, woken
    cdef uint32_t *host = NULL
    cdef CKey key, key2
    cdef Word word
    cdef Taken taken
    cdef Status status
    taken_init(&taken)
    word.readers = NULL
    status = find_key(mem, addr, sharing, READ, &key)
    if status == OK:
        status = find_key(mem2, addr2, sharing, READ, &key2)
    if status == OK and compares and is_called(mem):
        status = called_cmp_requeue(m, mem, addr, &key, &key2, expected, n_wake, n_requeue, &taken, &requeued)
    elif status == OK:
        if compares:
            # Opened last: no Python code runs from here to word_close.
            status = open_word(mem, addr, sharing, READ, &word)
            if status != OK:
                raise_status(status)
            host = <uint32_t *> word.host
        status = engine_requeue(m, &key, &key2, host, expected, n_wake, n_requeue, NULL, &taken, &requeued, ATTACHED)
        if status == CONTENDED:
            with nogil:
                status = engine_requeue(m, &key, &key2, host, expected, n_wake, n_requeue, NULL, &taken, &requeued,
                                        DETACHED)
        word_close(&word)
    woken = taken.n
    if woken:
        deliver(&taken)
    if status == MISMATCH:
        return None
    if status != OK:
        raise_status(status, woken, requeued)
    return Requeued(woken, requeued)
