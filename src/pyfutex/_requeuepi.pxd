"""wait_requeue_pi and cmp_requeue_pi, on targets of every kind."""

from libc.stdint cimport uint8_t, uint32_t

from pyfutex._core.bucket cimport Taken
from pyfutex._core.clock cimport Deadline
from pyfutex._core.family cimport CManager
from pyfutex._core.status cimport Status
from pyfutex._core.target cimport Access
from pyfutex.target cimport Target
from pyfutex.waiter cimport Waiter


# Errors and exceptions as in _pi.pxd.

# OK: w is queued, or was woken already. MISMATCH, MISFIT (also: one and the same word), FAULT, NO_MEMORY: it is idle.
# `access2`: to the second word, WRITE, or KEY where it is looked at by the requeue alone.
cdef Status prepare_requeue_pi(object manager, CManager *m, Waiter w, Target mem, object addr, Target mem2, object addr2,
                               uint32_t val, uint32_t tid, uint8_t priority, int sharing,
                               Access access2) except? <Status> 255
# A WaitResult. WOKEN: `tid` has the second word. MISMATCH also: a signal came after the requeue.
cdef object block_requeue_pi(object manager, CManager *m, Target mem, object addr, Target mem2, object addr2,
                             uint32_t val, uint32_t tid, Deadline until, int sharing)

# As engine_requeue_pi; who is in `taken` has the second word. The caller delivers in any case.
cdef Status requeue_pi_words(CManager *m, Target mem, object addr, Target mem2, object addr2, uint32_t val,
                             uint32_t n_requeue, int sharing, object owner_alive, Taken *taken,
                             uint32_t *requeued) except? <Status> 255
