"""What a recording keeps of each sleep and each wake, for pyfutex.tracing to tell.

While nobody records, a thread that is about to sleep, or to wake somebody, reads `is_recording`, and that is all. While
somebody does, it writes a record into pages that were mapped before: it allocates nothing but the frame object by which the
interpreter tells where the caller is, and no Python code runs. When the pages are full, further records are counted alone.

Whoever touches the pages has announced itself in `inside`, and looked at `is_recording` after that; who ends a recording
takes the flag back and waits until nobody is inside. Inside, nothing waits.
"""

from cpython.ref cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t, uint64_t

from pyfutex._core.atomic cimport load_relaxed_u32, unlikely
from pyfutex._core.bucket cimport Taken
from pyfutex._core.clock cimport CLOCK_MONOTONIC, now_ns


cdef enum:
    # What slept on or woken are, beside the kinds of pyfutex_shared.h.
    WORD_OF_MANAGER = 100

cdef enum What:
    WAIT = 0
    WAKE = 1
    MOVE = 2                # from one word to another, asleep

cdef struct Record:
    int64_t began           # CLOCK_MONOTONIC ns
    int64_t ended           # 0: not before the recording
    int64_t answer          # of a WAIT: 0, woken; a negative errno. Of the others: how many; UNKNOWN
    uint64_t space          # of the key of a manager's word; 0: the word is an address
    uint64_t word
    uint64_t other          # of a MOVE: where to. Of a manager's WAIT or WAKE: the waiter
    PyObject *code          # of the caller; NULL: not known
    int32_t line
    uint32_t tid
    uint32_t owner          # whom a WAIT is for, where the word says so; 0
    uint16_t what
    uint16_t kind

cdef enum:
    UNKNOWN = -1            # one or none

cdef uint32_t is_recording  # atomic

# Note that the caller goes to sleep: what end_wait needs, or 0. Requires: attached.
cdef uint64_t begin_wait(int kind, uint64_t space, uint64_t word, uint64_t waiter, uint32_t owner) noexcept
cdef void end_wait(uint64_t noted, int64_t answer) noexcept nogil
# Note a WAKE or a MOVE that began then, and has ended unless it was noted before.
cdef void add(What what, int64_t began, uint64_t space, uint64_t word, uint64_t other, int64_t n) noexcept nogil
# Note a wake of each of those taken. Requires: not marked yet.
cdef void add_taken(const Taken *taken) noexcept nogil
# Note that the one who releases a robust lock is about to wake one who sleeps on it, if there is one.
cdef void add_release(const uint32_t *word) noexcept nogil


cdef inline uint64_t note_wait(int kind, uint64_t space, uint64_t word, uint64_t waiter, uint32_t owner) noexcept:
    return begin_wait(kind, space, word, waiter, owner) if unlikely(load_relaxed_u32(&is_recording)) else 0


cdef inline void note_end(uint64_t noted, int64_t answer) noexcept nogil:
    if unlikely(noted != 0):
        end_wait(noted, answer)


cdef inline int64_t note_time() noexcept nogil:
    # When a wake begins; 0: nobody records.
    return now_ns(CLOCK_MONOTONIC) if unlikely(load_relaxed_u32(&is_recording)) else 0


cdef inline void note_wake(int64_t began, uint32_t *word, int64_t n) noexcept nogil:
    if unlikely(began != 0):
        add(WAKE, began, 0, <uint64_t> word, 0, n)


cdef inline void note_taken(const Taken *taken) noexcept nogil:
    if unlikely(load_relaxed_u32(&is_recording)):
        add_taken(taken)
