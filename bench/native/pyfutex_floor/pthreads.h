/* What the C library has for the same purpose, nobody waiting. */
#ifndef PYFUTEX_FLOOR_PTHREADS_H
#define PYFUTEX_FLOOR_PTHREADS_H

#include <stdint.h>

enum pthreads_operation {
    PTHREADS_MUTEX,         /* lock and unlock */
    PTHREADS_SIGNAL,        /* of a condition */
    PTHREADS_SEMAPHORE,     /* post and wait */
};

/* Makes one of them `n` times. Returns 0 or an errno. */
int pthreads_loop(enum pthreads_operation operation, uint64_t n);

#endif
