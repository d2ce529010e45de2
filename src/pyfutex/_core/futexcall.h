/* The host kernel's wait, by futex(2): of the engine's own parking (parking_futex.h), and of Kernel (kernelcalls.h). */
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

#endif
