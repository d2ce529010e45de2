"""The operations as C code makes them, without the GIL: on places, with answers of at least 0 or negative errnos.

What each does, requires and answers is in pyfutex.h. All may sleep where a bucket lock is held: call them detached.
"""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.family cimport CManager
from pyfutex._core.nativewaiter cimport NativeWaiter
from pyfutex._core.place cimport CallDeadline, CallItem, Counts, Place, WakeItem
from pyfutex._core.vector cimport Vector
from pyfutex._core.waiter cimport Waiter


cdef void call_prefetch(CManager *m, const Place *word, const NativeWaiter *w) noexcept nogil

cdef int call_wake(CManager *m, const Place *word, uint32_t n, uint32_t bitset) noexcept nogil
cdef int call_wakev(CManager *m, WakeItem *items, size_t n) noexcept nogil
cdef int call_requeue(CManager *m, const Place *word, const Place *word2, bint compares, uint64_t value, uint32_t n_wake,
                      uint32_t n_requeue, Counts *counts) noexcept nogil
cdef int call_wake_op(CManager *m, const Place *word, const Place *word2, uint32_t op, uint32_t n,
                      uint32_t n2) noexcept nogil

cdef int call_wait(CManager *m, const Place *word, uint64_t value, uint32_t bitset,
                   const CallDeadline *deadline) noexcept nogil
cdef int call_wake_wait(CManager *m, const Place *word, uint32_t n, const Place *word2, uint64_t value,
                        const CallDeadline *deadline, uint32_t *woken) noexcept nogil
cdef int call_waitv(CManager *m, const CallItem *items, uint32_t n, const CallDeadline *deadline) noexcept nogil

cdef int call_wait_prepare(CManager *m, NativeWaiter *w, const Place *word, uint64_t value, uint32_t bitset,
                           uint32_t priority) noexcept nogil
cdef int call_waitv_prepare(CManager *m, NativeWaiter *w, Vector *v, Waiter *entries, const CallItem *items,
                            uint32_t n) noexcept nogil
cdef int call_waiter_cancel(NativeWaiter *w) noexcept nogil
cdef int call_waiter_wait(NativeWaiter *w, const CallDeadline *deadline) noexcept nogil
cdef int call_waiter_result(const NativeWaiter *w) noexcept nogil
