/* Clocks and deadlines in nanoseconds.
 *
 * A deadline is absolute, on one of two clocks. PF_NEVER (INT64_MAX) means that there is none. Arithmetic saturates at
 * PF_NEVER, which lies 292 years ahead.
 */
#ifndef PYFUTEX_CLOCK_H
#define PYFUTEX_CLOCK_H

#include <stdint.h>
#include <time.h>

#define PF_NEVER INT64_MAX

typedef struct {
    int64_t ns;         /* absolute, on `clock`; PF_NEVER: no deadline */
    clockid_t clock;    /* CLOCK_MONOTONIC or CLOCK_REALTIME */
} pf_deadline;

static inline int64_t pf_now_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline pf_deadline pf_deadline_never(void)
{
    pf_deadline d = {PF_NEVER, CLOCK_MONOTONIC};
    return d;
}

/* The deadline `timeout_ns` (not negative) from now, on the monotonic clock. */
static inline pf_deadline pf_deadline_after(int64_t timeout_ns)
{
    pf_deadline d = {0, CLOCK_MONOTONIC};
    if (__builtin_add_overflow(pf_now_ns(CLOCK_MONOTONIC), timeout_ns, &d.ns))
        d.ns = PF_NEVER;
    return d;
}

#endif
