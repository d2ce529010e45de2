"""Waking on many words at once."""

from pyfutex._core.family cimport CManager


# A list of how many were woken at each of `items`, tuples (mem, addr[, n[, bitset[, private[, size]]]]).
cdef list wake_items(CManager *m, object items)
