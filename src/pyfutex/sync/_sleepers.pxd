"""Sleeping on a word of the kernel, and waking who sleeps there, by threads that have the GIL."""

from libc.stdint cimport int64_t, uint32_t

from pyfutex._core.clock cimport CLOCK_MONOTONIC, now_ns
from pyfutex._core.kernelcalls cimport kernel_wake
from pyfutex._core.parker cimport Parker, parker_self, parker_sleeps
from pyfutex._wakerule cimport wake_begins, wake_ends


cdef inline void note_sleep() noexcept:
    # Before each sleep: by it the next wakes learn whether to give up the GIL.
    cdef Parker *p = parker_self()
    if p != NULL:
        parker_sleeps(p, now_ns(CLOCK_MONOTONIC))


# Wake n of those who sleep on a word, and give up the GIL for it or not. How many were woken, or a negative errno.
cdef inline long wake_sleepers(uint32_t *word, int n, int flag) noexcept:
    cdef Parker *p = parker_self()
    cdef int64_t began = wake_begins(p)
    cdef long woken
    if began:
        with nogil:
            woken = kernel_wake(word, n, 0xFFFFFFFF, flag)
    else:
        woken = kernel_wake(word, n, 0xFFFFFFFF, flag)
    wake_ends(p, began)
    return woken
