"""RWLock: many threads read, or one writes.

Two parts. The gate is a mutex: a writer holds it from before it is in until it leaves; a reader that finds it held waits
for it like a writer, gets in, and lets it go at once. Who is reading is

counted in a word, in an object of Python or in shared memory that is not robust:

    0               nobody reads
    n               n readers
    CLOSED | n      a writer holds the gate, and sleeps on this word until n readers have left
    CLOSED          a writer is in

or told by slots, in robust shared memory: a reader has one, of which there are as many as readers at a time. A reader takes
a slot and then looks whether the gate is held; a writer takes the gate and then looks which slots are; so that one of them
sees the other. The reader that sees the gate held leaves its slot again; the writer waits for each slot as for a lock. A
dead reader's slot is free, and nothing has to be made good.

`written` is 1 while a writer is in: a gate whose owner died before that, or as a reader on its way, was no loss to anybody.

In shared memory (bytes):

     0  lock of 64 bytes: what it is, its number the slots (0: SOME_READERS), and the gate
    64  readers, written: 32 bits each; 56 bytes, 0
   128  of a robust one: its slots, 64 bytes each
"""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex.sync._mutex cimport Mutex
from pyfutex.sync._shared cimport Shared
from pyfutex.sync._slots cimport Slots


cdef enum:
    CLOSED = 0x80000000
    SOME_READERS = 62           # in 4096 bytes

cdef struct RWLockWords:
    uint32_t readers
    uint32_t written


cdef class RWLock:
    cdef Mutex gate
    cdef RWLockWords *words
    cdef Slots slots            # none: readers are counted
    cdef uint64_t writer        # atomic; of one in this object: the record of the thread that writes, or 0
    cdef uint32_t own_gate      # its own, unless it lies in shared memory
    cdef RWLockWords own_words
    cdef Shared shared          # None: it lies in this object
    cdef object __weakref__


cdef class RWLockSide:
    cdef RWLock lock
    cdef bint writes
