"""Waiting for slots. Contracts are in _slots.pxd."""

from libc.errno cimport EAGAIN, ENOSYS, EPERM, ETIMEDOUT
from libc.stdint cimport uint32_t, uintptr_t

from pyfutex._core.atomic cimport cas_u32, load_acquire_u32
from pyfutex._core.clock cimport Deadline, deadline_after
from pyfutex._core.kernelcalls cimport WaitvItem, flags2, kernel_wait, kernel_waitv
from pyfutex.sync._mutex cimport Mutex, mutex_consistent, mutex_raise, mutex_wait, robust_init
from pyfutex.sync._robust cimport EOWNERDEAD, OWNER_DIED, RobustLock, TID_MASK, Thread, WAITERS, robust_look_after
from pyfutex.sync._thread cimport robust_thread


cdef enum:
    MOST_WATCHED = 128          # what one futex_waitv takes

cdef long long LOOK_AGAIN_NS = 1000000000


cdef int slot_acquire(RobustLock *slot, Deadline until) except 1:
    cdef Mutex m
    cdef int result
    robust_init(&m, slot)
    result = mutex_wait(&m, until, True)
    if result == -EOWNERDEAD:
        mutex_consistent(&m)
        return 0
    if result and result != -ETIMEDOUT:
        mutex_raise(result)
    return result


cdef inline WaitvItem watched(uint32_t *word, uint32_t was) noexcept nogil:
    return WaitvItem(was, <uintptr_t> word, flags2(0), 0)


cdef int slots_watch(const Slots *s, uint32_t *first, uint32_t first_was, uint32_t *second, uint32_t second_was,
                     Deadline until) noexcept nogil:
    cdef WaitvItem items[MOST_WATCHED]
    cdef Deadline limit = deadline_after(LOOK_AGAIN_NS)
    cdef Thread *t = robust_thread()
    cdef uint32_t *word
    cdef uint32_t i, seen, n = 1
    cdef long answer
    if until.ns < limit.ns:
        limit = until
    items[0] = watched(first, first_was)
    if second != NULL:
        items[1] = watched(second, second_was)
        n = 2
    for i in range(s.n):
        word = &s.first[i].word
        seen = load_acquire_u32(word)
        if seen & OWNER_DIED or (second == NULL and seen & TID_MASK == 0):
            return 0
        if seen & TID_MASK == 0 or seen & TID_MASK == t.tid or n == MOST_WATCHED:
            continue
        # Without the bit the kernel wakes nobody when the thread dies.
        if not seen & WAITERS and not cas_u32(word, seen, seen | WAITERS):
            return 0
        items[n] = watched(word, seen | WAITERS)
        n += 1
    answer = kernel_waitv(items, n, limit)
    if answer == -ENOSYS or answer == -EPERM:
        answer = kernel_wait(first, first_was, 0xFFFFFFFF, limit, 0)
    if answer == -ETIMEDOUT and limit.ns != until.ns:
        for i in range(s.n):
            robust_look_after(&s.first[i])
        return 0
    if answer > 0 or answer == -EAGAIN:
        return 0
    return <int> answer
