"""The calling thread, as locks know it: an identity of its own, and its list of robust locks."""

from libc.stddef cimport ptrdiff_t
from libc.stdint cimport uint32_t

from pyfutex.sync._robust cimport Thread


cdef extern from "_thread_pointer.h" nogil:
    const bint RECORD_IS_STATIC "PF_RECORD_IS_STATIC"
    char *thread_pointer "pf_thread_pointer" ()


# From a thread's pointer to its record. Requires: RECORD_IS_STATIC. Written at import.
cdef ptrdiff_t record_offset

cdef Thread *thread_record() noexcept nogil


cdef inline Thread *thread_self() noexcept nogil:
    # Its record, in thread-local storage: the same address for as long as the thread lives, in the child of a fork, too.
    if RECORD_IS_STATIC:
        return <Thread *> (thread_pointer() + record_offset)
    return thread_record()


# Fill in the calling thread's record: 0; a negative errno if there are no robust lists here, or if this is the child of a
# fork into another PID namespace, where the thread ids in its parent's locks mean other threads.
cdef int thread_open(Thread *t) noexcept nogil


# robust_thread, or OSError. Whoever ran signal handlers asks again: one may have forked, and the record is where it was.
cdef Thread *entered_thread() except NULL


cdef inline Thread *robust_thread() noexcept nogil:
    # The record with its id and its list; NULL: there are no robust lists here.
    cdef Thread *t = thread_self()
    if t.tid == 0 and thread_open(t) != 0:
        return NULL
    return t
