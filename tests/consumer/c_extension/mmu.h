/* Guest memory behind a page table: what an emulator has in place of pointers. For C and for C++. */
#ifndef CONSUMER_MMU_H
#define CONSUMER_MMU_H

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pyfutex.h"

#define PAGE_BITS 8
#define PAGE_BYTES (1u << PAGE_BITS)
#define N_PAGES 16u

typedef struct mmu {
    unsigned char *pages[N_PAGES]; /* NULL: not mapped */
    uint64_t mappable;             /* behind all pages; 0: none */
    unsigned char memory[N_PAGES * PAGE_BYTES];
} mmu;

/* The pages lie in memory in the reverse order, so that nobody takes an address for an offset. */
static inline void mmu_map(mmu *m, unsigned page)
{
    m->pages[page] = m->memory + (N_PAGES - 1 - page) * PAGE_BYTES;
}

static inline void *mmu_find(const mmu *m, uint64_t addr)
{
    uint64_t page = addr >> PAGE_BITS;
    if (page >= N_PAGES || m->pages[page] == NULL)
        return NULL;
    return m->pages[page] + (addr & (PAGE_BYTES - 1));
}

static int mmu_load(void *context, uint64_t addr, unsigned size, uint64_t *value)
{
    void *cell = mmu_find((const mmu *)context, addr);
    if (cell == NULL)
        return EFAULT;
    switch (size) {
    case 1: *value = __atomic_load_n((uint8_t *)cell, __ATOMIC_SEQ_CST); return 0;
    case 2: *value = __atomic_load_n((uint16_t *)cell, __ATOMIC_SEQ_CST); return 0;
    case 4: *value = __atomic_load_n((uint32_t *)cell, __ATOMIC_SEQ_CST); return 0;
    default: *value = __atomic_load_n((uint64_t *)cell, __ATOMIC_SEQ_CST); return 0;
    }
}

static int mmu_swap(void *context, uint64_t addr, unsigned size, uint64_t desired, uint64_t *previous)
{
    void *cell = mmu_find((const mmu *)context, addr);
    if (cell == NULL)
        return EFAULT;
    switch (size) {
    case 1: *previous = __atomic_exchange_n((uint8_t *)cell, (uint8_t)desired, __ATOMIC_SEQ_CST); return 0;
    case 2: *previous = __atomic_exchange_n((uint16_t *)cell, (uint16_t)desired, __ATOMIC_SEQ_CST); return 0;
    case 4: *previous = __atomic_exchange_n((uint32_t *)cell, (uint32_t)desired, __ATOMIC_SEQ_CST); return 0;
    default: *previous = __atomic_exchange_n((uint64_t *)cell, desired, __ATOMIC_SEQ_CST); return 0;
    }
}

#define COMPARE_AND_SWAP(type)                                                                                          \
    do {                                                                                                               \
        type seen = (type)expected;                                                                                    \
        __atomic_compare_exchange_n((type *)cell, &seen, (type)desired, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);        \
        *previous = seen;                                                                                              \
    } while (0)

static int mmu_compare_and_swap(void *context, uint64_t addr, unsigned size, uint64_t expected, uint64_t desired,
                                uint64_t *previous)
{
    void *cell = mmu_find((const mmu *)context, addr);
    if (cell == NULL)
        return EFAULT;
    switch (size) {
    case 1: COMPARE_AND_SWAP(uint8_t); return 0;
    case 2: COMPARE_AND_SWAP(uint16_t); return 0;
    case 4: COMPARE_AND_SWAP(uint32_t); return 0;
    default: COMPARE_AND_SWAP(uint64_t); return 0;
    }
}

static int mmu_shared_key(void *context, uint64_t addr, uint64_t *mappable, uint64_t *offset)
{
    const mmu *m = (const mmu *)context;
    if (mmu_find(m, addr) == NULL)
        return EFAULT;
    *mappable = m->mappable;
    *offset = addr;
    return 0;
}

static const pyfutex_target_functions mmu_functions = {mmu_load, mmu_swap, mmu_compare_and_swap, mmu_shared_key};

#endif
