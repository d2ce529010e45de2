"""Looking into a manager: counting, listing, and cancelling all."""

from libc.stdint cimport uint32_t

from pyfutex._core.family cimport CManager
from pyfutex.target cimport Target


cdef object queued_count(CManager *m)
cdef dict table_figures(CManager *m)

# mem None: all of m. Else those of the word of a size at `addr`, under its private and its shared key.
cdef list list_waiters(CManager *m, Target mem, object addr, uint32_t log2_size)

# RuntimeError, and nothing cancelled, when a thread sleeps in one of m's waits.
cdef int cancel_all(object manager, CManager *m) except -1
