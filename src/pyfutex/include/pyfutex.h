/* pyfutex for C and C++. */
#ifndef PYFUTEX_H
#define PYFUTEX_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Guest memory that only the embedder can reach: a software MMU, registers of a device.
 *
 * Each function answers 0, or an errno, EFAULT where nothing is mapped; `size` is 1, 2, 4 or 8 and `addr` a multiple of it.
 * They are called with locks of pyfutex held, on any thread, attached to a Python interpreter or not: they may not block,
 * call pyfutex or touch Python. The accesses are atomic and sequentially consistent. */
typedef struct pyfutex_target_functions {
    int (*load)(void *context, uint64_t addr, unsigned size, uint64_t *value);
    int (*swap)(void *context, uint64_t addr, unsigned size, uint64_t desired, uint64_t *previous);
    /* What was there, in `previous`: equal to `expected` when `desired` was stored. */
    int (*compare_and_swap)(void *context, uint64_t addr, unsigned size, uint64_t expected, uint64_t desired,
                            uint64_t *previous);
    /* The mappable behind the address, and where in it: what makes two words of different targets the same futex. NULL, or
     * a mappable of 0: none. */
    int (*shared_key)(void *context, uint64_t addr, uint64_t *mappable, uint64_t *offset);
} pyfutex_target_functions;

#ifdef __cplusplus
}
#endif

#endif
