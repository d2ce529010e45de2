"""The PI operations on targets that only Python code can read. Contracts are in _calledpi.pxd."""

from libc.errno cimport EFAULT
from libc.stdint cimport uint64_t

from pyfutex._arguments cimport as_address
from pyfutex._calledtarget cimport called_cas, called_load, called_swap
from pyfutex._claims cimport waiter_check, waiter_claim_pi, waiter_refuse
from pyfutex._core.atomic cimport load_acquire_u32
from pyfutex._core.pi cimport (
    OWNER_DIED,
    TID_MASK,
    TopWaiter,
    WAITERS,
    engine_inherit,
    engine_queue_pi,
    engine_succeed,
    engine_top_waiter,
    pi_judge,
)
from pyfutex._core.status cimport (
    ATTACHED,
    BUSY,
    CONTENDED,
    DETACHED,
    FAULT,
    MISFIT,
    NO_OWNER,
    NOT_OWNER,
    OK,
    OWNER_CHANGED,
    TRY_AGAIN,
    WAITING,
)
from pyfutex._core.waiter cimport PI
from pyfutex._pimutex cimport pi_enter, pi_is_mine, pi_leave

from weakref import WeakValueDictionary

# Targets whose words have, or had, waiters: an owner that dies leaves but their addresses behind.
cdef object TARGETS = WeakValueDictionary()


cdef int remember_target(Target mem) except -1:
    TARGETS[<uint64_t> &mem.c] = mem
    return 0


cdef int enter_pi(Target mem) except -1:
    if pi_is_mine(&mem.pi):
        raise RuntimeError("a PI operation on a target was called from that target's own PI operation")
    with nogil:
        pi_enter(&mem.pi)
    return 0


cdef Status top_waiter(CManager *m, const CKey *key, TopWaiter *top) noexcept:
    cdef Status status
    status = engine_top_waiter(m, key, top, ATTACHED)
    if status == CONTENDED:
        with nogil:
            status = engine_top_waiter(m, key, top, DETACHED)
    return status


cdef Status succeed(CManager *m, const CKey *key, uint32_t owner, uint32_t tid, int error, Taken *taken) noexcept:
    cdef Status status
    status = engine_succeed(m, key, owner, tid, error, taken, ATTACHED)
    if status == CONTENDED:
        with nogil:
            status = engine_succeed(m, key, owner, tid, error, taken, DETACHED)
    return status


cdef Status called_acquire(CManager *m, Target mem, object addr, const CKey *key, uint32_t tid, bint more,
                           object owner_alive, uint32_t *owner, Owner *asked) except? <Status> 255:
    cdef uint32_t seen
    cdef TopWaiter top
    cdef Status status
    while True:
        asked.tid = 0
        asked.deaths = load_acquire_u32(&m.family.deaths)
        seen = called_load(mem, addr)
        owner[0] = seen & TID_MASK
        status = top_waiter(m, key, &top)
        if status == OK:
            status = pi_judge(seen, tid, &top)
        if status == OK:
            if called_cas(mem, addr, seen, tid | (seen & OWNER_DIED) | (WAITERS if more else 0)) == seen:
                return OK
            continue
        if status == WAITING and not top.exists:
            if not seen & WAITERS and called_cas(mem, addr, seen, seen | WAITERS) != seen:
                continue
            # Even if nobody is asked: no lock is held, so the owner may die before we are queued, and its heirs be
            # looked for before that.
            asked.tid = owner[0]
            asked.is_alive = owner_alive is None or bool(owner_alive(owner[0]))
            if not asked.is_alive:
                return NO_OWNER
        return status


cdef Status queue_behind(object manager, CManager *m, Waiter w, Target mem, uint64_t addr, const CKey *key, uint32_t tid,
                         uint8_t priority, uint32_t owner, Owner asked) except? <Status> 255:
    cdef Status status
    remember_target(mem)
    waiter_claim_pi(w, manager, mem, PI, tid, priority, addr)
    status = engine_queue_pi(m, &w.c, key, owner, asked, ATTACHED)
    if status == CONTENDED:
        with nogil:
            status = engine_queue_pi(m, &w.c, key, owner, asked, DETACHED)
    if status != WAITING:
        waiter_refuse(w)
    return status


cdef Status called_again(CManager *m, Target mem, object addr, const CKey *key, uint32_t tid,
                         bint is_try) except? <Status> 255:
    # As again_locked of the core; WAITING: it does not apply.
    cdef TopWaiter top
    cdef uint32_t seen = called_load(mem, addr)
    cdef Status status = top_waiter(m, key, &top)
    if status != OK:
        return status
    if seen & TID_MASK or not top.is_blocked or top.owner != tid:
        return WAITING
    if not is_try:
        return OK
    return BUSY if called_cas(mem, addr, seen, tid | WAITERS | (seen & OWNER_DIED)) == seen else OWNER_CHANGED


cdef Status called_lock_pi(object manager, CManager *m, Waiter w, Target mem, object addr, const CKey *key, uint32_t tid,
                           uint8_t priority, object owner_alive) except? <Status> 255:
    cdef uint32_t owner
    cdef Owner asked
    cdef uint64_t a
    cdef Status status
    if as_address(addr, &a):
        return FAULT
    if w is not None:
        waiter_check(w)     # before the word is touched; queueing it claims it
    enter_pi(mem)
    try:
        while True:
            status = called_acquire(m, mem, addr, key, tid, False, owner_alive, &owner, &asked)
            if status == WAITING and owner == 0:
                status = called_again(m, mem, addr, key, tid, w is None)
            if status == OWNER_CHANGED:
                continue
            if status != WAITING:
                return status
            if w is None:
                return BUSY
            status = queue_behind(manager, m, w, mem, a, key, tid, priority, owner, asked)
            if status != OWNER_CHANGED:
                return status
    finally:
        pi_leave(&mem.pi)


cdef Status called_unlock_pi(CManager *m, Target mem, object addr, const CKey *key, uint32_t tid,
                             Taken *taken) except? <Status> 255:
    cdef uint32_t seen
    cdef uint32_t heir = tid
    cdef TopWaiter top
    cdef Status status
    enter_pi(mem)
    try:
        while True:
            seen = called_load(mem, addr)
            if seen & TID_MASK != heir:
                return NOT_OWNER
            status = top_waiter(m, key, &top)
            if status != OK:
                return status
            if not top.exists:
                return OK if called_cas(mem, addr, seen, 0) == seen else TRY_AGAIN
            if not top.is_blocked or top.owner != tid:
                return MISFIT
            if called_cas(mem, addr, seen, WAITERS | top.tid) != seen:
                continue
            status = succeed(m, key, tid, top.tid, 0, taken)
            if status != OK or taken.n:
                return status
            # The heir left the queue meanwhile, from within the target's own method: hand on for it.
            heir = top.tid
    finally:
        pi_leave(&mem.pi)


cdef bint called_inherit(CManager *m, uint32_t tid, Heir *heir, Taken *taken) except -1:
    cdef Target mem = TARGETS.get(<uint64_t> heir.target)
    cdef Status status
    if mem is None:
        return False
    enter_pi(mem)
    try:
        # Once more, now that nobody leaves this target's queues.
        with nogil:
            status = engine_inherit(m, tid, taken, heir)
        if status != WAITING or heir.target != &mem.c:
            return status == OK
        try:
            called_swap(mem, heir.addr, heir.tid | WAITERS | OWNER_DIED)
        except BaseException as error:
            succeed(m, &heir.key, tid, heir.tid, EFAULT, taken)
            if not isinstance(error, OSError):
                raise
            return False
        return succeed(m, &heir.key, tid, heir.tid, 0, taken) == OK and taken.n != 0
    finally:
        pi_leave(&mem.pi)
