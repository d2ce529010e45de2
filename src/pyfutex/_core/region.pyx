"""Publishing: how the regions of an address space change under their readers.

All maps are on a list, for the child of a fork alone: the readers and the publisher that were inside in the parent do not
exist there, so nobody is inside. (The thread that forks is not: no Python code runs between entering and leaving.)
"""

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from pyfutex._core.atomic cimport (
    cas_u32,
    load_relaxed_u32,
    load_relaxed_u64,
    load_u64,
    pause,
    store_relaxed_u32,
    store_relaxed_u64,
    store_release_u32,
    store_u32,
    store_u64,
)
from pyfutex._core.checks cimport MUTEX, check_no_lock, note_rank
from pyfutex._core.status cimport DETACHED
from pyfutex._core.wordlock cimport LIVE, word_lock, word_unlock


cdef extern from "pthread.h" nogil:
    int pthread_atfork(void (*prepare)() noexcept nogil, void (*parent)() noexcept nogil,
                       void (*child)() noexcept nogil)

cdef RegionMap *maps = NULL         # list_lock
cdef uint32_t list_lock = 0         # spin lock over a handful of instructions, and over a fork


cdef void lock_list() noexcept nogil:
    while not cas_u32(&list_lock, 0, 1):
        pause()


cdef void unlock_list() noexcept nogil:
    store_release_u32(&list_lock, 0)


cdef void child_after_fork() noexcept nogil:
    cdef RegionMap *map = maps
    cdef int i
    while map != NULL:
        for i in range(STRIPES):
            store_relaxed_u64(&map.stripes[i].readers[0], 0)
            store_relaxed_u64(&map.stripes[i].readers[1], 0)
        store_relaxed_u32(&map.publishing, LIVE)
        map = map.next
    unlock_list()


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
    map.publishing = LIVE
    lock_list()
    enlist(map)
    unlock_list()
    return map


cdef void enlist(RegionMap *map) noexcept nogil:
    # Requires: list_lock.
    global maps
    map.next = maps
    map.link = &maps
    if maps != NULL:
        maps.link = &map.next
    maps = map


cdef void region_map_free(RegionMap *map) noexcept nogil:
    lock_list()
    map.link[0] = map.next
    if map.next != NULL:
        map.next.link = map.link
    unlock_list()
    free(<void *> map.current)
    free(map)


cdef void await_readers(RegionMap *map, uint32_t side) noexcept nogil:
    cdef int i
    cdef uint32_t times
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


cdef void region_map_lock(RegionMap *map) noexcept nogil:
    check_no_lock()
    word_lock(&map.publishing, 0, DETACHED)
    note_rank(&map.publishing, MUTEX)


cdef void region_map_unlock(RegionMap *map) noexcept nogil:
    word_unlock(&map.publishing, 0)


pthread_atfork(lock_list, unlock_list, child_after_fork)
