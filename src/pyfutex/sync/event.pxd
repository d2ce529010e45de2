"""Event: a flag that threads wait for, in one word.

The word (_waitword.pxd):

    bit  0         WAITERS
    bit  1         SET
    bits 2 to 31   the generation: how often it was cleared, modulo 2^30

    SET  WAITERS
    0    0         unset, and nobody sleeps
    0    1         unset, and somebody may sleep
    1    0         set
    1    1         set; whoever set it has woken all, and is about to drop WAITERS

Nobody sleeps on a word that is SET: where somebody may sleep, SET is put in by the system call that wakes all. A thread that
waits has been let go as soon as the word differs from the unset one that it found, in whatever but WAITERS.
"""

from libc.stdint cimport uint32_t

from pyfutex.sync._shared cimport Shared
from pyfutex.sync._waitword cimport WaitWord


cdef class Event:
    cdef WaitWord w
    cdef uint32_t word          # its own, unless it lies in shared memory
    cdef Shared shared          # None: it lies in this object
    cdef object __weakref__


# Whether a wait that found the word `began` is over, now that it is `seen`.
cdef bint event_is_over(Event event, uint32_t began, uint32_t *seen) noexcept nogil
