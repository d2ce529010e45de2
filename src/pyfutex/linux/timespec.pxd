"""Timeouts in guest memory: the two layouts of a timespec, what is valid, and the deadline that it means."""

from libc.errno cimport EINVAL
from libc.stdint cimport int32_t, int64_t, uint64_t

from pyfutex._core.clock cimport NEVER
from pyfutex.linux.usercopy cimport copy_in, exchanged
from pyfutex.target cimport Target


cdef enum TimespecLayout:
    SECONDS_64          # two words of 64 bits
    SECONDS_32          # two of 32 bits: the calls of 32-bit programs from before 2038 was thought of
    SECONDS_64_ILP32    # two of 64 bits, of which a 32-bit program fills half of the second one


cdef inline int64_t as_ns(int64_t seconds, int64_t ns) noexcept nogil:
    # Saturating, as the kernel does, at what serves as "never".
    return NEVER if seconds >= NEVER // 1000000000 else seconds * 1000000000 + ns


cdef inline int64_t add_ns(int64_t a, int64_t b) noexcept nogil:
    # Requires: neither is negative.
    return NEVER if a > NEVER - b else a + b


cdef inline int read_timespec(Target mem, uint64_t addr, uint64_t limit, TimespecLayout layout, bint is_exchanged,
                              int64_t *ns) except -1:
    """0 and the nanoseconds; or EFAULT, EINVAL (a negative part, or a second and more of nanoseconds)."""
    cdef int64_t wide[2]
    cdef int32_t narrow[2]
    cdef int error
    if layout == SECONDS_32:
        error = copy_in(mem, addr, limit, narrow, sizeof(narrow))
        if error:
            return error
        wide[0] = narrow[0]
        wide[1] = narrow[1]
    else:
        error = copy_in(mem, addr, limit, wide, sizeof(wide))
        if error:
            return error
        if is_exchanged:
            wide[0] = <int64_t> exchanged(<uint64_t> wide[0])
            wide[1] = <int64_t> exchanged(<uint64_t> wide[1])
        if layout == SECONDS_64_ILP32:
            wide[1] &= 0xFFFFFFFF
    if wide[0] < 0 or wide[1] < 0 or wide[1] >= 1000000000:
        return EINVAL
    ns[0] = as_ns(wide[0], wide[1])
    return 0
