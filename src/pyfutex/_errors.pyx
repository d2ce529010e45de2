"""Exceptions. Python picks the subclass of OSError by its errno (PermissionError for EPERM, and so on)."""

from libc.errno cimport EAGAIN, EFAULT, EINVAL, ENOMEM, ENOSYS, EPERM, ESRCH

from pyfutex._core.checks cimport check_no_lock
from pyfutex._core.status cimport EDEADLK, status_errno

from os import strerror


class InvalidArgument(OSError, ValueError):
    """An argument that Linux answers with EINVAL: both an `OSError` with that errno and a `ValueError`."""

    __module__ = "pyfutex"


cdef dict TEXTS = {
    EINVAL: "misaligned address, zero bitset, negative count, or a waiter of another kind is queued",
    EFAULT: "address outside the memory, or not writable",
    EDEADLK: "the lock is held by its caller",
    EPERM: "the lock is not held by its caller",
    ESRCH: "the owner of the lock does not exist",
    EAGAIN: "the futex word changed meanwhile",
    ENOSYS: "unknown operation or comparison",
    ENOMEM: "no memory for the waiters",
}


cdef int raise_errno(int number, object text=None) except -1:
    raise error_of(number, text)


cdef object error_of(int number, object text):
    if text is None:
        text = TEXTS.get(number) or strerror(number)
    if number == ENOMEM:
        return MemoryError(text)
    return (InvalidArgument if number == EINVAL else OSError)(number, text)


cdef int raise_status(Status status, long woken=-1, long requeued=-1) except -1:
    check_no_lock()
    error = error_of(status_errno(status), None)
    if woken >= 0:
        error.woken = woken
    if requeued >= 0:
        error.requeued = requeued
    raise error
