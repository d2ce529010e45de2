"""What a guest thread leaves behind when it ends."""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.family cimport CManager
from pyfutex.target cimport Target


# Go along the robust list of thread `tid`, from its head: a word that the thread owns becomes OWNER_DIED, and one who waits
# for it as shared is woken. `is_narrow`: pointers of 32 bits; `is_exchanged`: those of
# 64 bits have their upper word first. `wakes_for_others`: a pending unlock of a word that has
# another owner and no WAITERS wakes one, too.
cdef int walk_robust_list(CManager *m, Target mem, uint32_t tid, uint64_t head, bint is_narrow, bint is_exchanged,
                          uint64_t limit, bint wakes_for_others) except -1

# Hand on the PI words that `tid` owns.
cdef int give_up_pi(CManager *m, uint32_t tid) except -1

# Store 0 and wake one who waits there as shared.
cdef int clear_child_tid(CManager *m, Target mem, uint64_t addr, uint64_t limit) except -1
