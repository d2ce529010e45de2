/* The 64 x 64 -> 128 bit multiplication of the key hash, folded to 64 bits: every input bit reaches every output bit. */
#ifndef PYFUTEX_KEY_H
#define PYFUTEX_KEY_H

#include <stdint.h>

__extension__ typedef unsigned __int128 pf_u128;

static inline uint64_t pf_multiply_fold(uint64_t a, uint64_t b)
{
    pf_u128 product = (pf_u128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

#endif
