"""The mutex under which PI operations on one Python target are done, since Python code must run between their steps."""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.atomic cimport load_relaxed_u64, store_relaxed_u64
from pyfutex._core.status cimport ATTACHED, DETACHED
from pyfutex._core.wordlock cimport word_lock, word_unlock


cdef extern from "pthread.h" nogil:
    uint64_t pthread_self()


# Requires: detached; not held by this thread.
cdef inline void pi_enter(uint32_t *lock, uint64_t *thread) noexcept nogil:
    word_lock(lock, 0, DETACHED)
    store_relaxed_u64(thread, pthread_self())


cdef inline void pi_leave(uint32_t *lock, uint64_t *thread) noexcept nogil:
    store_relaxed_u64(thread, 0)
    word_unlock(lock, 0)


# Whether this thread holds it: then it came here from one of the target's own methods.
cdef inline bint pi_is_mine(uint64_t *thread) noexcept nogil:
    return load_relaxed_u64(thread) == pthread_self()
