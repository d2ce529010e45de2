"""The PI operations as C code makes them. As nativecalls.pxd; what each does is in pyfutex.h."""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.family cimport CManager
from pyfutex._core.nativewaiter cimport NativeWaiter
from pyfutex._core.pistate cimport PIWait
from pyfutex._core.place cimport CallDeadline, Counts, Place


cdef int call_lock_pi(CManager *m, const Place *word, uint32_t tid, const CallDeadline *deadline) noexcept nogil
cdef int call_trylock_pi(CManager *m, const Place *word, uint32_t tid) noexcept nogil
cdef int call_unlock_pi(CManager *m, const Place *word, uint32_t tid) noexcept nogil
cdef int call_lock_pi_prepare(CManager *m, NativeWaiter *w, PIWait *wait, const Place *word, uint32_t tid,
                              uint32_t priority) noexcept nogil
cdef int call_wait_requeue_pi(CManager *m, const Place *word, const Place *word2, uint64_t value, uint32_t tid,
                              const CallDeadline *deadline) noexcept nogil
cdef int call_wait_requeue_pi_prepare(CManager *m, NativeWaiter *w, PIWait *wait, const Place *word, const Place *word2,
                                      uint64_t value, uint32_t tid, uint32_t priority) noexcept nogil
cdef int call_cmp_requeue_pi(CManager *m, const Place *word, const Place *word2, uint64_t value, uint32_t n_requeue,
                             Counts *counts) noexcept nogil
cdef int call_owner_exit(CManager *m, uint32_t tid) noexcept nogil
