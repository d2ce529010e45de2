"""`blocking` and `timeout` as threading has them. Contracts are in _timeouts.pxd."""

from pyfutex._core.clock cimport Deadline, deadline_after, deadline_never

from threading import TIMEOUT_MAX


cdef int deadline_in(double seconds, Deadline *until) except -1:
    if seconds > TIMEOUT_MAX:
        raise OverflowError("timeout value is too large")
    until[0] = deadline_after(<long long> (seconds * 1e9))
    return 0


cdef int wait_deadline(object timeout, Deadline *until) except -1:
    cdef double seconds
    if timeout is None:
        until[0] = deadline_never()
        return 0
    seconds = timeout
    if seconds != seconds:
        raise ValueError("Invalid value NaN (not a number)")
    return deadline_in(max(seconds, 0.0), until)


cdef int acquire_deadline(object blocking, object timeout, Deadline *until) except -1:
    cdef double seconds = timeout
    if not blocking:
        if seconds != -1:
            raise ValueError("can't specify a timeout for a non-blocking call")
        return 0
    if seconds == -1:
        until[0] = deadline_never()
    elif not seconds >= 0:
        raise ValueError("timeout value must be a non-negative number")
    else:
        deadline_in(seconds, until)
    return 1
