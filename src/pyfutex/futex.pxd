"""Futex: one word bound to its manager and memory."""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.family cimport CManager
from pyfutex._core.key cimport Key as CKey
from pyfutex._core.table cimport Table
from pyfutex.manager cimport Manager
from pyfutex.memory cimport Memory


cdef class Futex:
    cdef readonly Manager engine
    cdef readonly Memory mem
    cdef readonly object addr
    # What they come to; both objects live as long as this one.
    cdef CManager *m
    cdef uint32_t *word
    cdef CKey key
    cdef Table *table       # where the key is queued, and its hash there: neither changes
    cdef uint64_t hash
