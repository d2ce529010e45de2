"""Waking on many words in one pass: their cache misses overlap, and up to 64 of them are one atomic step."""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.bucket cimport Taken
from pyfutex._core.family cimport CManager
from pyfutex._core.key cimport Key
from pyfutex._core.status cimport Mode, Status


cdef struct WakeRequest:
    Key key
    uint32_t n
    uint32_t bitset
    uint32_t index      # the caller's
    uint32_t woken      # set: how many were taken
    Status status       # set: OK, or MISFIT when a PI waiter was met


# Wake as every request says, in their order, all under the locks of all buckets. n is at most MOST_LOCKED. OK; CONTENDED,
# NO_MEMORY: nothing was done. The caller delivers `taken`.
cdef Status engine_wakev(CManager *m, WakeRequest *requests, uint32_t n, Taken *taken, Mode mode) noexcept nogil
