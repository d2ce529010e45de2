"""The smallest Cython module that needs pyfutex: it is built against declarations of other times."""

from libc.stdint cimport uint32_t, uint64_t

cimport pyfutex.cyfutex as futexes

futexes.import_pyfutex()


def answers():
    """What a wait on a word that holds another value answers, and a wake with nobody there."""
    cdef uint32_t cell = 1
    cdef futexes.pyfutex_place word
    cdef futexes.pyfutex_manager *m = futexes.manager_new(NULL)
    cdef int waited, woken
    if m == NULL:
        raise MemoryError
    with nogil:
        word.target = futexes.host_target()
        word.addr = <uint64_t> &cell
        word.size = sizeof(cell)
        word.sharing = futexes.BY_MEMORY
        waited = futexes.wait(m, &word, 0, futexes.ANY, NULL)
        woken = futexes.wake(m, &word, futexes.ALL, futexes.ANY)
        futexes.manager_free(m)
    return waited, woken
