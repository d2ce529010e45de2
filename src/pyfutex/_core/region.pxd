"""The regions of an address space: looked up without a lock while others map and unmap.

The regions are an immutable sorted array behind an atomic pointer. A reader counts itself into one of 16 stripes, loads
the pointer, uses what it finds, and counts itself out; mapping and unmapping publish a copy and then wait until nobody
who may have seen the old array is left. There are two sides of every stripe; publishing switches new readers from one to
the other twice, so that it waits for those who came before it and never for those who come after.
"""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.atomic cimport fetch_add_u64, fetch_sub_u64, load_acquire_u32, load_u64


cdef extern from "region.h" nogil:
    uint32_t stripe "pf_stripe" (uint32_t n)
    void give_way "pf_give_way" (uint32_t times)

cdef enum:
    STRIPES = 16


cdef struct Region:
    uint64_t addr               # guest address of the first byte
    uint64_t length
    char *host                  # host address of the first byte
    uint64_t mappable           # serial, 0: none
    uint64_t mappable_offset    # of the first byte
    bint is_writable


cdef struct RegionArray:
    uint64_t n
    Region regions[1]           # n of them, by ascending address, none overlapping


cdef struct Stripe:
    uint64_t readers[2]         # atomic. Who is inside, by side
    uint64_t line[6]


cdef struct RegionMap:
    Stripe stripes[STRIPES]
    uint64_t current            # atomic. The RegionArray in use
    uint32_t side               # atomic. Where new readers count themselves in; changed by the one publisher
    uint32_t publishing         # a word lock that is always LIVE: whoever changes the regions
    RegionMap *next             # list of all maps, under its lock
    RegionMap **link            # what points to this one


cdef RegionMap *region_map_new() noexcept nogil
cdef void region_map_free(RegionMap *map) noexcept nogil
# An array with room for n regions, or NULL.
cdef RegionArray *region_array_new(uint64_t n) noexcept nogil
# The lock of those who change the regions. Requires: detached. Free in the child of a fork.
cdef void region_map_lock(RegionMap *map) noexcept nogil
cdef void region_map_unlock(RegionMap *map) noexcept nogil
# Make `array` the current one, and free the old one when its last reader has left. Requires: detached; the lock; this
# thread is no reader.
cdef void region_map_publish(RegionMap *map, RegionArray *array) noexcept nogil


cdef inline uint64_t *readers_enter(RegionMap *map) noexcept nogil:
    """Start reading; what it returns is for readers_leave. Short: nothing that could wait for a publisher."""
    cdef uint64_t *readers = &map.stripes[stripe(STRIPES)].readers[load_acquire_u32(&map.side)]
    # Sequentially consistent: counted before the array is loaded. Pairs with the publisher's store, then its sum.
    fetch_add_u64(readers, 1)
    return readers


cdef inline void readers_leave(uint64_t *readers) noexcept nogil:
    fetch_sub_u64(readers, 1)


cdef inline const RegionArray *region_array(RegionMap *map) noexcept nogil:
    # Requires: between readers_enter and readers_leave.
    return <const RegionArray *> load_u64(&map.current)


cdef inline const Region *region_find(const RegionArray *array, uint64_t addr, uint64_t size) noexcept nogil:
    # The region that holds all bytes of addr .. addr + size, or NULL.
    cdef uint64_t low = 0, high = array.n, middle
    cdef const Region *r
    while low < high:
        middle = (low + high) // 2
        if array.regions[middle].addr <= addr:
            low = middle + 1
        else:
            high = middle
    if low == 0:
        return NULL
    r = &array.regions[low - 1]
    if addr - r.addr >= r.length or r.length - (addr - r.addr) < size:
        return NULL
    return r
