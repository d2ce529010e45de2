"""Python arguments to C: integers through __index__, counts, bitsets, deadlines. The only conversions that the API uses.

Cython's own would take 1.5 for 1 and refuse __index__.
"""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.atomic cimport likely
from pyfutex._core.clock cimport Deadline, deadline_never
from pyfutex._core.key cimport LOG2_SIZE_U32
from pyfutex._core.status cimport MISFIT
from pyfutex._core.target cimport BY_MEMORY, IS_PRIVATE, IS_SHARED
from pyfutex._errors cimport raise_status


cdef extern from "_arguments.h":
    bint small_int "pf_small_int" (object o, uint64_t *value)


# TypeError for what is no integer, OverflowError outside 0 .. 2**64 - 1 or `limit`.
cdef int convert_u64(object o, uint64_t limit, uint64_t *value) except -1
# As an address: 1 for an integer that no address can be (negative, or beyond 64 bits); the caller says EFAULT.
cdef int convert_address(object o, uint64_t *value) except -1
# A count of waiters: InvalidArgument if negative, at most 0x7FFFFFFF (as good as all).
cdef int convert_count(object o, uint32_t *value) except -1
# `size=`: bytes in a word, as their logarithm. InvalidArgument for any but 1, 2, 4 and 8.
cdef int convert_size(object o) except -1
# `priority=`: TypeError for what is no integer, ValueError outside 0 .. 99.
cdef int convert_priority(object o) except -1
# An operand of modular arithmetic: any integer, modulo 2**64.
cdef int convert_modulo(object o, uint64_t *value) except -1
# When a wait ends. `timeout`: relative seconds or None; `deadline`: seconds on `clock` or None; not both.
# ValueError: negative or NaN; OverflowError: too large; InvalidArgument: another clock.
cdef int convert_deadline(object timeout, object deadline, object clock, Deadline *value) except -1


cdef inline int as_u32(object o, uint32_t *value) except -1:
    cdef uint64_t wide
    if not small_int(o, &wide):
        convert_u64(o, 0xFFFFFFFF, &wide)
    value[0] = <uint32_t> wide
    return 0


cdef inline uint64_t largest_of(uint32_t log2_size) noexcept:
    # What the word of a size can hold.
    return <uint64_t> 0xFFFFFFFFFFFFFFFF >> (64 - (8 << log2_size))


cdef inline int as_word(object o, uint32_t log2_size, uint64_t *value) except -1:
    # OverflowError for what does not fit into the word.
    if small_int(o, value) and value[0] <= largest_of(log2_size):
        return 0
    return convert_u64(o, largest_of(log2_size), value)


cdef inline int as_size(object size) except -1:
    # The default size is known as the default bitset is.
    cdef object usual = 4
    return LOG2_SIZE_U32 if likely(size is usual) else convert_size(size)


# The default bitset, written as a literal in the caller's signature, is this very object: equal constants of one compiled
# module are one object, and an inline function is compiled into the module that calls it. So it needs no conversion.
cdef inline int as_bitset(object bitset, uint32_t *value) except -1:
    cdef object every_bit = 0xFFFFFFFF
    if likely(bitset is every_bit):
        value[0] = 0xFFFFFFFF
        return 0
    return as_u32(bitset, value)


# InvalidArgument if 0.
cdef inline uint32_t nonzero_bitset(object bitset) except 0:
    cdef uint32_t value
    as_bitset(bitset, &value)
    if value == 0:
        raise_status(MISFIT)
    return value


cdef inline int as_address(object o, uint64_t *value) except -1:
    if likely(small_int(o, value)):
        return 0
    return convert_address(o, value)


cdef inline int as_count(object o, uint32_t *value) except -1:
    # All, the other usual count, is known as the bitset is.
    cdef object every = 0x7FFFFFFF
    cdef uint64_t wide
    if likely(small_int(o, &wide)):     # one digit: below 2**30
        value[0] = <uint32_t> wide
        return 0
    if o is every:
        value[0] = 0x7FFFFFFF
        return 0
    return convert_count(o, value)


cdef inline int as_deadline(object timeout, object deadline, object clock, Deadline *value) except -1:
    cdef uint64_t number
    if timeout is None and deadline is None and small_int(clock, &number) and number <= 1:
        value[0] = deadline_never()
        return 0
    return convert_deadline(timeout, deadline, clock, value)


cdef inline int as_modulo(object o, uint64_t *value) except -1:
    if likely(small_int(o, value)):
        return 0
    return convert_modulo(o, value)


cdef inline int as_sharing(object private) except -1:
    # `private=` of the operations; a value of the enum Sharing.
    if private is None:
        return BY_MEMORY
    return IS_PRIVATE if private else IS_SHARED
