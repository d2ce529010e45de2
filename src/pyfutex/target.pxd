"""Target: the memory that futex words live in."""

from pyfutex._core.target cimport CALLED, CTarget
from pyfutex._pimutex cimport PIMutex
from pyfutex.key cimport Key


cdef class Target:
    cdef CTarget c
    cdef PIMutex pi     # CALLED: PI operations are done one at a time
    cdef object __weakref__


cdef inline bint is_called(Target mem) noexcept:
    return mem.c.kind == CALLED


# The key of shared operations on the word at `addr` of a target that the engine reads by itself.
cdef Key shared_key_of(Target mem, object addr)
