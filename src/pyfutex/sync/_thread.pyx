"""Where the record of a thread lies. Contracts are in _thread.pxd."""

from pyfutex.sync._robust cimport Thread


cdef extern from "_thread.h" nogil:
    Thread record "pf_thread"
    int watch_forks "pf_thread_watch_forks" ()


cdef Thread *thread_self() noexcept nogil:
    return &record


if watch_forks():
    raise MemoryError
