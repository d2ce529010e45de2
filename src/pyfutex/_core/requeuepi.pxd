"""From a plain word to a PI word: cmp_requeue_pi, for those who wait on a condition and need a PI lock to go on."""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.bucket cimport Taken
from pyfutex._core.family cimport CManager
from pyfutex._core.key cimport Key
from pyfutex._core.pi cimport Owner
from pyfutex._core.status cimport Mode, Status
from pyfutex._core.waiter cimport Waiter
from pyfutex._core.word cimport Word


cdef struct Condition:
    # The word that the waiters stand at, and what it has to hold. NULL: Python has compared it already.
    const Word *word
    uint64_t expected
    const Waiter *before    # only waiters that stand before this placeholder; NULL: all


cdef struct Lock:
    # The PI word. NULL: Python has changed it already for `tid`, who was the first waiter then, and found:
    const Word *word
    Owner asked
    Status found            # OK: tid has it. WAITING: `owner` has it
    uint32_t tid
    uint32_t owner


# If the condition's word holds what is expected: acquire the PI word `key2` for the first waiter of `key`, who is then in
# `taken`, and queue the next n_requeue behind it; or, where it is held, queue 1 + n_requeue behind its owner. OK; MISMATCH;
# FAULT; MISFIT: a waiter of another kind, or one that waits for another PI word, was met; DEADLOCK; NO_OWNER; OWNER_CHANGED:
# ask again; or, where Python changed the word, `tid` is gone; NO_MEMORY. What was done before an error stays done. Requires:
# detached; the two keys differ.
cdef Status engine_requeue_pi(CManager *m, const Key *key, const Key *key2, const Condition *condition, const Lock *lock,
                              uint32_t n_requeue, Taken *taken, uint32_t *requeued) noexcept nogil

# The thread of the first waiter of `key`, which waits for `key2`: OK, or MISFIT as above. tid 0: nobody waits.
cdef Status engine_top_requeuer(CManager *m, const Key *key, const Key *key2, uint32_t *tid, Mode mode) noexcept nogil
