"""What a call of the core answers: the one error vocabulary below the Python boundary.

From NO_MEMORY on they are errors of the call itself; pyfutex._errors turns them into exceptions and into the negative
errnos that a `*_prepare` returns.
"""

from libc.errno cimport EAGAIN, EBUSY, EFAULT, EINTR, EINVAL, ENOMEM, ENOSYS, EPERM, ESRCH, ETIMEDOUT


cdef extern from "errno.h":
    const int EDEADLK       # libc.errno lacks it


cdef enum Status:
    OK = 0
    CONTENDED       # a lock was not free and the caller said ATTACHED: detach from the interpreter, call again
    MISMATCH        # the futex word did not hold the expected value
    TIMED_OUT
    INTERRUPTED     # a signal came; nothing is queued any more
    TAKEN           # a waker was faster: the waiter is (or will at once be) marked
    WAITING         # lock_pi: not acquired, queued
    BUSY            # trylock_pi: the lock is held; park: another thread sleeps on this waiter
    OWNER_CHANGED   # lock_pi: the owner is not the one whose liveness the caller had asked for
    NO_MEMORY
    MISFIT          # EINVAL: misaligned, a waiter of the wrong kind, the queue contradicts the word
    FAULT           # EFAULT
    DEADLOCK        # EDEADLK
    NOT_OWNER       # EPERM
    NO_OWNER        # ESRCH
    TRY_AGAIN       # EAGAIN from unlock_pi: the word changed under us
    UNKNOWN_OPERATION   # ENOSYS


cdef enum Mode:
    # Whether the calling thread is attached to the interpreter. An attached thread never blocks: it spins a few
    # pauses for a bucket lock and is then answered CONTENDED, having done nothing. See docs/architecture.md.
    ATTACHED = 0
    DETACHED = 1


cdef inline int status_errno(Status status) noexcept nogil:
    """The errno of a status that is no success."""
    if status == MISMATCH or status == TRY_AGAIN:
        return EAGAIN
    if status == NO_MEMORY:
        return ENOMEM
    if status == FAULT:
        return EFAULT
    if status == DEADLOCK:
        return EDEADLK
    if status == NOT_OWNER:
        return EPERM
    if status == NO_OWNER:
        return ESRCH
    if status == UNKNOWN_OPERATION:
        return ENOSYS
    if status == TIMED_OUT:
        return ETIMEDOUT
    if status == INTERRUPTED:
        return EINTR
    if status == BUSY:
        return EBUSY
    return EINVAL
