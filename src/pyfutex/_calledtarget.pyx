"""The operations on targets that only Python code can read. Contracts are in _calledtarget.pxd."""

from libc.stdint cimport uint32_t
from libc.stdlib cimport free, malloc

from pyfutex._arguments cimport as_u32
from pyfutex._core.atomic cimport store_release_u32
from pyfutex._core.bucket cimport Taken
from pyfutex._core.engine cimport engine_complete, engine_prepare, engine_requeue
from pyfutex._core.family cimport CManager
from pyfutex._core.key cimport Key as CKey
from pyfutex._core.pi cimport OWNER_DIED, TID_MASK, TopWaiter, WAITERS, engine_take_top, engine_top_waiter
from pyfutex._core.status cimport (
    ATTACHED,
    BUSY,
    CONTENDED,
    DEADLOCK,
    DETACHED,
    MISFIT,
    MISMATCH,
    NO_MEMORY,
    NO_OWNER,
    NOT_OWNER,
    OK,
    Status,
    TRY_AGAIN,
    WAITING,
)
from pyfutex._core.waiter cimport IDLE, PI, PLACEHOLDER, PLAIN, THREAD, WOKEN, Waiter as CWaiter, WaiterKind, waiter_init
from pyfutex._core.wakeop cimport OP_SET, op_apply, op_compare, op_is_known, op_operand, op_operation
from pyfutex._pimutex cimport pi_enter, pi_is_mine, pi_leave
from pyfutex.target cimport Target
from pyfutex.waiter cimport Waiter, waiter_cancel, waiter_check, waiter_claim, waiter_phase, waiter_refuse


cdef inline uint32_t checked(object value) except? 0:
    cdef uint32_t word
    as_u32(value, &word)
    return word


cdef uint32_t called_load(Target mem, object addr) except? 0:
    return checked(mem.load(addr, 4))


cdef uint32_t called_swap(Target mem, object addr, uint32_t new) except? 0:
    return checked(mem.swap(addr, new, 4))


cdef uint32_t called_cas(Target mem, object addr, uint32_t old, uint32_t new) except? 0:
    return checked(mem.compare_and_swap(addr, old, new, 4))


cdef Status queue_uncompared(object manager, CManager *m, Waiter w, Target mem, const CKey *key, WaiterKind kind,
                             uint32_t bitset, uint32_t tid) except? <Status> 255:
    cdef Status status
    waiter_claim(w, manager, mem, kind, bitset, tid)
    status = engine_prepare(m, &w.c, key, NULL, 0, ATTACHED)
    if status == CONTENDED:
        with nogil:
            status = engine_prepare(m, &w.c, key, NULL, 0, DETACHED)
    if status != OK:
        waiter_refuse(w)
    return status


cdef Status called_prepare(object manager, CManager *m, Waiter w, Target mem, object addr, const CKey *key, uint32_t val,
                           uint32_t bitset) except? <Status> 255:
    cdef Status status = queue_uncompared(manager, m, w, mem, key, PLAIN, bitset, 0)
    cdef uint32_t seen
    if status != OK:
        return status
    try:
        seen = called_load(mem, addr)
    except BaseException:
        if not waiter_cancel(w) and waiter_phase(w) == WOKEN:
            w._wake_another()       # somebody was counted as woken, and nobody will know
        raise
    if seen == val or not waiter_cancel(w):
        return OK
    store_release_u32(&w.c.phase, IDLE)
    return MISMATCH


cdef Status called_wake_op(Target mem, object addr, uint32_t op, bint *held) except? <Status> 255:
    cdef uint32_t old
    if not op_is_known(op):
        # Before anything is changed, as for native targets.
        return op_compare(<uint32_t> 0xFFFFFFFF, 0, held)
    if op_operation(op) == OP_SET:
        old = called_swap(mem, addr, op_operand(op))
        return op_compare(op, old, held)
    while True:
        old = called_load(mem, addr)
        if called_cas(mem, addr, old, op_apply(op, old)) == old:
            return op_compare(op, old, held)


cdef int leave(CWaiter *placeholder) except -1:
    if engine_complete(placeholder, ATTACHED) == CONTENDED:
        with nogil:
            engine_complete(placeholder, DETACHED)
    free(placeholder)
    return 0


cdef Status called_cmp_requeue(CManager *m, Target mem, object addr, const CKey *key, const CKey *key2, uint32_t val,
                               uint32_t n_wake, uint32_t n_requeue, Taken *taken,
                               uint32_t *requeued) except? <Status> 255:
    # On the heap: should the interpreter end while Python code runs here, the queue keeps a valid entry.
    cdef CWaiter *placeholder = <CWaiter *> malloc(sizeof(CWaiter))
    cdef Status status
    if placeholder == NULL:
        return NO_MEMORY
    waiter_init(placeholder, PLACEHOLDER, THREAD, 0, 0)
    status = engine_prepare(m, placeholder, key, NULL, 0, ATTACHED)
    if status == CONTENDED:
        with nogil:
            status = engine_prepare(m, placeholder, key, NULL, 0, DETACHED)
    if status != OK:
        free(placeholder)
        return status
    try:
        if called_load(mem, addr) != val:
            return MISMATCH
        status = engine_requeue(m, key, key2, NULL, 0, n_wake, n_requeue, placeholder, taken, requeued, ATTACHED)
        if status == CONTENDED:
            with nogil:
                status = engine_requeue(m, key, key2, NULL, 0, n_wake, n_requeue, placeholder, taken, requeued,
                                        DETACHED)
        return status
    finally:
        leave(placeholder)


cdef int enter_pi(Target mem) except -1:
    if pi_is_mine(&mem.pi):
        raise RuntimeError("a PI operation on a target was called from that target's own PI operation")
    with nogil:
        pi_enter(&mem.pi)
    return 0


cdef Status top_waiter(CManager *m, const CKey *key, TopWaiter *top) noexcept:
    cdef Status status = engine_top_waiter(m, key, top, ATTACHED)
    if status == CONTENDED:
        with nogil:
            status = engine_top_waiter(m, key, top, DETACHED)
    return status


cdef Status called_lock_pi(object manager, CManager *m, Waiter w, Target mem, object addr, const CKey *key, uint32_t tid,
                           object owner_alive) except? <Status> 255:
    cdef uint32_t seen, owner
    cdef TopWaiter top
    cdef Status status
    if w is not None:
        waiter_check(w)     # before the word is touched; queueing it claims it
    enter_pi(mem)
    try:
        while True:
            seen = called_load(mem, addr)
            owner = seen & TID_MASK
            if owner == tid:
                return DEADLOCK
            status = top_waiter(m, key, &top)
            if status != OK:
                return status
            if top.exists and not top.is_pi:
                return MISFIT
            if owner == 0:
                if called_cas(mem, addr, seen, tid | (seen & OWNER_DIED) | (WAITERS if top.exists else 0)) == seen:
                    return OK
                continue
            if not seen & WAITERS and called_cas(mem, addr, seen, seen | WAITERS) != seen:
                continue
            if not top.exists and owner_alive is not None and not owner_alive(owner):
                return NO_OWNER
            if w is None:
                return BUSY
            status = queue_uncompared(manager, m, w, mem, key, PI, 0, tid)
            return WAITING if status == OK else status
    finally:
        pi_leave(&mem.pi)


cdef Status called_unlock_pi(CManager *m, Target mem, object addr, const CKey *key, uint32_t tid,
                             Taken *taken) except? <Status> 255:
    cdef uint32_t seen
    cdef TopWaiter top
    cdef Status status
    enter_pi(mem)
    try:
        while True:
            seen = called_load(mem, addr)
            if seen & TID_MASK != tid:
                return NOT_OWNER
            status = top_waiter(m, key, &top)
            if status != OK:
                return status
            if not top.exists:
                return OK if called_cas(mem, addr, seen, 0) == seen else TRY_AGAIN
            if not top.is_pi:
                return MISFIT
            if called_cas(mem, addr, seen, WAITERS | top.tid) != seen:
                continue
            if engine_take_top(m, key, top.tid, taken, ATTACHED) == CONTENDED:
                with nogil:
                    engine_take_top(m, key, top.tid, taken, DETACHED)
            if taken.n:
                return OK
            # The new owner left the queue meanwhile, from within the target's own method: hand on for it.
            tid = top.tid
    finally:
        pi_leave(&mem.pi)
