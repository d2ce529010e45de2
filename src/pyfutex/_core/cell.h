/* Atomic accesses to a futex word of 1, 2, 4 or 8 bytes, by the logarithm of its size.
 *
 * Values are as wide as the widest word; what a narrower one cannot hold is cut off. Orders are named as in atomic.h. Words
 * of 4 bytes, the usual ones, come first in every choice.
 */
#ifndef PYFUTEX_CELL_H
#define PYFUTEX_CELL_H

#include "atomic.h"

#define PF_BY_SIZE(LOG2_SIZE, ACCESS)                                                                                 \
    do {                                                                                                              \
        if (pf_likely((LOG2_SIZE) == 2))                                                                              \
            return ACCESS(u32, uint32_t);                                                                             \
        if ((LOG2_SIZE) == 3)                                                                                         \
            return ACCESS(u64, uint64_t);                                                                             \
        if ((LOG2_SIZE) == 0)                                                                                         \
            return ACCESS(u8, uint8_t);                                                                               \
        return ACCESS(u16, uint16_t);                                                                                 \
    } while (0)

static inline uint64_t pf_cell_load_acquire(const char *cell, unsigned log2_size)
{
#define PF_ACCESS(SUFFIX, TYPE) pf_load_acquire_##SUFFIX((const TYPE *)cell)
    PF_BY_SIZE(log2_size, PF_ACCESS);
#undef PF_ACCESS
}

static inline uint64_t pf_cell_load(const char *cell, unsigned log2_size)
{
#define PF_ACCESS(SUFFIX, TYPE) pf_load_##SUFFIX((const TYPE *)cell)
    PF_BY_SIZE(log2_size, PF_ACCESS);
#undef PF_ACCESS
}

/* What was there: equal to `expected` when `desired` was stored. */
static inline uint64_t pf_cell_cas_previous(char *cell, unsigned log2_size, uint64_t expected, uint64_t desired)
{
#define PF_ACCESS(SUFFIX, TYPE) pf_cas_previous_##SUFFIX((TYPE *)cell, (TYPE)expected, (TYPE)desired)
    PF_BY_SIZE(log2_size, PF_ACCESS);
#undef PF_ACCESS
}

/* Read, modify, write in one step; each returns what was there. */
#define PF_DEFINE_CELL_OPERATION(NAME)                                                                                \
    static inline uint64_t pf_cell_##NAME(char *cell, unsigned log2_size, uint64_t value)                             \
    {                                                                                                                 \
        PF_BY_SIZE(log2_size, PF_CELL_##NAME);                                                                        \
    }
#define PF_CELL_exchange(SUFFIX, TYPE) pf_exchange_##SUFFIX((TYPE *)cell, (TYPE)value)
#define PF_CELL_fetch_add(SUFFIX, TYPE) pf_fetch_add_##SUFFIX((TYPE *)cell, (TYPE)value)
#define PF_CELL_fetch_and(SUFFIX, TYPE) pf_fetch_and_##SUFFIX((TYPE *)cell, (TYPE)value)
#define PF_CELL_fetch_or(SUFFIX, TYPE) pf_fetch_or_##SUFFIX((TYPE *)cell, (TYPE)value)
#define PF_CELL_fetch_xor(SUFFIX, TYPE) pf_fetch_xor_##SUFFIX((TYPE *)cell, (TYPE)value)
PF_DEFINE_CELL_OPERATION(exchange)
PF_DEFINE_CELL_OPERATION(fetch_add)
PF_DEFINE_CELL_OPERATION(fetch_and)
PF_DEFINE_CELL_OPERATION(fetch_or)
PF_DEFINE_CELL_OPERATION(fetch_xor)

#endif
