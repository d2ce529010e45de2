"""minimal.h, declared."""

from libc.stdint cimport int64_t, uint32_t, uint64_t


cdef extern from "minimal.h" nogil:
    struct minimal_table:
        uint32_t log2_size
        uint32_t *counts

    struct minimal_manager:
        uint64_t seed_space
        uint64_t seed_offset
        minimal_table *table

    enum minimal_kernel_operation:
        KERNEL_WAKE
        KERNEL_WAIT_REFUSED
        KERNEL_WAIT_TIMED_OUT
        KERNEL_REQUEUE
        KERNEL_CMP_REQUEUE
        KERNEL_WAKE_OP
        KERNEL_LOCK_UNLOCK_PI

    uint64_t minimal_wake(const minimal_manager *m, uint64_t space, const uint64_t *offsets, uint64_t mask, uint64_t n)
    void minimal_fence(uint64_t n)
    int minimal_kernel(minimal_kernel_operation operation, bint is_private, uint64_t n)
    void minimal_chase_link(uint64_t *lines, uint64_t n_lines, uint64_t seed)
    uint64_t minimal_chase(const uint64_t *lines, uint64_t start, uint64_t steps)
    int64_t minimal_round_trips(int cpu_first, int cpu_second, uint32_t warmup, uint32_t trips)
