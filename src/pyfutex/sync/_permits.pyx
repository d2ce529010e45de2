"""Waiting for permits that come back from the dead, and giving them back. Contracts are in _permits.pxd."""

from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EBUSY, EINTR, ENOSYS, ETIMEDOUT
from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.atomic cimport fence_after_rmw, fetch_add_u32, load_acquire_u32, load_relaxed_u32
from pyfutex._core.clock cimport Deadline
from pyfutex._errors cimport raise_errno
from pyfutex.sync._mutex cimport mutex_consistent, mutex_raise, mutex_release, mutex_wait, owner_of, robust_init
from pyfutex.sync._robust cimport EOWNERDEAD, KIND_SEMAPHORE, RobustLock, SharedHead, TID_MASK, Thread
from pyfutex.sync._sleepers cimport sleep_begins, sleep_ends, wake_sleepers
from pyfutex.sync._slots cimport Slots, slot_leave, slots_find, slots_watch, words_of
from pyfutex.sync._thread cimport robust_thread


cdef void permits_init(Permits *p, SharedHead *head, Slots slots) noexcept:
    p.slots = slots
    p.turn = <uint32_t *> words_of(head)
    robust_init(&p.gate, <RobustLock *> head)


cdef uint32_t n_slots_of(const Permits *p, uint32_t tid) noexcept:
    cdef uint32_t i, n = 0
    for i in range(p.slots.n):
        n += load_relaxed_u32(&p.slots.first[i].word) & TID_MASK == tid
    return n


cdef uint32_t permits_left(const Permits *p) noexcept:
    return n_slots_of(p, 0)


cdef int permits_raise(int error) except 1:
    if error == -ENOSYS:
        raise_errno(ENOSYS, "there are no robust futexes here")
    mutex_raise(error)


cdef int watch(Permits *p, Deadline until) noexcept:
    """0: the caller has a permit; -ETIMEDOUT, -EINTR, or another negative errno. Requires: the gate."""
    cdef uint64_t asleep
    cdef uint32_t turn
    cdef int result
    # Pairs with the one of permits_give.
    fence_after_rmw()
    while True:
        turn = load_acquire_u32(p.turn)
        result = permits_try(p)
        if result != -EBUSY:
            return result
        asleep = sleep_begins(KIND_SEMAPHORE, p.turn, 0)
        with nogil:
            result = slots_watch(&p.slots, p.turn, turn, NULL, 0, until)
        sleep_ends(asleep, result)
        if result:
            return result


cdef int permits_wait(Permits *p, Deadline until) except 1:
    cdef int result
    while True:
        result = mutex_wait(&p.gate, until, True)
        if result == -EOWNERDEAD:
            mutex_consistent(&p.gate)
            result = 0
        if result == 0:
            result = watch(p, until)
            mutex_release(&p.gate)
        if result == 0 or result == -ETIMEDOUT:
            return result
        if result != -EINTR:
            permits_raise(result)
        PyErr_CheckSignals()


cdef int permits_give(Permits *p, Py_ssize_t n) except -1:
    cdef Thread *t = robust_thread()
    cdef RobustLock *slot = NULL if t == NULL else slots_find(&p.slots, t)
    cdef int result
    if slot == NULL or (n > 1 and n > <Py_ssize_t> n_slots_of(p, t.tid)):
        raise RuntimeError("the calling thread does not hold so many permits")
    while True:
        result = slot_leave(slot, t)
        if result:
            mutex_raise(result)
        n -= 1
        if n == 0:
            break
        slot = slots_find(&p.slots, t)
    fence_after_rmw()
    if owner_of(&p.gate):
        fetch_add_u32(p.turn, 1)
        wake_sleepers(p.turn, 1, 0)
    return 0
