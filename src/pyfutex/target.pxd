"""Target: the memory that futex words live in."""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.target cimport CALLED, CTarget
from pyfutex.key cimport Key


cdef class Target:
    cdef CTarget c
    # CALLED: the mutex of PI operations, which Python code must not interleave. Its word is a word lock that is always
    # LIVE; `pi_thread` is the thread that holds it, for telling re-entry from waiting.
    cdef uint32_t pi_lock
    cdef uint64_t pi_thread


cdef inline bint is_called(Target mem) noexcept:
    return mem.c.kind == CALLED


# The key of shared operations on the word at `addr` of a target that the engine reads by itself.
cdef Key shared_key_of(Target mem, object addr)
