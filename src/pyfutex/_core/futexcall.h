/* The host kernel's futex(2), in the two forms that the core sleeps with.
 *
 * pf_futex_wait and pf_futex_wake are for words of this process alone (FUTEX_PRIVATE_FLAG). They are the only system
 * calls through which the engine blocks or wakes a thread.
 */
#ifndef PYFUTEX_FUTEXCALL_H
#define PYFUTEX_FUTEXCALL_H

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "steps.h"

/* `deadline` as the kernel takes it, written to *until; NULL for PF_NEVER. */
static inline struct timespec *pf_limit(pf_deadline deadline, struct timespec *until)
{
    if (deadline.ns == PF_NEVER)
        return NULL;
    until->tv_sec = deadline.ns / 1000000000;
    until->tv_nsec = deadline.ns % 1000000000;
    return until;
}

/* FUTEX_CLOCK_REALTIME where the deadline is on that clock. */
static inline int pf_clock_flag(pf_deadline deadline)
{
    return deadline.ns != PF_NEVER && deadline.clock == CLOCK_REALTIME ? FUTEX_CLOCK_REALTIME : 0;
}

/* Sleep while *word == expected, until woken through a bit of `bitset` or `deadline` passes. `flag` is
 * FUTEX_PRIVATE_FLAG or 0. Returns 0 (woken, perhaps spuriously), or EAGAIN, EINTR, ETIMEDOUT, EFAULT. */
static inline int pf_futex_wait_as(uint32_t *word, uint32_t expected, uint32_t bitset, pf_deadline deadline, int flag)
{
    struct timespec until;
    struct timespec *limit = pf_limit(deadline, &until);
    int op = FUTEX_WAIT_BITSET | pf_clock_flag(deadline) | flag;
    PF_STEP();
    return syscall(SYS_futex, word, op, expected, limit, NULL, bitset) == 0 ? 0 : errno;
}

static inline int pf_futex_wait(uint32_t *word, uint32_t expected, uint32_t bitset, pf_deadline deadline)
{
    return pf_futex_wait_as(word, expected, bitset, deadline, FUTEX_PRIVATE_FLAG);
}

static inline void pf_futex_wake(uint32_t *word, int n, uint32_t bitset)
{
    PF_STEP();
    syscall(SYS_futex, word, FUTEX_WAKE_BITSET | FUTEX_PRIVATE_FLAG, n, NULL, NULL, bitset);
}

#endif
