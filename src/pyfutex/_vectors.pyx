"""Queueing a Waiter on several words.

All items are converted and their keys found before anything is queued. Then they are queued one by one, in order. Words of
Python targets are loaded after they were queued, as everywhere: Python code may run while earlier items are queued, which
is why all of them lie in memory of the Waiter, which stays PREPARING until the last one is queued.
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport free, malloc

from pyfutex._arguments cimport as_address, as_sharing, as_size, as_word
from pyfutex._calledtarget cimport called_load_cell
from pyfutex._claims cimport waiter_claim, waiter_refuse
from pyfutex._core.bucket cimport Taken, taken_init
from pyfutex._core.family cimport CManager
from pyfutex._core.key cimport key_log2_size
from pyfutex._core.parts cimport vector_for
from pyfutex._core.status cimport ATTACHED, CONTENDED, DETACHED, FAULT, MISFIT, MISMATCH, NO_MEMORY, OK, Status, TAKEN
from pyfutex._core.target cimport READ, Sharing, Word, word_close, word_open
from pyfutex._core.vector cimport Vector
from pyfutex._core.waiter cimport VECTOR
from pyfutex._core.waitv cimport vector_begin, vector_give_up, vector_queue, vector_ready
from pyfutex._delivery cimport deliver
from pyfutex._words cimport find_key
from pyfutex.target cimport is_called, Target
from pyfutex.waiter cimport Waiter, waiter_settle


cdef enum:
    ON_STACK = 32
    MOST_ITEMS = 0x3FFFFFFF

cdef Status convert_item(object given, Item *item, list targets, list addrs) except? <Status> 255:
    cdef tuple words
    cdef Py_ssize_t n
    cdef uint32_t log2_size
    cdef object mem
    if not isinstance(given, tuple) or not 3 <= len(given) <= 5:
        raise TypeError(f"an item must be a WaitItem or a tuple (mem, addr, val[, private[, size]]), not {given!r}")
    words = <tuple> given
    n = len(words)
    mem = words[0]
    if not isinstance(mem, Target):
        raise TypeError(f"mem must be a Target, not {type(mem).__name__}")
    log2_size = as_size(words[4] if n > 4 else 4)
    as_word(words[2], log2_size, &item.val)
    item.mark = 0
    item.sharing = as_sharing(words[3] if n > 3 else None)
    item.target = &(<Target> mem).c
    item.is_called = is_called(<Target> mem)
    targets.append(mem)
    addrs.append(words[1])
    if as_address(words[1], &item.addr):
        return FAULT
    return find_key(<Target> mem, words[1], log2_size, item.sharing, READ, &item.key)


cdef Status queue_item(CManager *m, Vector *v, const Item *item) noexcept:
    cdef Word word
    cdef Status status
    cdef const Word *compared = NULL
    word.readers = NULL
    word.key = item.key
    if not item.is_called:
        status = word_open(item.target, item.addr, key_log2_size(&item.key), <Sharing> item.sharing, READ, &word)
        if status != OK:
            return status
        word.key.offset |= item.mark
        compared = &word
    status = vector_queue(m, v, &word.key, compared, item.val, ATTACHED)
    if status == CONTENDED:
        with nogil:
            status = vector_queue(m, v, &word.key, compared, item.val, DETACHED)
    word_close(&word)
    return status


cdef Status give_up(Waiter w, Vector *v) except? <Status> 255:
    """OK: nobody was woken, w is idle again. TAKEN: it was woken, and told so."""
    cdef Taken taken
    cdef Status status
    taken_init(&taken)
    status = vector_give_up(v, &taken, ATTACHED)
    if status == CONTENDED:
        with nogil:
            status = vector_give_up(v, &taken, DETACHED)
    if status == OK:
        waiter_refuse(w)
    else:
        deliver(&taken)
    return status


cdef Status queue_items(object manager, CManager *m, Waiter w, const Item *items, unsigned int n, list targets,
                        list addrs, uint8_t priority) except? <Status> 255:
    cdef Vector *v
    cdef Status status = OK
    cdef unsigned int i
    waiter_claim(w, manager, tuple(targets), VECTOR, 0, priority)
    v = vector_for(&w.c, n)
    if v == NULL:
        waiter_refuse(w)
        return NO_MEMORY
    vector_begin(m, v, &w.c, n)
    for i in range(n):
        status = queue_item(m, v, &items[i])
        if status == OK and items[i].is_called:
            try:
                if called_load_cell(<Target> targets[i], addrs[i], key_log2_size(&items[i].key)) != items[i].val:
                    status = MISMATCH
            except BaseException:
                if give_up(w, v) == TAKEN:
                    waiter_settle(w)
                    w._wake_another()       # somebody was counted as woken, and nobody will know
                raise
        if status != OK:
            break
    if status == OK and vector_ready(v) == OK:
        return OK
    # A wake that met an item meanwhile counted us: that wins over a word that differs.
    return OK if give_up(w, v) == TAKEN else status


cdef Status queue_vector(object manager, CManager *m, Waiter w, object items, uint8_t priority) except? <Status> 255:
    cdef Item on_stack[ON_STACK]
    cdef Item *words = on_stack
    cdef list targets = [], addrs = []
    cdef tuple given = tuple(items)
    cdef Status status
    cdef unsigned int n, i
    if not 1 <= len(given) <= MOST_ITEMS:
        return MISFIT
    n = <unsigned int> len(given)
    if n > ON_STACK:
        words = <Item *> malloc(n * sizeof(Item))
        if words == NULL:
            return NO_MEMORY
    try:
        for i in range(n):
            status = convert_item(given[i], &words[i], targets, addrs)
            if status != OK:
                return status
        return queue_items(manager, m, w, words, n, targets, addrs, priority)
    finally:
        if words != on_stack:
            free(words)
