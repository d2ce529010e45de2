/* The parking word of POSIX threads: a mutex and its conditions for all words that hash alike. The contract is in parking.h.
 *
 * No wake is lost: whoever sleeps looks at the word under the mutex, and whoever wakes has changed the word before it
 * takes the mutex. If it takes it first, the look sees the change; if it takes it last, the sleeper is on the condition
 * already. models/parking.pml is this. The wake is for all who sleep on the cell, since they may be there for other words,
 * or through other bits; each looks at its own word and sleeps on.
 *
 * A condition does not say that a signal handler ran. So the thread that runs Python's handlers sleeps a slice at a time,
 * and says after each that one may have.
 */
#ifndef PYFUTEX_PARKING_PTHREAD_H
#define PYFUTEX_PARKING_PTHREAD_H

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "atomic.h"
#include "clock.h"
#include "line.h"
#include "steps.h"

enum { PF_CELLS_LOG2 = 8, PF_SLICE_NS = 50000000 };

typedef struct PF_ON_A_LINE {
    pthread_mutex_t mutex;
    pthread_cond_t monotonic, realtime; /* by the clock of the sleeper's deadline */
} pf_cell;

typedef struct {
    pf_cell nth[1 << PF_CELLS_LOG2];
} pf_cells;

static inline void pf_cells_init(pf_cells *cells)
{
    pthread_condattr_t on_clock;
    pthread_condattr_init(&on_clock);
    pthread_condattr_setclock(&on_clock, CLOCK_MONOTONIC); /* not on macOS: see pf_cell_sleep */
    for (int i = 0; i < 1 << PF_CELLS_LOG2; i++) {
        pthread_mutex_init(&cells->nth[i].mutex, NULL);
        pthread_cond_init(&cells->nth[i].monotonic, &on_clock);
        pthread_cond_init(&cells->nth[i].realtime, NULL);
    }
    pthread_condattr_destroy(&on_clock);
}

/* Words of one cache line have one cell. */
static inline pf_cell *pf_cell_of(pf_cells *cells, const uint32_t *word)
{
    return &cells->nth[((uintptr_t)word >> 6) * 0x9E3779B97F4A7C15u >> (64 - PF_CELLS_LOG2)];
}

/* Whether this is the thread in which Python runs signal handlers. */
static inline int pf_runs_handlers(void)
{
#ifdef __linux__
    return syscall(SYS_gettid) == getpid();
#else
    return pthread_main_np();
#endif
}

/* Requires: the cell's mutex. macOS has no other clock for a condition than the realtime one: a deadline on the monotonic
 * clock is for pthread_cond_timedwait_relative_np there. */
static inline int pf_cell_sleep(pf_cell *cell, pf_deadline deadline)
{
    pthread_cond_t *changed = deadline.clock == CLOCK_REALTIME ? &cell->realtime : &cell->monotonic;
    struct timespec until = {deadline.ns / 1000000000, deadline.ns % 1000000000};
    PF_STEP();
    if (deadline.ns == PF_NEVER)
        return pthread_cond_wait(changed, &cell->mutex);
    return pthread_cond_timedwait(changed, &cell->mutex, &until);
}

/* The end of a slice that begins now, or an earlier deadline. */
static inline pf_deadline pf_slice_end(pf_deadline deadline)
{
    int64_t left = deadline.ns - pf_now_ns(deadline.clock);
    return pf_deadline_after(left < 0 ? 0 : left < PF_SLICE_NS ? left : PF_SLICE_NS);
}

static inline int pf_parking_wait(pf_cells *cells, uint32_t *word, uint32_t expected, uint32_t bitset,
                                  pf_deadline deadline)
{
    pf_cell *cell = pf_cell_of(cells, word);
    int why = 0, runs_handlers = pf_runs_handlers(), cancelling;
    pf_deadline until = runs_handlers ? pf_slice_end(deadline) : deadline;
    (void)bitset;
    PF_STEP();
    /* A condition is where pthread_cancel ends a thread; a native futex is not. */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancelling);
    pthread_mutex_lock(&cell->mutex);
    while (why == 0 && pf_load_acquire_u32(word) == expected)
        why = pf_cell_sleep(cell, until);
    pthread_mutex_unlock(&cell->mutex);
    pthread_setcancelstate(cancelling, NULL);
    if (why == ETIMEDOUT && runs_handlers && pf_now_ns(deadline.clock) < deadline.ns)
        return EINTR;
    return why;
}

static inline void pf_parking_wake(pf_cells *cells, uint32_t *word, int n, uint32_t bitset)
{
    pf_cell *cell = pf_cell_of(cells, word);
    (void)n;
    (void)bitset;
    PF_STEP();
    pthread_mutex_lock(&cell->mutex);
    pthread_mutex_unlock(&cell->mutex);
    pthread_cond_broadcast(&cell->monotonic);
    pthread_cond_broadcast(&cell->realtime);
}

#endif
