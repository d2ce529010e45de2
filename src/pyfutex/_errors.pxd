"""The one place where a Status, or an errno of the host kernel, becomes an exception or a negative errno."""

from pyfutex._core.status cimport Status


# Raise what `status` means: InvalidArgument for EINVAL, MemoryError, else OSError(errno, text). With `woken` or
# `requeued` not negative, the exception carries them as attributes: what was done before the error stays done.
cdef int raise_status(Status status, long woken=*, long requeued=*) except -1

# Raise what a negative answer of the host kernel means, by the same rules; `text` None: the usual one for this errno.
cdef int raise_errno(int number, object text=*) except -1
