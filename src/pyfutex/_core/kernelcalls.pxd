"""View of kernelcalls.h: the futex calls of the host kernel. Each answers 0 or more, or a negative errno."""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.clock cimport Deadline


cdef extern from "kernelcalls.h" nogil:
    const int PRIVATE_FLAG "FUTEX_PRIVATE_FLAG"
    const uint32_t MATCH_ANY "FUTEX_BITSET_MATCH_ANY"
    const int WAITV_MAX "PF_WAITV_MAX"

    ctypedef struct WaitvItem "pf_waitv":
        uint64_t val
        uint64_t uaddr
        uint32_t flags
        uint32_t reserved

    # futex(2). `flag`: PRIVATE_FLAG or 0. Those that may sleep: wait, lock_pi, wait_requeue_pi.
    long kernel_wait "pf_kernel_wait" (uint32_t *word, uint32_t val, uint32_t bitset, Deadline deadline, int flag)
    long kernel_wake "pf_kernel_wake" (uint32_t *word, int n, uint32_t bitset, int flag)
    long kernel_requeue "pf_kernel_requeue" (uint32_t *word, uint32_t *word2, uint32_t n_wake, uint32_t n_requeue,
                                             int flag)
    long kernel_cmp_requeue "pf_kernel_cmp_requeue" (uint32_t *word, uint32_t *word2, uint32_t val, uint32_t n_wake,
                                                     uint32_t n_requeue, int flag)
    long kernel_wake_op "pf_kernel_wake_op" (uint32_t *word, uint32_t *word2, uint32_t op, uint32_t n, uint32_t n2,
                                             int flag)
    long kernel_lock_pi "pf_kernel_lock_pi" (uint32_t *word, Deadline deadline, int flag)
    long kernel_trylock_pi "pf_kernel_trylock_pi" (uint32_t *word, int flag)
    long kernel_unlock_pi "pf_kernel_unlock_pi" (uint32_t *word, int flag)
    long kernel_wait_requeue_pi "pf_kernel_wait_requeue_pi" (uint32_t *word, uint32_t *word2, uint32_t val,
                                                             Deadline deadline, int flag)
    long kernel_cmp_requeue_pi "pf_kernel_cmp_requeue_pi" (uint32_t *word, uint32_t *word2, uint32_t val,
                                                           uint32_t n_requeue, int flag)

    # futex_waitv(2); may sleep.
    long kernel_waitv "pf_kernel_waitv" (const WaitvItem *items, uint32_t n, Deadline deadline)

    # futex_wait, futex_wake, futex_requeue: the futex2 calls. wait2 may sleep.
    uint32_t flags2 "pf_flags2" (int flag)
    long kernel_wait2 "pf_kernel_wait2" (uint32_t *word, uint32_t val, uint32_t bitset, Deadline deadline, int flag)
    long kernel_wake2 "pf_kernel_wake2" (uint32_t *word, int n, uint32_t bitset, int flag)
    long kernel_requeue2 "pf_kernel_requeue2" (uint32_t *word, uint32_t *word2, uint32_t val, uint32_t n_wake,
                                               uint32_t n_requeue, int flag)

    ctypedef enum Feature "enum pf_feature":
        HAS_PI "PF_HAS_PI"
        HAS_REQUEUE_PI "PF_HAS_REQUEUE_PI"
        HAS_LOCK_PI2 "PF_HAS_LOCK_PI2"
        HAS_WAITV "PF_HAS_WAITV"
        HAS_FUTEX2 "PF_HAS_FUTEX2"
        HAS_NUMA "PF_HAS_NUMA"
        HAS_MPOL "PF_HAS_MPOL"

    bint kernel_has "pf_kernel_has" (Feature feature)
