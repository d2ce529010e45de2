/* Bugs: one of each kind that a sanitizer looks for. Each is behind something volatile, so that the compiler does not see it. */
#ifndef PYFUTEX_NATIVE_PLANTED_H
#define PYFUTEX_NATIVE_PLANTED_H

#include <stdint.h>
#include <stdlib.h>

static volatile int pf_planted_sink;

static inline void pf_past_the_end(void)
{
    volatile size_t n = 40;
    char *volatile memory = calloc(1, n);
    pf_planted_sink = memory[n];
    free(memory);
}

static inline void pf_after_free(void)
{
    char *volatile memory = calloc(1, 40);
    free(memory);
    pf_planted_sink = memory[8];
}

static inline void pf_shift_too_far(void)
{
    volatile unsigned n = 32;
    pf_planted_sink = 1 << n;
}

static inline void pf_misaligned(void)
{
    static uint32_t words[2];
    char *volatile at = (char *)words + 1;
    pf_planted_sink = (int)*(uint32_t *)at;
}

static inline void pf_leak(void)
{
    char *volatile memory = calloc(1, 123);
    memory = NULL;
    pf_planted_sink = memory == NULL;
}

static int pf_counted, pf_awaited, pf_published;

/* In two threads at once: neither waits for the other. */
static inline void pf_count(int rounds)
{
    int i;
    for (i = 0; i < rounds; ++i) {
        pf_counted += 1;
        __asm__ __volatile__("" ::: "memory");
    }
}

/* In two threads at once: one writes, the other reads once it sees the flag, whose order does not carry what was written. What
 * orders them otherwise, the interpreter lock, comes before and after. */
static inline void pf_publish(void)
{
    while (!__atomic_load_n(&pf_awaited, __ATOMIC_RELAXED))
        ;
    pf_counted = 1;
    __atomic_store_n(&pf_published, 1, __ATOMIC_RELAXED);
}

static inline void pf_subscribe(void)
{
    __atomic_store_n(&pf_awaited, 1, __ATOMIC_RELAXED);
    while (!__atomic_load_n(&pf_published, __ATOMIC_RELAXED))
        ;
    pf_planted_sink = pf_counted;
}

#endif
