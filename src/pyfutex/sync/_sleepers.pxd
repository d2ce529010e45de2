"""Sleeping on a word of the kernel, and waking who sleeps there, by threads that have the GIL."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from pyfutex._core.clock cimport CLOCK_MONOTONIC, now_ns
from pyfutex._core.kernelcalls cimport kernel_wake
from pyfutex._core.parker cimport Parker, parker_self, parker_sleeps
from pyfutex._recording cimport note_end, note_time, note_wait, note_wake
from pyfutex._wakerule cimport wake_begins, wake_ends


# Before each sleep on a word of a primitive of this kind, which `owner` is said to hold if not 0: what sleep_ends needs.
cdef inline uint64_t sleep_begins(int kind, const uint32_t *word, uint32_t owner) noexcept:
    # By it the next wakes learn whether to give up the GIL.
    cdef Parker *p = parker_self()
    if p != NULL:
        parker_sleeps(p, now_ns(CLOCK_MONOTONIC))
    return note_wait(kind, 0, <uint64_t> word, 0, owner)


# After it: 0, or a negative errno.
cdef inline void sleep_ends(uint64_t noted, long answer) noexcept nogil:
    note_end(noted, answer)


# Wake n of those who sleep on a word, and give up the GIL for it or not. How many were woken, or a negative errno.
cdef inline long wake_sleepers(uint32_t *word, int n, int flag) noexcept:
    cdef Parker *p = parker_self()
    cdef int64_t began = wake_begins(p)
    cdef int64_t noted = note_time()
    cdef long woken
    if began:
        with nogil:
            woken = kernel_wake(word, n, 0xFFFFFFFF, flag)
    else:
        woken = kernel_wake(word, n, 0xFFFFFFFF, flag)
    wake_ends(p, began)
    note_wake(noted, word, woken)
    return woken
