"""View of futexcall.h: how the core puts a thread to sleep and wakes it."""

from libc.stdint cimport uint32_t

from pyfutex._core.clock cimport Deadline


cdef extern from "futexcall.h" nogil:
    int futex_wait "pf_futex_wait" (uint32_t *word, uint32_t expected, uint32_t bitset, Deadline deadline)
    void futex_wake "pf_futex_wake" (uint32_t *word, int n, uint32_t bitset)
