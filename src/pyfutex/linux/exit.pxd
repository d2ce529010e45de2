"""What a guest thread leaves behind when it ends."""

from libc.stdint cimport uint64_t

from pyfutex._core.family cimport CManager
from pyfutex.target cimport Target


# Wake one waiter of the shared key of `addr`, if it has one: as the kernel does for a thread that is gone.
cdef int shared_wake(CManager *m, Target mem, uint64_t addr, uint64_t limit) except -1

# Store 0 and wake.
cdef int clear_child_tid(CManager *m, Target mem, uint64_t addr, uint64_t limit) except -1
