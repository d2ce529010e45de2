"""Latch: a count that goes down to zero once, in one word.

The word (_waitword.pxd):

    bit  0         WAITERS
    bits 1 to 31   how often it was counted down

Whoever counts the last one down wakes all. WAITERS stays from then on.
"""

from libc.stdint cimport uint32_t

from pyfutex.sync._shared cimport Shared
from pyfutex.sync._waitword cimport WaitWord


cdef class Latch:
    cdef WaitWord w
    cdef uint32_t word          # its own, unless it lies in shared memory
    cdef uint32_t start         # the count that it began with
    cdef Shared shared          # None: it lies in this object
    cdef object __weakref__
