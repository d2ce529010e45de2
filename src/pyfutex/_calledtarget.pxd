"""The operations on targets that only Python code can read. Python runs with no lock of ours held.

A wait queues first, then loads, and leaves the queue on a mismatch; wake_op changes the word before it takes the locks;
cmp_requeue leaves a placeholder in the queue, loads, and moves those who stand before it. The outcomes are those of the
atomic operations of native targets.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from pyfutex._core.bucket cimport Taken
from pyfutex._core.clock cimport Deadline
from pyfutex._core.family cimport CManager
from pyfutex._core.key cimport Key as CKey
from pyfutex._core.status cimport Status
from pyfutex._core.waiter cimport Waiter as CWaiter
from pyfutex.target cimport Target
from pyfutex.waiter cimport Waiter


# Words of 4 bytes, and of any size. OverflowError where the target answers with more than the word can hold.
cdef uint32_t called_load(Target mem, object addr) except? 0
cdef uint32_t called_swap(Target mem, object addr, uint32_t new) except? 0
cdef uint32_t called_cas(Target mem, object addr, uint32_t old, uint32_t new) except? 0
cdef uint64_t called_load_cell(Target mem, object addr, uint32_t log2_size) except? 0

# OK: w is queued, or was woken already. MISMATCH: it is not queued.
cdef Status called_prepare(object manager, CManager *m, Waiter w, Target mem, object addr, const CKey *key, uint64_t val,
                           uint32_t bitset, uint8_t priority) except? <Status> 255

# The same for a waiter that is claimed; in every other case it is refused.
cdef Status called_queue(CManager *m, Waiter w, Target mem, object addr, const CKey *key, uint64_t val) except? <Status> 255

# Change the word by wake_op's `op`; `held`: whether the comparison came out true. OK or UNKNOWN_OPERATION.
cdef Status called_wake_op(Target mem, object addr, uint32_t log2_size, uint32_t op, bint *held) except? <Status> 255

# As engine_requeue with a comparison.
cdef Status called_cmp_requeue(CManager *m, Target mem, object addr, const CKey *key, const CKey *key2, uint64_t val,
                               uint32_t n_wake, uint32_t n_requeue, Taken *taken,
                               uint32_t *requeued) except? <Status> 255

# An entry in the queue of `key` that marks a place there, until leave_place. NULL: no memory.
cdef CWaiter *hold_place(CManager *m, const CKey *key) noexcept
cdef void leave_place(CWaiter *placeholder) noexcept
