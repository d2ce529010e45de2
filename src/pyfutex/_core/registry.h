/* pthread_atfork, and bytes from the system's generator. */
#ifndef PYFUTEX_REGISTRY_H
#define PYFUTEX_REGISTRY_H

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "clock.h"

/* 64 bits nobody can guess; early in a boot, when the generator would block, merely 64 bits that differ. */
static inline uint64_t pf_random_u64(void)
{
    uint64_t value;
    if (getrandom(&value, sizeof value, GRND_NONBLOCK) == (ssize_t)sizeof value)
        return value;
    return (uint64_t)pf_now_ns(CLOCK_MONOTONIC) * 0x9E3779B97F4A7C15u ^ (uint64_t)(uintptr_t)&value;
}

static inline void *pf_calloc_line(size_t size)
{
    void *p = NULL;
    if (posix_memalign(&p, 64, size) != 0)
        return NULL;
    memset(p, 0, size);
    return p;
}

#endif
