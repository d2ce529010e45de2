"""Exceptions. Python picks the subclass of OSError by its errno (PermissionError for EPERM, and so on)."""

from libc.errno cimport EAGAIN, EFAULT, EINVAL, ENOMEM, ENOSYS, EPERM, ESRCH

from pyfutex._core.status cimport (
    DEADLOCK,
    FAULT,
    MISFIT,
    MISMATCH,
    NO_MEMORY,
    NO_OWNER,
    NOT_OWNER,
    TRY_AGAIN,
    UNKNOWN_OPERATION,
)

from os import strerror


cdef extern from "errno.h":
    const int EDEADLK       # libc.errno lacks it


class InvalidArgument(OSError, ValueError):
    """An argument that Linux answers with EINVAL: both an `OSError` with that errno and a `ValueError`."""

    __module__ = "pyfutex"


cdef int status_errno(Status status) noexcept:
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
    return EINVAL


cdef dict TEXTS = {
    <int> MISFIT: "misaligned address, zero bitset, negative count, or a waiter of another kind is queued",
    <int> FAULT: "address outside the memory, or not writable",
    <int> DEADLOCK: "the lock is held by its caller",
    <int> NOT_OWNER: "the lock is not held by its caller",
    <int> NO_OWNER: "the owner of the lock does not exist",
    <int> TRY_AGAIN: "the futex word changed meanwhile",
    <int> UNKNOWN_OPERATION: "unknown operation or comparison",
}


cdef int raise_status(Status status, long woken=-1, long requeued=-1) except -1:
    cdef int number = status_errno(status)
    if status == NO_MEMORY:
        raise MemoryError("no memory for the table of waiters")
    error = (InvalidArgument if number == EINVAL else OSError)(number, TEXTS.get(<int> status, strerror(number)))
    if woken >= 0:
        error.woken = woken
    if requeued >= 0:
        error.requeued = requeued
    raise error
