"""The operations on targets that only Python code can read. Python runs with no lock of ours held, but for the PI mutex.

A wait queues first, then loads, and leaves the queue on a mismatch; wake_op changes the word before it takes the locks;
cmp_requeue leaves a placeholder in the queue, loads, and moves those who stand before it. The outcomes are those of the
atomic operations of native targets.
"""

from libc.stdint cimport uint32_t

from pyfutex._core.bucket cimport Taken
from pyfutex._core.clock cimport Deadline
from pyfutex._core.family cimport CManager
from pyfutex._core.key cimport Key as CKey
from pyfutex._core.status cimport Status
from pyfutex.target cimport Target
from pyfutex.waiter cimport Waiter


cdef uint32_t called_load(Target mem, object addr) except? 0

# OK: w is queued, or was woken already. MISMATCH: it is not queued.
cdef Status called_prepare(object manager, CManager *m, Waiter w, Target mem, object addr, const CKey *key, uint32_t val,
                           uint32_t bitset) except? <Status> 255

# Change the word by wake_op's `op`; `held`: whether the comparison came out true. OK or UNKNOWN_OPERATION.
cdef Status called_wake_op(Target mem, object addr, uint32_t op, bint *held) except? <Status> 255

# As engine_requeue with a comparison.
cdef Status called_cmp_requeue(CManager *m, Target mem, object addr, const CKey *key, const CKey *key2, uint32_t val,
                               uint32_t n_wake, uint32_t n_requeue, Taken *taken,
                               uint32_t *requeued) except? <Status> 255

# As engine_lock_pi and engine_unlock_pi, one at a time for each target. RuntimeError when called from the target's own
# methods during one of them. w None: only try.
cdef Status called_lock_pi(object manager, CManager *m, Waiter w, Target mem, object addr, const CKey *key, uint32_t tid,
                           object owner_alive) except? <Status> 255
cdef Status called_unlock_pi(CManager *m, Target mem, object addr, const CKey *key, uint32_t tid,
                             Taken *taken) except? <Status> 255
