/* Threads that sleep on one futex of the kernel and are requeued to another and back. */
#ifndef PYFUTEX_FLOOR_KERNELHERD_H
#define PYFUTEX_FLOOR_KERNELHERD_H

#include <pthread.h>
#include <stdint.h>

struct kernelherd {
    uint32_t words[2];
    uint32_t is_free;       /* atomic: those who wake up end */
    uint32_t at;            /* on which word all of them sleep */
    uint32_t size;
    pthread_t *threads;
};

/* Starts `size` threads and returns when all sleep. Returns 0, or an errno with nobody left. */
int kernelherd_gather(struct kernelherd *herd, uint32_t size);

/* Moves everybody to the other word. Returns how many were moved, or -errno. */
int64_t kernelherd_move(struct kernelherd *herd);

/* Wakes everybody and waits for their end. */
void kernelherd_scatter(struct kernelherd *herd);

#endif
