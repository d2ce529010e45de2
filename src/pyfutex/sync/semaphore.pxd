"""Semaphore and BoundedSemaphore: permits, in one word.

The word (_waitword.pxd):

    bit  0         WAITERS
    bits 1 to 31   the permits there are, less those it began with, modulo 2^31

Takers and releases keep WAITERS. A release that finds it wakes as many as it releases permits; if there are fewer, it drops
WAITERS, unless the word has changed. That may come late: others may sleep by then, and another release may have made the
word what it was, but then the wake of that one is on its way. So whoever slept and takes a permit sets WAITERS, and where it
was missing, wakes as many as there are permits left: those that releases gave meanwhile who knew of no sleeper.

Call a wake under way from when a release owes it until the woken one has looked at the word. Then, while somebody sleeps,

- with WAITERS, there are at least as many wakes under way as permits;
- without it, there is at least one, and it will set WAITERS.

In shared memory it is this word, which has 24 bytes (_waitword.pxd). With undo it is something else (bytes):

     0  lock of 64 bytes: what it is, its number the permits, and the gate of _permits.pxd
    64  turn: 32 bits; 60 bytes, 0
   128  a slot of 64 bytes for each permit

The word of such an object is its own, without permits and without room for any, so that whoever looks there first finds
that there is more to do.
"""

from libc.stdint cimport uint32_t

from pyfutex.sync._permits cimport Permits
from pyfutex.sync._shared cimport Shared
from pyfutex.sync._waitword cimport WaitWord


cdef class Semaphore:
    cdef WaitWord w
    cdef uint32_t word          # its own, unless it lies in shared memory
    cdef uint32_t empty         # the word without permits, and without WAITERS
    cdef uint32_t most          # permits there may be
    cdef Permits undo           # those of one in shared memory that come back from the dead
    cdef Shared shared          # None: it lies in this object
    cdef object __weakref__


cdef class BoundedSemaphore(Semaphore):
    pass


# Take a permit of one without undo; False: there was none in the word `seen`. `has_slept`: the caller has, on the word.
cdef bint semaphore_take(Semaphore s, bint has_slept, uint32_t *seen) noexcept
