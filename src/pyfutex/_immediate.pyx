"""The operations that answer at once. Contracts are in _immediate.pxd; the four steps of each, in manager.pyx."""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._calledtarget cimport called_cmp_requeue, called_wake_op
from pyfutex._core.bucket cimport Taken, taken_init
from pyfutex._core.engine cimport engine_requeue, engine_wake_op
from pyfutex._core.key cimport Key as CKey
from pyfutex._core.status cimport ATTACHED, CONTENDED, DETACHED, MISMATCH, OK, Status
from pyfutex._core.target cimport READ, Word, word_close, WRITE
from pyfutex._delivery cimport deliver
from pyfutex._errors cimport raise_status
from pyfutex._words cimport find_key, open_word
from pyfutex.target cimport is_called, Target

from pyfutex.results import Requeued

cdef object NOBODY = Requeued(0, 0)
cdef object new_tuple = tuple.__new__


cdef object finish(Status status, Taken *taken):
    cdef uint32_t woken = taken.n
    if woken:
        deliver(taken)
    if status != OK:
        raise_status(status, woken)
    return woken


cdef object wake_op_words(CManager *m, Target mem, object addr, Target mem2, object addr2, uint32_t op, uint32_t n,
                          uint32_t n2, int sharing, uint32_t log2_size):
    cdef const Word *changed = NULL
    cdef CKey key
    cdef Word word
    cdef Taken taken
    cdef Status status
    cdef bint held = False
    taken_init(&taken)
    status = find_key(mem, addr, log2_size, sharing, READ, &key)
    if status == OK and is_called(mem2):
        word.readers = NULL
        status = find_key(mem2, addr2, log2_size, sharing, WRITE, &word.key)
        if status == OK:
            status = called_wake_op(mem2, addr2, log2_size, op, &held)
    elif status == OK:
        status = open_word(mem2, addr2, log2_size, sharing, WRITE, &word)
        changed = &word
    if status != OK:
        raise_status(status)
    status = engine_wake_op(m, &key, &word.key, changed, op, held, n, n2, &taken, ATTACHED)
    if status == CONTENDED:
        with nogil:
            status = engine_wake_op(m, &key, &word.key, changed, op, held, n, n2, &taken, DETACHED)
    word_close(&word)
    return finish(status, &taken)


cdef object requeue_words(CManager *m, Target mem, object addr, Target mem2, object addr2, uint32_t n_wake,
                          uint32_t n_requeue, int sharing, uint32_t log2_size, bint compares, uint64_t expected):
    cdef uint32_t requeued = 0, woken
    cdef const Word *compared = NULL
    cdef CKey key, key2
    cdef Word word
    cdef Taken taken
    cdef Status status
    taken_init(&taken)
    word.readers = NULL
    status = find_key(mem, addr, log2_size, sharing, READ, &key)
    if status == OK:
        status = find_key(mem2, addr2, log2_size, sharing, READ, &key2)
    if status == OK and compares and is_called(mem):
        status = called_cmp_requeue(m, mem, addr, &key, &key2, expected, n_wake, n_requeue, &taken, &requeued)
    elif status == OK:
        if compares:
            # Opened last: no Python code runs from here to word_close.
            status = open_word(mem, addr, log2_size, sharing, READ, &word)
            if status != OK:
                raise_status(status)
            compared = &word
        status = engine_requeue(m, &key, &key2, compared, expected, n_wake, n_requeue, NULL, &taken, &requeued,
                                ATTACHED)
        if status == CONTENDED:
            with nogil:
                status = engine_requeue(m, &key, &key2, compared, expected, n_wake, n_requeue, NULL, &taken, &requeued,
                                        DETACHED)
        word_close(&word)
    woken = taken.n
    if woken:
        deliver(&taken)
    if status == MISMATCH:
        return None
    if status != OK:
        raise_status(status, woken, requeued)
    # The constructor of a named tuple is Python code, and costs ten times what a requeue does.
    return new_tuple(Requeued, (woken, requeued)) if woken or requeued else NOBODY
