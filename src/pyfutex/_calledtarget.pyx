"""The operations on targets that only Python code can read. Contracts are in _calledtarget.pxd."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc

from pyfutex._arguments cimport as_word
from pyfutex._claims cimport waiter_claim, waiter_refuse
from pyfutex._core.atomic cimport store_release_u32
from pyfutex._core.bucket cimport Taken
from pyfutex._core.checks cimport poison
from pyfutex._core.engine cimport engine_complete, engine_prepare, engine_requeue
from pyfutex._core.family cimport CManager
from pyfutex._core.key cimport Key as CKey, key_log2_size, LOG2_SIZE_U32
from pyfutex._core.status cimport ATTACHED, CONTENDED, DETACHED, MISMATCH, NO_MEMORY, OK, Status
from pyfutex._core.waiter cimport IDLE, PLACEHOLDER, PLAIN, THREAD, WOKEN, Waiter as CWaiter, waiter_init
from pyfutex._core.wakeop cimport OP_SET, op_apply, op_compare, op_is_known, op_operand, op_operation
from pyfutex.target cimport Target
from pyfutex.waiter cimport Waiter, waiter_cancel, waiter_phase, waiter_settle


cdef inline uint64_t checked(object value, uint32_t log2_size) except? 0:
    cdef uint64_t word
    as_word(value, log2_size, &word)
    return word


cdef uint64_t called_load_cell(Target mem, object addr, uint32_t log2_size) except? 0:
    return checked(mem.load(addr, 1 << log2_size), log2_size)


cdef inline uint64_t swap_cell(Target mem, object addr, uint32_t log2_size, uint64_t new) except? 0:
    return checked(mem.swap(addr, new, 1 << log2_size), log2_size)


cdef inline uint64_t cas_cell(Target mem, object addr, uint32_t log2_size, uint64_t old, uint64_t new) except? 0:
    return checked(mem.compare_and_swap(addr, old, new, 1 << log2_size), log2_size)


cdef uint32_t called_load(Target mem, object addr) except? 0:
    return <uint32_t> called_load_cell(mem, addr, LOG2_SIZE_U32)


cdef uint32_t called_swap(Target mem, object addr, uint32_t new) except? 0:
    return <uint32_t> swap_cell(mem, addr, LOG2_SIZE_U32, new)


cdef uint32_t called_cas(Target mem, object addr, uint32_t old, uint32_t new) except? 0:
    return <uint32_t> cas_cell(mem, addr, LOG2_SIZE_U32, old, new)


cdef Status called_prepare(object manager, CManager *m, Waiter w, Target mem, object addr, const CKey *key, uint64_t val,
                           uint32_t bitset, uint8_t priority) except? <Status> 255:
    waiter_claim(w, manager, mem, PLAIN, bitset, priority)
    return called_queue(m, w, mem, addr, key, val)


cdef Status called_queue(CManager *m, Waiter w, Target mem, object addr, const CKey *key,
                         uint64_t val) except? <Status> 255:
    cdef uint64_t seen
    cdef Status status
    status = engine_prepare(m, &w.c, key, NULL, 0, ATTACHED)
    if status == CONTENDED:
        with nogil:
            status = engine_prepare(m, &w.c, key, NULL, 0, DETACHED)
    if status != OK:
        waiter_refuse(w)
        return status
    try:
        seen = called_load_cell(mem, addr, key_log2_size(key))
    except BaseException:
        if not waiter_cancel(w):
            waiter_settle(w)
            if waiter_phase(w) == WOKEN and w.c.kind == PLAIN:
                w._wake_another()       # somebody was counted as woken, and nobody will know
        raise
    if seen == val or not waiter_cancel(w):
        return OK
    store_release_u32(&w.c.phase, IDLE)
    return MISMATCH


cdef Status called_wake_op(Target mem, object addr, uint32_t log2_size, uint32_t op, bint *held) except? <Status> 255:
    cdef uint64_t old
    if not op_is_known(op):
        # Before anything is changed, as for native targets.
        return op_compare(<uint32_t> 0xFFFFFFFF, log2_size, 0, held)
    if op_operation(op) == OP_SET:
        old = swap_cell(mem, addr, log2_size, op_operand(op, log2_size))
        return op_compare(op, log2_size, old, held)
    while True:
        old = called_load_cell(mem, addr, log2_size)
        if cas_cell(mem, addr, log2_size, old, op_apply(op, log2_size, old)) == old:
            return op_compare(op, log2_size, old, held)


cdef CWaiter *hold_place(CManager *m, const CKey *key) noexcept:
    # On the heap: should the interpreter end while Python code runs here, the queue keeps a valid entry.
    cdef CWaiter *placeholder = <CWaiter *> malloc(sizeof(CWaiter))
    cdef Status status
    if placeholder == NULL:
        return NULL
    waiter_init(placeholder, PLACEHOLDER, THREAD, 0, 0)
    status = engine_prepare(m, placeholder, key, NULL, 0, ATTACHED)
    if status == CONTENDED:
        with nogil:
            status = engine_prepare(m, placeholder, key, NULL, 0, DETACHED)
    if status != OK:
        free(placeholder)
        return NULL
    return placeholder


cdef void leave_place(CWaiter *placeholder) noexcept:
    if engine_complete(placeholder, ATTACHED) == CONTENDED:
        with nogil:
            engine_complete(placeholder, DETACHED)
    poison(placeholder, sizeof(CWaiter))
    free(placeholder)


cdef Status called_cmp_requeue(CManager *m, Target mem, object addr, const CKey *key, const CKey *key2, uint64_t val,
                               uint32_t n_wake, uint32_t n_requeue, Taken *taken,
                               uint32_t *requeued) except? <Status> 255:
    cdef CWaiter *placeholder = hold_place(m, key)
    cdef Status status
    if placeholder == NULL:
        return NO_MEMORY
    try:
        if called_load_cell(mem, addr, key_log2_size(key)) != val:
            return MISMATCH
        status = engine_requeue(m, key, key2, NULL, 0, n_wake, n_requeue, placeholder, taken, requeued, ATTACHED)
        if status == CONTENDED:
            with nogil:
                status = engine_requeue(m, key, key2, NULL, 0, n_wake, n_requeue, placeholder, taken, requeued,
                                        DETACHED)
        return status
    finally:
        leave_place(placeholder)
