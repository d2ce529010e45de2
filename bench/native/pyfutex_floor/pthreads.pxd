"""pthreads.h, declared."""

from libc.stdint cimport uint64_t


cdef extern from "pthreads.h" nogil:
    enum pthreads_operation:
        PTHREADS_MUTEX
        PTHREADS_SIGNAL
        PTHREADS_SEMAPHORE

    int pthreads_loop(pthreads_operation operation, uint64_t n)
