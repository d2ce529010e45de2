"""Waiting for a mutex. Contracts are in _mutex.pxd."""

from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EAGAIN, EBUSY, EINTR, EPERM, ETIMEDOUT
from libc.stdint cimport uint64_t
from posix.time cimport timespec

from pyfutex._core.atomic cimport cas_u32, load_relaxed_u32
from pyfutex._core.clock cimport Deadline, NEVER, deadline_never
from pyfutex._core.kernelcalls cimport kernel_wait
from pyfutex._errors cimport raise_errno
from pyfutex.sync._inherited cimport inherited_acquire
from pyfutex.sync._robust cimport (
    EDEADLK,
    ENOTRECOVERABLE,
    EOWNERDEAD,
    KIND_LOCK,
    RobustLock,
    Thread,
    robust_begin,
    robust_end,
    robust_inherits,
    robust_kind,
    robust_owner,
    robust_sleep,
    robust_spin,
    robust_try,
)
from pyfutex.sync._thread cimport entered_thread
from pyfutex.sync._sleepers cimport sleep_begins, sleep_ends, wake_sleepers

import os

from pyfutex.sync.errors import NotRecoverable, OwnerDied


OWNER_DIED_TEXT = os.strerror(EOWNERDEAD)
NOT_RECOVERABLE_TEXT = os.strerror(ENOTRECOVERABLE)


cdef int mutex_raise(int error) except 1:
    if error == -EOWNERDEAD:
        raise OwnerDied(EOWNERDEAD, OWNER_DIED_TEXT)
    if error == -ENOTRECOVERABLE:
        raise NotRecoverable(ENOTRECOVERABLE, NOT_RECOVERABLE_TEXT)
    if error == -EDEADLK:
        raise RuntimeError("the calling thread holds this lock already")
    raise_errno(-error)


cdef int plain_release_parked(Mutex *m) noexcept:
    if not cas_u32(m.word, HELD_PARKED, FREE):
        return -EPERM
    wake_sleepers(m.word, 1, m.flag)
    return 0


cdef int plain_acquire(Mutex *m, Deadline until, bint has_slept, bint handles_signals) except 1:
    cdef uint64_t asleep
    cdef long why
    while not cas_u32(m.word, FREE, HELD_PARKED if has_slept else HELD):
        if load_relaxed_u32(m.word) != HELD_PARKED and not cas_u32(m.word, HELD, HELD_PARKED):
            continue
        asleep = sleep_begins(KIND_LOCK, m.word, 0)
        with nogil:
            why = kernel_wait(m.word, HELD_PARKED, 0xFFFFFFFF, until, m.flag)
        sleep_ends(asleep, why)
        has_slept = True
        if why == -EINTR:
            if handles_signals:
                PyErr_CheckSignals()
        elif why == -ETIMEDOUT:
            return <int> why
        elif why and why != -EAGAIN:
            raise_errno(<int> -why)
    return 0


cdef int robust_acquire(RobustLock *robust, Deadline until, bint has_slept, bint handles_signals) except 1:
    cdef Thread *t = entered_thread()
    cdef timespec end
    cdef timespec *limit = NULL
    cdef uint64_t asleep
    cdef int why
    if until.ns != NEVER:
        end.tv_sec = until.ns // 1000000000
        end.tv_nsec = until.ns % 1000000000
        limit = &end
    # Pending all the while, but for signal handlers, which may take other locks: if we are killed when a wake has been spent
    # on us, the kernel passes it on.
    robust_begin(robust, t)
    if not has_slept:
        why = robust_spin(robust, t)
        if why != -EBUSY:
            return why
    if robust_inherits(robust):
        return inherited_acquire(robust, t, limit, until.clock, handles_signals)
    while True:
        why = robust_try(robust, t, has_slept)
        if why != -EBUSY:
            return why
        asleep = sleep_begins(robust_kind(robust), &robust.word, robust_owner(robust))
        with nogil:
            why = robust_sleep(robust, limit, until.clock)
        sleep_ends(asleep, why)
        has_slept = True
        if why == -EINTR:
            if handles_signals:
                robust_end(t)
                PyErr_CheckSignals()
                # In the child, should a handler have forked, the thread has another id.
                t = entered_thread()
                robust_begin(robust, t)
        elif why:
            robust_end(t)
            return why


cdef int mutex_acquire(Mutex *m, Deadline until, bint has_slept) except 1:
    cdef int result
    if m.robust == NULL:
        return plain_acquire(m, until, has_slept, True)
    result = robust_acquire(m.robust, until, has_slept, True)
    if result and result != -ETIMEDOUT:
        mutex_raise(result)
    return result


cdef int mutex_acquire_again(Mutex *m) except 1:
    cdef int result
    if m.robust == NULL:
        return plain_acquire(m, deadline_never(), True, False)
    result = robust_acquire(m.robust, deadline_never(), True, False)
    if result:
        mutex_raise(result)
    return 0


cdef int mutex_wait(Mutex *m, Deadline until, bint handles_signals) except 1:
    if m.robust == NULL:
        return plain_acquire(m, until, False, handles_signals)
    return robust_acquire(m.robust, until, False, handles_signals)
