"""Futex: one word bound to its manager and memory."""

from libc.stdint cimport uint64_t

from pyfutex._core.family cimport CManager
from pyfutex._core.key cimport Key as CKey
from pyfutex._core.table cimport Table
from pyfutex._futexword cimport FutexWord
from pyfutex.manager cimport Manager


cdef class Futex(FutexWord):
    cdef readonly Manager engine
    cdef CManager *m        # the engine's, which lives as long as this object
    cdef CKey key
    cdef Table *table       # where the key is queued, and its hash there: neither changes
    cdef uint64_t hash
