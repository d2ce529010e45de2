/* The longest of many short operations, as it would be if nothing else wanted the core.
 *
 * An operation during which the kernel gave the core to somebody else, and which did not go to sleep itself, counts with
 * its processor time; every other one with its wall time, whatever it waited for. The processor's clock is read once in
 * LAPS_A_SAMPLE operations, so its figure may be that of so many operations more.
 */
#ifndef PYFUTEX_FLOOR_STOPWATCH_H
#define PYFUTEX_FLOOR_STOPWATCH_H

#include <stdint.h>
#include <sys/resource.h>
#include <time.h>

#define LAPS_A_SAMPLE 64
#define SLOW_NS 20000

struct stopwatch {
    int64_t start;
    int64_t before;         /* end of the last operation */
    int64_t cpu_before;     /* processor time at the last sample */
    int64_t longest;        /* see above */
    int64_t longest_wall;   /* by the wall clock alone */
    long preemptions;
    long sleeps;
    uint64_t laps;
};

static inline int64_t stopwatch_clock(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline void stopwatch_start(struct stopwatch *s)
{
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    *s = (struct stopwatch){.preemptions = usage.ru_nivcsw, .sleeps = usage.ru_nvcsw};
    s->cpu_before = stopwatch_clock(CLOCK_THREAD_CPUTIME_ID);
    s->start = s->before = stopwatch_clock(CLOCK_MONOTONIC);
}

static inline void stopwatch_slow(struct stopwatch *s, int64_t wall)
{
    struct rusage usage;
    int64_t cpu = stopwatch_clock(CLOCK_THREAD_CPUTIME_ID);
    getrusage(RUSAGE_THREAD, &usage);
    int only_preempted = usage.ru_nivcsw != s->preemptions && usage.ru_nvcsw == s->sleeps;
    int64_t own = only_preempted && cpu - s->cpu_before < wall ? cpu - s->cpu_before : wall;
    if (own > s->longest)
        s->longest = own;
    if (wall > s->longest_wall)
        s->longest_wall = wall;
    s->preemptions = usage.ru_nivcsw;
    s->sleeps = usage.ru_nvcsw;
    s->cpu_before = cpu;
    s->before = stopwatch_clock(CLOCK_MONOTONIC);
}

/* An operation has ended. */
static inline void stopwatch_lap(struct stopwatch *s)
{
    int64_t now = stopwatch_clock(CLOCK_MONOTONIC);
    int64_t wall = now - s->before;
    s->before = now;
    s->laps++;
    if (__builtin_expect(wall > SLOW_NS, 0)) {
        stopwatch_slow(s, wall);
        return;
    }
    if (wall > s->longest)
        s->longest = wall;
    if (s->laps % LAPS_A_SAMPLE == 0)
        s->cpu_before = stopwatch_clock(CLOCK_THREAD_CPUTIME_ID);
}

#endif
