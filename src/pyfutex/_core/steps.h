/* A place between any two steps of the engine and of pyfutex.sync, where a build with -Dperturb=true may delay a thread.
 *
 * Every access of atomic.h and of pyfutex_lock.h, and every native futex call, begins with one. PYFUTEX_PERTURB=seed or
 * seed:strength switches the delays on, when a library is loaded; strength is how many steps of 1024 are delayed, 8 if not
 * given. What a step does is a pure function of the seed, the library, the number of the thread in the order in which
 * threads came to that library, and the number of the step in that thread: a seed makes the same delays again. What the
 * scheduler makes of them is its own affair.
 *
 * In any other build a step is nothing.
 */
#ifndef PYFUTEX_STEPS_H
#define PYFUTEX_STEPS_H

#include "build_options.h"

#if PF_PERTURB

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef PYFUTEX_STEP
#error "steps.h comes before pyfutex_lock.h"
#endif
#define PYFUTEX_STEP() pf_step()

/* Each library has its own copy of what follows. */
static uint64_t pf_step_seed;
static uint32_t pf_step_strength; /* 0: no delays */
static uint64_t pf_step_threads;
static __thread uint64_t pf_step_state; /* 0: the thread has not been here */

static inline uint64_t pf_step_mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

__attribute__((constructor)) static void pf_steps_begin(void)
{
    const char *given = getenv("PYFUTEX_PERTURB");
    const char *folder = strrchr(__BASE_FILE__, '/');
    const char *c = folder == NULL ? __BASE_FILE__ : folder + 1;
    char *rest;
    if (given == NULL || *given == 0)
        return;
    pf_step_seed = strtoull(given, &rest, 0);
    pf_step_strength = *rest == ':' ? (uint32_t)strtoul(rest + 1, NULL, 0) : 8;
    for (; *c != 0; c++)
        pf_step_seed = pf_step_mix(pf_step_seed + (unsigned char)*c);
}

__attribute__((cold, noinline)) static void pf_step_delay(uint64_t drawn)
{
    struct timespec moment = {0, 0};
    uint32_t length = (uint32_t)(drawn >> 32), choice = (uint32_t)(drawn >> 10 & 63), i;
    if (choice < 32) { /* half of them: whoever else wants this processor */
        sched_yield();
        return;
    }
    if (choice < 54) { /* a third: up to some microseconds, on it */
        for (i = length & 4095; i > 0; i--)
            __asm__ __volatile__("" ::: "memory");
        return;
    }
    /* Long enough for others to do whole operations; one in 64, for them to time out, or to hand over. */
    moment.tv_nsec = choice < 63 ? length % 60000 : length % 2000000;
    nanosleep(&moment, NULL);
}

static inline void pf_step(void)
{
    uint64_t drawn, number;
    int error;
    if (__builtin_expect(pf_step_strength == 0, 1))
        return;
    if (pf_step_state == 0) {
        number = __atomic_add_fetch(&pf_step_threads, 1, __ATOMIC_RELAXED);
        pf_step_state = pf_step_mix(pf_step_seed ^ number << 32) | 1;
    }
    drawn = pf_step_mix(pf_step_state += 0x9E3779B97F4A7C15u);
    if ((drawn & 1023) >= pf_step_strength)
        return;
    error = errno;
    pf_step_delay(drawn);
    errno = error;
}

#define PF_STEP() pf_step()

#else

#define PF_STEP() ((void)0)

#endif

#endif
