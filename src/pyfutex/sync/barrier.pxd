"""Barrier: a number of threads wait until all of them do.

Its words are read and written by whoever holds its mutex. States, and who leaves them:

    0  FILLING          parties arrive and wait                            the last to arrive, abort, reset, a death
    1  DRAINING         all have arrived; they leave, nobody else enters   the last to leave, abort, a death
    2  RESETTING        who was waiting leaves with an error               the last to leave, abort, a death
    3  BROKEN           everybody leaves with an error                     reset

`turn` goes up with each change of state, and wakes all who sleep on it.

In shared memory (bytes):

     0  lock of 64 bytes: what it is, its number the parties, and the mutex; who gets OwnerDied from it breaks the barrier
    64  state, count, turn, roster: 32 bits each; 48 bytes, 0
   128  of a robust one: a slot of 64 bytes for each party

A thread that waits has a slot, a registered one has it for longer. `depth` of the slot says which: COUNTED, REGISTERED.
Whoever waits sleeps on the words of the others' slots, too, and looks at all slots whenever it wakes: a slot whose thread
has died breaks the barrier, and stays as it is until `reset`. `roster` goes up with each slot that is taken, and wakes one
sleeper, so that the new slot has somebody to watch it. Whoever watches is watched by others: no death of several goes
unseen.
"""

from libc.stdint cimport uint32_t

from pyfutex.sync._mutex cimport Mutex
from pyfutex.sync._shared cimport Shared
from pyfutex.sync._slots cimport Slots


cdef enum BarrierState:
    FILLING = 0
    DRAINING = 1
    RESETTING = 2
    BROKEN = 3

cdef enum:
    COUNTED = 1
    REGISTERED = 2

cdef struct BarrierWords:
    uint32_t state
    uint32_t count          # of those inside
    uint32_t turn
    uint32_t roster


cdef class Barrier:
    cdef Mutex m
    cdef BarrierWords *words
    cdef Slots slots            # none of one that is not robust
    cdef uint32_t n_parties
    cdef object action
    cdef object timeout
    cdef uint32_t own_mutex     # its own, unless it lies in shared memory
    cdef BarrierWords own_words
    cdef Shared shared          # None: it lies in this object
    cdef object __weakref__
