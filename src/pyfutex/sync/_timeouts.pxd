"""`blocking` and `timeout` as threading has them."""

from pyfutex._core.clock cimport Deadline

# `timeout` in seconds from now, None for ever; a negative one is over. OverflowError: more than threading.TIMEOUT_MAX.
cdef int wait_deadline(object timeout, Deadline *until) except -1

# Of acquire: 0, do not wait; 1, wait until `until`. ValueError, OverflowError as threading raises them.
cdef int acquire_deadline(object blocking, object timeout, Deadline *until) except -1


cdef inline bint is_forever(object blocking, object timeout) noexcept:
    # The defaults: the numbers from -5 on are one object each.
    cdef object minus_one = -1
    return blocking is True and timeout is minus_one
