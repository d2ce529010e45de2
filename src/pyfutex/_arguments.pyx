"""Python arguments to C: the slow half. Contracts are in _arguments.pxd."""

from cpython.long cimport PyLong_AsUnsignedLongLong, PyLong_AsUnsignedLongLongMask, PyLong_Check
from cpython.number cimport PyNumber_Index
from libc.math cimport ceil, isnan
from libc.stdint cimport int64_t, uint32_t, uint64_t

from pyfutex._core.clock cimport CLOCK_MONOTONIC, CLOCK_REALTIME, Deadline, deadline_after, deadline_never
from pyfutex._core.status cimport MISFIT
from pyfutex._errors cimport raise_status


cdef int convert_u64(object o, uint64_t limit, uint64_t *value) except -1:
    cdef object number = PyNumber_Index(o)
    value[0] = PyLong_AsUnsignedLongLong(number)
    if value[0] > limit:
        raise OverflowError(f"{number} does not fit into an unsigned integer below {limit + 1}")
    return 0


cdef int convert_address(object o, uint64_t *value) except -1:
    cdef object number = PyNumber_Index(o)
    try:
        value[0] = PyLong_AsUnsignedLongLong(number)
    except OverflowError:
        return 1
    return 0


cdef int convert_count(object o, uint32_t *value) except -1:
    cdef object number = PyNumber_Index(o)
    if number < 0:
        raise_status(MISFIT)
    value[0] = <uint32_t> min(number, 0x7FFFFFFF)
    return 0


cdef int convert_size(object o) except -1:
    cdef object size = PyNumber_Index(o)
    cdef int log2_size
    for log2_size in range(4):
        if size == 1 << log2_size:
            return log2_size
    raise_status(MISFIT)


cdef int convert_priority(object o) except -1:
    cdef object number = PyNumber_Index(o)
    if not 0 <= number <= 99:
        raise ValueError(f"priority {number} is not in 0 .. 99")
    return number


cdef int convert_modulo(object o, uint64_t *value) except -1:
    value[0] = PyLong_AsUnsignedLongLongMask(PyNumber_Index(o))
    return 0


cdef int64_t nanoseconds(object seconds, str what) except -1:
    # Rounded up: a wait never ends before its time. Integers keep their precision.
    cdef object ns
    cdef double real
    if PyLong_Check(seconds):
        if seconds < 0:
            raise ValueError(f"{what} is negative")
        ns = seconds * 1000000000
        if ns > 0x7FFFFFFFFFFFFFFE:
            raise OverflowError(f"{what} is too large")
        return ns
    if isinstance(seconds, (str, bytes, bytearray)):
        raise TypeError(f"{what} must be a number of seconds, not {type(seconds).__name__}")
    real = seconds
    if isnan(real):
        raise ValueError(f"{what} is not a number")
    if real < 0:
        raise ValueError(f"{what} is negative")
    real = ceil(real * 1e9)
    if real >= 9.2e18:
        raise OverflowError(f"{what} is too large")
    return <int64_t> real


cdef int convert_deadline(object timeout, object deadline, object clock, Deadline *value) except -1:
    cdef object number = PyNumber_Index(clock)
    if number != CLOCK_MONOTONIC and number != CLOCK_REALTIME:
        raise_status(MISFIT)
    if timeout is not None and deadline is not None:
        raise TypeError("timeout and deadline exclude each other")
    if timeout is not None:
        value[0] = deadline_after(nanoseconds(timeout, "timeout"))
    elif deadline is not None:
        value.ns = nanoseconds(deadline, "deadline")
        value.clock = <int> number
    else:
        value[0] = deadline_never()
    return 0
