"""The one place where a Status becomes an exception or a negative errno."""

from pyfutex._core.status cimport Status


# Raise what `status` means: InvalidArgument for EINVAL, MemoryError, else OSError(errno, text). With `woken` or
# `requeued` not negative, the exception carries them as attributes: what was done before the error stays done.
cdef int raise_status(Status status, long woken=*, long requeued=*) except -1

# The errno of a status that is an error.
cdef int status_errno(Status status) noexcept
