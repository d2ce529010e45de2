"""FutexWord: one word of one Memory, found once. What the Futex of every engine is made of."""

from libc.stdint cimport uint32_t

from pyfutex._core.target cimport Word
from pyfutex.memory cimport Memory


cdef class FutexWord:
    cdef readonly Memory mem
    cdef readonly object addr
    cdef uint32_t *word     # where `addr` lies; `mem` keeps it there


# Find the word at `addr` of `mem`, and bind `f` to it; `found` has its key too.
# InvalidArgument: misaligned; OSError (EFAULT): outside the memory.
cdef int futex_word_bind(FutexWord f, Memory mem, object addr, Word *found) except -1
