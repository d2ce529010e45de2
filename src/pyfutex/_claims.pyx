"""Claiming a Waiter object. Contracts are in _claims.pxd."""

from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from pyfutex._core.atomic cimport cas_u32, load_acquire_u32, store_relaxed_u64, store_release_u32
from pyfutex._core.completions cimport bell_silence, completions_after_fork
from pyfutex._core.engine cimport await_mark
from pyfutex._core.family cimport current_epoch
from pyfutex._core.parker cimport UNMARKED
from pyfutex._core.parts cimport part_for
from pyfutex._core.pistate cimport PIWait, piwait_init
from pyfutex._core.waiter cimport IDLE, PREPARING, QUEUED, REQUEUE_PI, WOKEN, WaiterKind, is_marked
from pyfutex.target cimport Target
from pyfutex.waiter cimport Waiter, adopt_after_fork, waiter_phase


cdef int waiter_check(Waiter w) except -1:
    """Its phase, if it may be queued."""
    cdef unsigned int phase = waiter_phase(w)
    if phase == PREPARING or phase == QUEUED:
        raise RuntimeError("the waiter is queued already")
    if load_acquire_u32(&w.c.undrained):
        raise RuntimeError("the waiter is still in its completion queue")
    return phase


cdef int waiter_claim(Waiter w, object manager, object target, WaiterKind kind, uint32_t bitset,
                      uint8_t priority) except -1:
    cdef unsigned int phase = waiter_check(w)
    # Before the phase, which releases it: one that is PREPARING in an epoch before this was left so by a fork.
    adopt_after_fork(w)
    if not cas_u32(&w.c.phase, phase, PREPARING):
        raise RuntimeError("the waiter is queued already")
    if phase == WOKEN and not is_marked(&w.c):
        with nogil:
            await_mark(&w.c)    # its waker took it and is about to mark it
    if load_acquire_u32(&w.c.undrained):
        # Not known before the mark.
        store_release_u32(&w.c.phase, WOKEN)
        raise RuntimeError("the waiter is still in its completion queue")
    # Ours alone from here on. The descriptor and the queue stay what they are.
    store_relaxed_u64(&w.c.mark, UNMARKED)
    w.c.kind = kind
    w.c.bitset = bitset
    w.c.priority = priority
    if w.c.fd >= 0:
        bell_silence(w.c.fd)
    if w.queue is not None:
        completions_after_fork(&w.queue.c, current_epoch())
    if w.manager is not manager:
        w.manager = manager
    if w.target is not target:
        w.target = target
    Py_INCREF(w)
    return 0


cdef int waiter_claim_pi(Waiter w, object manager, Target target, WaiterKind kind, uint32_t tid, uint8_t priority,
                         uint64_t addr) except -1:
    cdef PIWait *wait
    waiter_claim(w, manager, target, kind, <uint32_t> 0xFFFFFFFF if kind == REQUEUE_PI else 0, priority)
    wait = <PIWait *> part_for(&w.c, False, sizeof(PIWait))
    if wait == NULL:
        waiter_refuse(w)
        raise MemoryError
    piwait_init(wait, &w.c, tid, priority, &target.c, addr)
    return 0


cdef void waiter_refuse(Waiter w) noexcept:
    store_release_u32(&w.c.phase, IDLE)
    Py_DECREF(w)
