"""Futex words of this process."""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex.cyfutex cimport BY_MEMORY, host_target, pyfutex_place


cdef extern from *:
    """
    #define cell_load(cell) __atomic_load_n(cell, __ATOMIC_SEQ_CST)
    #define cell_store(cell, value) __atomic_store_n(cell, value, __ATOMIC_SEQ_CST)
    #define cell_add(cell, value) ((void)__atomic_add_fetch(cell, value, __ATOMIC_SEQ_CST))
    """
    uint32_t cell_load(const uint32_t *cell) noexcept nogil
    void cell_store(uint32_t *cell, uint32_t value) noexcept nogil
    void cell_add(uint32_t *cell, uint32_t value) noexcept nogil


cdef inline pyfutex_place at(const uint32_t *cell) noexcept nogil:
    cdef pyfutex_place place
    place.target = host_target()
    place.addr = <uint64_t> cell
    place.size = sizeof(uint32_t)
    place.sharing = BY_MEMORY
    return place
