"""Queueing a Waiter on several words."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from pyfutex._core.family cimport CManager
from pyfutex._core.key cimport Key as CKey
from pyfutex._core.status cimport Status
from pyfutex._core.target cimport CTarget
from pyfutex.waiter cimport Waiter


cdef struct Item:
    # One word to wait on. Its target and address, as objects, are in lists beside.
    CTarget *target
    uint64_t addr
    uint64_t mark       # what its key's offset has besides the address
    CKey key            # with the mark
    uint64_t val
    int sharing
    bint is_called


# Queue w on the words of `items`, tuples (mem, addr, val[, private[, size]]), if each holds its value. OK: it is queued, or
# was woken. MISMATCH, MISFIT (misaligned, or too few or many items), FAULT, NO_MEMORY: nothing is queued. Each of its
# entries stands by `priority`.
cdef Status queue_vector(object manager, CManager *m, Waiter w, object items, uint8_t priority) except? <Status> 255
# The same for words whose keys were found.
cdef Status queue_items(object manager, CManager *m, Waiter w, const Item *items, unsigned int n, list targets,
                        list addrs, uint8_t priority) except? <Status> 255
