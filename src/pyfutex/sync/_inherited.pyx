"""Waiting for a lock of priority inheritance. Contracts are in _inherited.pxd."""

from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EAGAIN, EBUSY, EINTR, EINVAL, ETIMEDOUT
from libc.stdint cimport uint32_t, uint64_t
from posix.time cimport timespec

from pyfutex._core.clock cimport CLOCK_MONOTONIC, CLOCK_REALTIME
from pyfutex._core.kernelcalls cimport HAS_LOCK_PI2, kernel_has
from pyfutex._errors cimport raise_errno
from pyfutex.sync._bell cimport bell_hang, bell_is_for, bell_take_down
from pyfutex.sync._robust cimport (
    EDEADLK,
    KIND_CONDITION,
    RobustLock,
    Thread,
    pi_on_realtime,
    pi_sleep,
    robust_answered,
    robust_begin,
    robust_end,
    robust_kind,
    robust_owner,
    robust_queue,
)
from pyfutex.sync._sleepers cimport sleep_begins, sleep_ends
from pyfutex.sync._thread cimport entered_thread


cdef int hang(Thread *t, const timespec **limit) except -1:
    try:
        bell_hang(limit)
    except OSError:
        robust_end(t)
        raise
    return 0


cdef int queue_audibly(RobustLock *robust, Thread *t, const timespec *limit, int clock) except 1:
    """As pyfutex_lock_queue, and -EINTR as soon as a signal comes."""
    cdef timespec realtime
    cdef int why
    if limit == NULL:
        clock = CLOCK_REALTIME      # the call of all kernels
    elif clock == CLOCK_MONOTONIC and not kernel_has(HAS_LOCK_PI2):
        realtime = pi_on_realtime(limit)
        limit, clock = &realtime, CLOCK_REALTIME
    hang(t, &limit)
    with nogil:
        why = robust_queue(robust, t, limit, clock)
    return -EINTR if bell_take_down() and why == -EINVAL else why


cdef int inherited_acquire(RobustLock *robust, Thread *t, const timespec *limit, int clock,
                           bint handles_signals) except 1:
    cdef uint64_t asleep
    cdef int why
    while True:
        asleep = sleep_begins(robust_kind(robust), &robust.word, robust_owner(robust))
        if handles_signals and bell_is_for(t):
            why = queue_audibly(robust, t, limit, clock)
        else:
            with nogil:
                why = robust_queue(robust, t, limit, clock)
        sleep_ends(asleep, why)
        if why == -EINTR:
            if handles_signals:
                robust_end(t)
                PyErr_CheckSignals()
                t = entered_thread()
            robust_begin(robust, t)
        elif why == -EDEADLK and robust_owner(robust) != t.tid:
            raise RuntimeError("the owner of this lock waits for one that the calling thread holds")
        elif why != -EBUSY:
            return why


cdef int inherited_wait(RobustLock *robust, Thread *t, uint32_t *word, uint32_t seen, const timespec *limit,
                        int clock) except 1:
    cdef bint hears = bell_is_for(t)
    cdef uint64_t asleep
    cdef int why
    if hears:
        hang(t, &limit)
    asleep = sleep_begins(KIND_CONDITION, word, 0)
    with nogil:
        why = pi_sleep(word, seen, &robust.word, limit, clock)
    sleep_ends(asleep, why)
    if hears and bell_take_down() and (why == -EINVAL or why == -EAGAIN):
        why = -EINTR
    if why == 0:
        return robust_answered(robust, t, 0)
    if why != -EAGAIN and why != -ETIMEDOUT:
        robust_end(t)
        if why != -EINTR:
            raise_errno(-why)
    return why
