"""A word that threads wait on: in an object of Python, or in memory that processes share.

In shared memory it follows what every primitive begins with; 24 bytes:

    byte  0   what it is (pyfutex_shared.h)
         16   the word; 0 in a new one
         20   4 bytes, 0

Bit 0 of the word is WAITERS: somebody may sleep on it. Legal without a sleeper, illegal to lack with one, but where the
primitive says who will set it. What the other bits mean is for the primitive, too. As the word begins with 0 whatever number
the stamp has, none is ever half made.

Nothing here has an owner, so nothing is repaired when somebody dies: a thread that is killed when a wake has been spent on
it, or before it has made a wake that it owes, wakes nobody. In shared memory a sleeper therefore looks at the word again
every second. That is a safety net for killed processes; between the living every wake arrives by itself.
"""

from libc.stdint cimport uint32_t

from pyfutex._core.atomic cimport cas_u32
from pyfutex._core.clock cimport Deadline
from pyfutex.sync._robust cimport SharedHead, SharedKind
from pyfutex.sync._shared cimport Opening, Shared
from pyfutex.sync._sleepers cimport wake_sleepers


cdef enum:
    WAITERS = 1
    EVERYBODY = 0x7FFFFFFF

cdef struct WaitWord:
    uint32_t *word
    int flag                # of futex calls: PRIVATE_FLAG, or 0 for a word in shared memory

cdef struct SharedWord:
    SharedHead head
    uint32_t word
    uint32_t reserved

# Find or make the word of this kind in shared memory, as shared_bind does; `number` becomes the one that was found.
cdef Shared waitword_bind(WaitWord *w, object buffer, object offset, SharedKind kind, uint32_t *number, Opening how)

# Set WAITERS and sleep while the word is `seen`: 0, look again; -ETIMEDOUT: nobody woke us. Or raises what a signal handler
# raised, or an OSError. Requires: attached.
cdef int waitword_sleep(WaitWord *w, SharedKind kind, uint32_t seen, Deadline until) except 1

# Set `bit` and wake everybody, in one step. OSError: the kernel would not. Requires: attached.
cdef int waitword_set(WaitWord *w, uint32_t bit) except -1

# How a primitive shows itself: as those of threading do, with its place in shared memory.
cdef object waitword_repr(object primitive, Shared shared, object state)
# Raise that it cannot be pickled.
cdef int waitword_refuse_pickle(object primitive) except -1


cdef inline void waitword_init(WaitWord *w, uint32_t *word, int flag) noexcept nogil:
    w.word = word
    w.flag = flag


# Set WAITERS, if the word is still `seen`: whether it is there.
cdef inline bint waitword_mark(WaitWord *w, uint32_t seen) noexcept nogil:
    return seen & WAITERS or cas_u32(w.word, seen, seen | WAITERS)


# Wake `n` of those who sleep on a word that holds `held`; if there are fewer, drop WAITERS, unless the word has changed.
# Whether that is right by then is for the primitive to argue. Requires: attached.
cdef inline void waitword_wake(WaitWord *w, int n, uint32_t held) noexcept:
    if wake_sleepers(w.word, n, w.flag) < n:
        cas_u32(w.word, held, held & ~<uint32_t> WAITERS)
