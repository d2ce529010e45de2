/* The host kernel's futex(2), in the two forms that the core sleeps with.
 *
 * Both are for words of this process alone (FUTEX_PRIVATE_FLAG). They are the only system calls through which the core
 * blocks or wakes a thread.
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

/* Sleep while *word == expected, until woken through a bit of `bitset` or `deadline` passes.
 * Returns 0 (woken, perhaps spuriously), or EAGAIN, EINTR, ETIMEDOUT. */
static inline int pf_futex_wait(uint32_t *word, uint32_t expected, uint32_t bitset, pf_deadline deadline)
{
    struct timespec until;
    struct timespec *limit = NULL;
    int op = FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG;
    if (deadline.ns != PF_NEVER) {
        until.tv_sec = deadline.ns / 1000000000;
        until.tv_nsec = deadline.ns % 1000000000;
        limit = &until;
        if (deadline.clock == CLOCK_REALTIME)
            op |= FUTEX_CLOCK_REALTIME;
    }
    return syscall(SYS_futex, word, op, expected, limit, NULL, bitset) == 0 ? 0 : errno;
}

static inline void pf_futex_wake(uint32_t *word, int n, uint32_t bitset)
{
    syscall(SYS_futex, word, FUTEX_WAKE_BITSET | FUTEX_PRIVATE_FLAG, n, NULL, NULL, bitset);
}

#endif
