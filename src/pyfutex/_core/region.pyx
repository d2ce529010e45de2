"""Publishing: how the regions of an address space change under their readers."""

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from pyfutex._core.atomic cimport load_relaxed_u32, load_relaxed_u64, load_u64, store_u32, store_u64


cdef RegionArray *region_array_new(uint64_t n) noexcept nogil:
    cdef RegionArray *array = <RegionArray *> calloc(1, sizeof(RegionArray) + n * sizeof(Region))
    if array != NULL:
        array.n = n
    return array


cdef RegionMap *region_map_new() noexcept nogil:
    cdef RegionMap *map = <RegionMap *> calloc(1, sizeof(RegionMap))
    if map == NULL:
        return NULL
    map.current = <uint64_t> region_array_new(0)
    if map.current == 0:
        free(map)
        return NULL
    return map


cdef void region_map_free(RegionMap *map) noexcept nogil:
    free(<void *> map.current)
    free(map)


cdef void await_readers(RegionMap *map, uint32_t side) noexcept nogil:
    cdef uint32_t i, times
    for i in range(STRIPES):
        times = 0
        while load_u64(&map.stripes[i].readers[side]) != 0:
            give_way(times)
            times += 1


cdef void region_map_publish(RegionMap *map, RegionArray *array) noexcept nogil:
    cdef void *old = <void *> load_relaxed_u64(&map.current)
    cdef uint32_t side = load_relaxed_u32(&map.side)
    store_u64(&map.current, <uint64_t> array)
    # Twice: a reader that had read `side` before the last switch may have counted itself in on either side since.
    store_u32(&map.side, side ^ 1)
    await_readers(map, side)
    store_u32(&map.side, side)
    await_readers(map, side ^ 1)
    free(old)
