/* The parking word where the kernel has futexes: the word itself is all there is. The contract is in parking.h. */
#ifndef PYFUTEX_PARKING_FUTEX_H
#define PYFUTEX_PARKING_FUTEX_H

#include "futexcall.h"

typedef struct {
    char nothing;
} pf_cells;

static inline void pf_cells_init(pf_cells *cells) { (void)cells; }

static inline int pf_parking_wait(pf_cells *cells, uint32_t *word, uint32_t expected, uint32_t bitset,
                                  pf_deadline deadline)
{
    (void)cells;
    return pf_futex_wait_as(word, expected, bitset, deadline, FUTEX_PRIVATE_FLAG);
}

static inline void pf_parking_wake(pf_cells *cells, uint32_t *word, int n, uint32_t bitset)
{
    (void)cells;
    PF_STEP();
    syscall(SYS_futex, word, FUTEX_WAKE_BITSET | FUTEX_PRIVATE_FLAG, n, NULL, NULL, bitset);
}

#endif
