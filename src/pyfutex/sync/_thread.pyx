"""Where the record of a thread lies. Contracts are in _thread.pxd."""

from libc.errno cimport ENOSYS, EXDEV
from libc.stdint cimport uint64_t

from pyfutex._errors cimport raise_errno
from pyfutex._recording cimport add_release
from pyfutex.sync._robust cimport Thread, this_space, thread_enter


cdef extern from "_thread.h" nogil:
    Thread record "pf_thread"
    int watch_forks "pf_thread_watch_forks" ()


cdef Thread *thread_record() noexcept nogil:
    return &record


cdef uint64_t space = this_space()


cdef int thread_open(Thread *t) noexcept nogil:
    t.passing_on = add_release
    return thread_enter(t) if this_space() == space else -EXDEV


cdef Thread *entered_thread() except NULL:
    cdef Thread *t = robust_thread()
    if t == NULL:
        raise_errno(ENOSYS, "there are no robust futexes here")
    return t


if RECORD_IS_STATIC:
    record_offset = <char *> &record - thread_pointer()

if watch_forks():
    raise MemoryError
