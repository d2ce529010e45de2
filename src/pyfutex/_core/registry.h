/* pthread_atfork, bytes from the system's generator, and the fork epoch. */
#ifndef PYFUTEX_REGISTRY_H
#define PYFUTEX_REGISTRY_H

#include <pthread.h>
#include <stdint.h>
#include <sys/random.h>

#include "clock.h"
#include "line.h"

/* 64 bits nobody can guess; early in a boot, when the generator would block, merely 64 bits that differ. */
static inline uint64_t pf_random_u64(void)
{
    uint64_t value;
    if (getrandom(&value, sizeof value, GRND_NONBLOCK) == (ssize_t)sizeof value)
        return value;
    return (uint64_t)pf_now_ns(CLOCK_MONOTONIC) * 0x9E3779B97F4A7C15u ^ (uint64_t)(uintptr_t)&value;
}

/* The fork epoch, for family.pyx alone. Everybody reads it in every call, and counters lie about: it has a line to itself. */
static struct PF_ON_A_LINE {
    uint32_t now;
} pf_fork_epoch;

#endif
