"""FutexWord: one word of one Memory, found once. What the Futex of every engine is made of."""

from libc.stdint cimport uint32_t

from pyfutex._core.word cimport Word
from pyfutex.memory cimport Memory


cdef class FutexWord:
    cdef readonly Memory mem
    cdef readonly object addr
    cdef char *word         # where `addr` lies; `mem` keeps it there
    cdef uint32_t log2_size


# Find the word of a size at `addr` of `mem`, and bind `f` to it; `found` has its key too.
# InvalidArgument: misaligned; OSError (EFAULT): outside the memory.
cdef int futex_word_bind(FutexWord f, Memory mem, object addr, uint32_t log2_size, Word *found) except -1
