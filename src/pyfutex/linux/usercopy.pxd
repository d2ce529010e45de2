"""Bytes from and to guest memory, at any alignment. Answers are errnos: 0, EFAULT, or what a Python target raised.

A word of 4 or 8 bytes at a multiple of its size is read and written in one piece.
"""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex.target cimport Target


# A field of 64 bits that was copied as two words, of a guest that has the upper one first. And back.
cdef inline uint64_t exchanged(uint64_t field) noexcept nogil:
    return field >> 32 | field << 32


# The errno of an OSError; EFAULT of one that has none.
cdef int errno_of(object error) noexcept

# `n` bytes at `addr`, all or none. `limit`: the first address that is not the guest's.
cdef int copy_in(Target mem, uint64_t addr, uint64_t limit, void *buffer, uint32_t n) except -1
cdef int copy_out(Target mem, uint64_t addr, uint64_t limit, const void *buffer, uint32_t n) except -1
