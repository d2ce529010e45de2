"""Waking on many words at once: all items are converted first, then woken in portions, each under all its locks."""

from libc.stdint cimport uint32_t
from libc.stdlib cimport free, malloc

from pyfutex._arguments cimport as_count, as_sharing, as_size, nonzero_bitset
from pyfutex._core.bucket cimport Taken, taken_init
from pyfutex._core.bucketlocks cimport MOST_LOCKED
from pyfutex._core.status cimport ATTACHED, CONTENDED, DETACHED, MISFIT, OK, Status
from pyfutex._core.target cimport READ
from pyfutex._core.wakev cimport WakeRequest, engine_wakev
from pyfutex._delivery cimport deliver
from pyfutex._errors cimport raise_status
from pyfutex._words cimport find_key
from pyfutex.target cimport Target


cdef int convert_item(object given, WakeRequest *request) except -1:
    cdef tuple words
    cdef Py_ssize_t n
    cdef Status status
    if not isinstance(given, tuple) or not 2 <= len(given) <= 6:
        raise TypeError("an item must be a WakeItem or a tuple (mem, addr[, n[, bitset[, private[, size]]]]), not "
                        f"{given!r}")
    words = <tuple> given
    n = len(words)
    if not isinstance(words[0], Target):
        raise TypeError(f"mem must be a Target, not {type(words[0]).__name__}")
    as_count(words[2] if n > 2 else 1, &request.n)
    request.bitset = nonzero_bitset(words[3] if n > 3 else 0xFFFFFFFF)
    status = find_key(<Target> words[0], words[1], as_size(words[5] if n > 5 else 4),
                      as_sharing(words[4] if n > 4 else None), READ, &request.key)
    if status != OK:
        raise_status(status)
    return 0


cdef int wake_portion(CManager *m, WakeRequest *requests, uint32_t n) except -1:
    cdef Taken taken
    cdef Status status
    taken_init(&taken)
    status = engine_wakev(m, requests, n, &taken, ATTACHED)
    if status == CONTENDED:
        with nogil:
            status = engine_wakev(m, requests, n, &taken, DETACHED)
    if taken.n:
        deliver(&taken)
    if status != OK:
        raise_status(status)
    return 0


cdef list wake_items(CManager *m, object items):
    cdef tuple given = tuple(items)
    cdef size_t n = len(given), i, portion, first = 0
    cdef long woken = 0
    cdef bint is_misfit = False
    cdef list results = []
    cdef WakeRequest *requests = <WakeRequest *> malloc((n or 1) * sizeof(WakeRequest))
    if requests == NULL:
        raise MemoryError
    try:
        for i in range(n):
            convert_item(given[i], &requests[i])
        while first < n:
            portion = n - first if n - first < MOST_LOCKED else MOST_LOCKED
            wake_portion(m, &requests[first], <uint32_t> portion)
            first += portion
        for i in range(n):
            is_misfit |= requests[i].status != OK
            woken += requests[i].woken
            results.append(requests[i].woken)
    finally:
        free(requests)
    if is_misfit:
        raise_status(MISFIT, woken)
    return results
