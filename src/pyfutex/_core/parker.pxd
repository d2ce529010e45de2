"""One thread asleep on one word, and the words of this process that threads sleep on.

Every thread that ever sleeps has one Parker, taken from a pool and given back when the thread ends; its memory is never
freed. So a waker may touch the parker of a waiter that is already gone: at worst somebody wakes up for nothing, and
everybody who sleeps here looks at its waiter's mark again.

A thread sleeps on a waiter by putting its parker into the waiter's `mark`; the taker exchanges the mark for MARKED and
finds the parker there if, and only if, somebody sleeps. So the system call is made only when it is needed.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from pyfutex._core.atomic cimport store_release_u32
from pyfutex._core.clock cimport Deadline
from pyfutex._core.parking cimport Cells, parking_wait, parking_wake
from pyfutex._core.status cimport Status


cdef enum:
    # Values of Parker.word.
    AWAKE = 0
    ASLEEP = 1

cdef enum:
    # Values of a mark; anything else is the address of the parker that sleeps on it.
    UNMARKED = 0
    MARKED = 1
    WITHDRAWN = 2       # cancelled by another thread while one slept on it

cdef enum:
    MAX_SCORE = 3
    SOON_NS = 20000     # a sleep that follows a wake later than this was not because of it


cdef struct Parker:
    uint32_t word       # atomic. The word it sleeps on: ASLEEP while its thread sleeps or is about to
    int32_t score       # its thread alone. How surely it goes to sleep after a wake; see pyfutex._wakerule
    int64_t woke_at     # its thread alone. When it woke a thread without having slept since, CLOCK_MONOTONIC ns; 0: not
    int64_t since       # atomic, relaxed. When its thread went to sleep, CLOCK_MONOTONIC ns; for introspection
    Parker *next        # pool lock, while in the pool
    uint64_t line[4]    # to 64 bytes: parkers of two threads share no cache line


# Where everybody sleeps: the process's one. In the library that has it, for all others.
cdef Cells cells

# The calling thread's parker; NULL when there is no memory for one.
cdef Parker *parker_self() noexcept nogil

# Sleep until *mark is no longer `p`, or `deadline`, or a signal.
# Returns TAKEN (the mark was set, by a waker or a canceller), TIMED_OUT or INTERRUPTED (*mark is UNMARKED again), or BUSY
# (another thread sleeps on it). Requires: detached.
cdef Status park(Parker *p, uint64_t *mark, Deadline deadline) noexcept nogil


# As parking.h says of them.
cdef inline int word_wait(uint32_t *word, uint32_t expected, uint32_t bitset, Deadline deadline) noexcept nogil:
    return parking_wait(&cells, word, expected, bitset, deadline)


cdef inline void word_wake(uint32_t *word, int n, uint32_t bitset) noexcept nogil:
    parking_wake(&cells, word, n, bitset)


cdef inline void parker_sleeps(Parker *p, int64_t now) noexcept nogil:
    # Its thread is about to sleep, here or elsewhere.
    if p.woke_at and p.score < MAX_SCORE and now - p.woke_at < SOON_NS:
        p.score += 1
    p.woke_at = 0


cdef inline void unpark(Parker *p) noexcept nogil:
    # Release: pairs with the exchange in park, which then sees the mark.
    store_release_u32(&p.word, AWAKE)
    word_wake(&p.word, 1, 0xFFFFFFFF)
