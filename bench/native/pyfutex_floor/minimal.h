/* The least that C needs for what the engine does: the floors of the benchmarks.
 *
 * Nothing here queues a waiter. Each loop runs its operation `n` times in one call, so that the call itself, from
 * whatever language, does not count.
 */
#ifndef PYFUTEX_FLOOR_MINIMAL_H
#define PYFUTEX_FLOOR_MINIMAL_H

#include <stddef.h>
#include <stdint.h>

/* Counts of waiters by bucket: 2 ** log2_size of them. */
struct minimal_table {
    uint32_t log2_size;
    uint32_t *counts;
};

/* What a key is hashed with, and the table that is in use now. */
struct minimal_manager {
    uint64_t seed_space;
    uint64_t seed_offset;
    struct minimal_table *table;
};

/* A wake that finds nobody: hash the key, full fence, load the table, load the count. Words offsets[i & mask] in turn.
 * Returns how often a count was not zero. */
uint64_t minimal_wake(const struct minimal_manager *m, uint64_t space, const uint64_t *offsets, uint64_t mask,
                      uint64_t n);

/* A full fence, alone. */
void minimal_fence(uint64_t n);

/* System calls on futex words that nobody waits on. */
enum minimal_kernel_operation {
    KERNEL_WAKE,
    KERNEL_WAIT_REFUSED,
    KERNEL_WAIT_TIMED_OUT,
    KERNEL_REQUEUE,
    KERNEL_CMP_REQUEUE,
    KERNEL_WAKE_OP,
    KERNEL_LOCK_UNLOCK_PI,  /* two calls; uncontended locks never make them */
};

/* Makes one of them `n` times, on private words or on shared ones. Returns 0, or -errno if it did not answer as it
 * should. */
int minimal_kernel(enum minimal_kernel_operation operation, int is_private, uint64_t n);

/* Links `n_lines` cache lines into one cycle in an order drawn from `seed`. The first word of a line holds the index of
 * the next. */
void minimal_chase_link(uint64_t *lines, uint64_t n_lines, uint64_t seed);

/* Follows the cycle from line `start` for `steps` dependent loads. Returns the line reached. */
uint64_t minimal_chase(const uint64_t *lines, uint64_t start, uint64_t steps);

/* Two threads on cores `cpu_first` and `cpu_second` wake each other in turn through two kernel futexes. Returns the
 * nanoseconds of `trips` round trips after `warmup` others, or -errno. */
int64_t minimal_round_trips(int cpu_first, int cpu_second, uint32_t warmup, uint32_t trips);

#endif
