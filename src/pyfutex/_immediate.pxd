"""The operations that answer at once, on targets of every kind: requeue and wake_op."""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.bucket cimport Taken
from pyfutex._core.family cimport CManager
from pyfutex._core.status cimport Status
from pyfutex.target cimport Target


# The end of an operation that wakes: deliver, then the number of woken, or the exception that carries it.
cdef object finish(Status status, Taken *taken)

# A Requeued, or None: `compares`, and the word does not hold `expected`.
cdef object requeue_words(CManager *m, Target mem, object addr, Target mem2, object addr2, uint32_t n_wake,
                          uint32_t n_requeue, int sharing, uint32_t log2_size, bint compares, uint64_t expected)

# How many were woken.
cdef object wake_op_words(CManager *m, Target mem, object addr, Target mem2, object addr2, uint32_t op, uint32_t n,
                          uint32_t n2, int sharing, uint32_t log2_size)
