"""How hashes spread addresses over 1,024 buckets, and what they cost.

`pyfutex` is the hash of the product, with a seed of its own. `shifts` is the sum of the address shifted right by 2, 12, 22
and so on, modulo the number of buckets, which an older implementation of futexes uses. `murmur` is the finaliser of
MurmurHash3 for 64 bits.
"""

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from pyfutex._core.key cimport HashSeed, Key, key_hash, LOG2_SIZE_U32, pack_space, PRIVATE

cdef enum:
    LOG2_BUCKETS = 10
    N_BUCKETS = 1 << LOG2_BUCKETS
    LOG2_WORD = 2           # futex words are aligned

cdef enum Hash:
    PYFUTEX
    SHIFTS
    MURMUR

HASHES = {"pyfutex": PYFUTEX, "shifts": SHIFTS, "murmur": MURMUR}
BUCKETS = N_BUCKETS

cdef HashSeed seed = HashSeed(space=<uint64_t> 0xD6E8FEB86659FD93, offset=<uint64_t> 0xA0761D6478BD642F)


cdef inline uint64_t by_pyfutex(uint64_t address) noexcept nogil:
    cdef Key key
    key.space = pack_space(1, PRIVATE, LOG2_SIZE_U32)
    key.offset = address
    return key_hash(&key, &seed) >> (64 - LOG2_BUCKETS)


cdef inline uint64_t by_shifts(uint64_t address) noexcept nogil:
    cdef uint64_t rest = address >> LOG2_WORD, total = 0
    while rest != 0:
        total += rest
        rest >>= LOG2_BUCKETS
    return total & (N_BUCKETS - 1)


cdef inline uint64_t by_murmur(uint64_t address) noexcept nogil:
    cdef uint64_t h = address >> LOG2_WORD
    h ^= h >> 33
    h *= <uint64_t> 0xFF51AFD7ED558CCD
    h ^= h >> 33
    h *= <uint64_t> 0xC4CEB9FE1A85EC53
    h ^= h >> 33
    return h & (N_BUCKETS - 1)


cdef inline uint64_t bucket_of(Hash hash, uint64_t address) noexcept nogil:
    if hash == PYFUTEX:
        return by_pyfutex(address)
    return by_shifts(address) if hash == SHIFTS else by_murmur(address)


cdef struct Fill:
    uint64_t fullest
    uint64_t squares        # of the numbers of keys in the buckets, summed


cdef Fill fill_of(const uint32_t *counts) noexcept nogil:
    cdef Fill fill
    cdef uint64_t i, count
    memset(&fill, 0, sizeof(Fill))
    for i in range(N_BUCKETS):
        count = counts[i]
        fill.fullest = max(fill.fullest, count)
        fill.squares += count * count
    return fill


def spread(str hash, addresses):
    """How many keys the fullest bucket has, and how many a search for another key of the same family meets.

    Parameters
    ----------
    hash : str
        A key of HASHES.
    addresses : sequence of int

    Returns
    -------
    tuple of (int, float)
        Of keys spread evenly the second is their number by that of the buckets.
    """
    cdef Hash which = HASHES[hash]
    cdef uint32_t counts[N_BUCKETS]
    cdef Fill fill
    memset(counts, 0, sizeof(counts))
    for address in addresses:
        counts[bucket_of(which, address)] += 1
    fill = fill_of(counts)
    return fill.fullest, <double> fill.squares / len(addresses)


def spread_of_strides(str hash, strides, uint64_t n, uint64_t base=0x10000):
    """`spread` of `n` addresses for each of many strides: a list of its answers."""
    cdef Hash which = HASHES[hash]
    cdef uint32_t counts[N_BUCKETS]
    cdef Fill fill
    cdef uint64_t i, stride
    found = []
    for each in strides:
        stride = each
        with nogil:
            memset(counts, 0, sizeof(counts))
            for i in range(n):
                counts[bucket_of(which, base + i * stride)] += 1
            fill = fill_of(counts)
        found.append((fill.fullest, <double> fill.squares / n))
    return found


def run(str hash, uint64_t n):
    """Hash `n` addresses, 64 bytes apart. Returns the sum of their buckets."""
    cdef Hash which = HASHES[hash]
    cdef uint64_t i, total = 0
    with nogil:
        if which == PYFUTEX:
            for i in range(n):
                total += by_pyfutex(i << 6)
        elif which == SHIFTS:
            for i in range(n):
                total += by_shifts(i << 6)
        else:
            for i in range(n):
                total += by_murmur(i << 6)
    return total


def allocated(size_t n, size_t nbytes):
    """The addresses of `n` allocations of `nbytes`, all alive at a time."""
    cdef list found = []
    cdef size_t address
    try:
        for _ in range(n):
            address = <size_t> malloc(nbytes)
            if address == 0:
                raise MemoryError
            found.append(address)
        return list(found)
    finally:
        for address in found:
            free(<void *> address)
