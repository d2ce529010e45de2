/* Where the calling thread is: something that differs between threads and costs one instruction. */
#ifndef PYFUTEX_REGION_H
#define PYFUTEX_REGION_H

#include <sched.h>
#include <stdint.h>
#include <time.h>

/* One of n (a power of two) stripes. Stacks of two threads lie far apart; the product spreads them. */
static inline unsigned pf_stripe(unsigned n)
{
    uint64_t frame = (uint64_t)(uintptr_t)__builtin_frame_address(0) >> 16;
    return (unsigned)(frame * 0x9E3779B97F4A7C15u >> 32) & (n - 1);
}

/* Let others run: at once the first times, then for 50 microseconds, so that a waiting real-time thread starves nobody. */
static inline void pf_give_way(unsigned times)
{
    struct timespec moment = {0, 50000};
    if (times < 16)
        sched_yield();
    else
        nanosleep(&moment, NULL);
}

#endif
