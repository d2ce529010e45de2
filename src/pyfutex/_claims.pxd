"""Claiming a Waiter object for being queued: from idle, woken or cancelled to its preparer's alone."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from pyfutex._core.waiter cimport WaiterKind
from pyfutex.target cimport Target
from pyfutex.waiter cimport Waiter


# The phase of w; RuntimeError when w is queued, or not taken from its completion queue yet.
cdef int waiter_check(Waiter w) except -1
# Claim w for being queued: RuntimeError as above. Then the caller owns it until it is queued, or waiter_refuse. The queue's
# reference to w is taken here.
cdef int waiter_claim(Waiter w, object manager, object target, WaiterKind kind, uint32_t bitset,
                      uint8_t priority) except -1
# The same for a PI or REQUEUE_PI waiter; the PI word that `tid` waits for is at `addr` of `target`.
cdef int waiter_claim_pi(Waiter w, object manager, Target target, WaiterKind kind, uint32_t tid, uint8_t priority,
                         uint64_t addr) except -1
# It was not queued after all.
cdef void waiter_refuse(Waiter w) noexcept
