"""Whether a wake keeps the GIL.

One that keeps it costs the woken thread a wait for it; one that gives it up costs the waker one. Which is better depends on
whether the waker is about to sleep anyway, so its thread keeps a score: up when it slept at once after a wake, down when it
woke again without having slept, far down when getting the GIL back took long. Only from a score of 2 on is the GIL given up.
Measured, the wrong choice costs a factor of 2.4 one way and of 500 the other.
"""

from libc.stdint cimport int64_t

from pyfutex._core.clock cimport CLOCK_MONOTONIC, now_ns
from pyfutex._core.parker cimport Parker


cdef enum:
    DETACH_SCORE = 2
    LONG_DETACH = 8             # what a detach that took long costs,
    LONG_DETACH_NS = 100000     # and what is long
    LOWEST_SCORE = -8


cdef inline int64_t wake_begins(Parker *p) noexcept:
    """Before each wake of threads: 0, keep the GIL; else give it up meanwhile. wake_ends, after the wake, takes it."""
    if p == NULL:
        return 0
    if p.woke_at and p.score > LOWEST_SCORE:
        p.score -= 1
    return now_ns(CLOCK_MONOTONIC) if p.score >= DETACH_SCORE else 0


cdef inline void wake_ends(Parker *p, int64_t began) noexcept:
    cdef int64_t now
    if p == NULL:
        return
    # Read after the wake: on one core, the woken thread runs in it.
    now = now_ns(CLOCK_MONOTONIC)
    p.woke_at = now
    if began and now - began > LONG_DETACH_NS:
        p.score -= LONG_DETACH
    elif began:
        # It came back at once: waking again without having slept would not have hurt.
        p.woke_at = 0
