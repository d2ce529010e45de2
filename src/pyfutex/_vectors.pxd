"""Queueing a Waiter on several words."""

from pyfutex._core.family cimport CManager
from pyfutex._core.status cimport Status
from pyfutex.waiter cimport Waiter


# Queue w on the words of `items`, tuples (mem, addr, val[, private[, size]]), if each holds its value. OK: it is queued, or
# was woken. MISMATCH, MISFIT (misaligned, or too few or many items), FAULT, NO_MEMORY: nothing is queued.
cdef Status queue_vector(object manager, CManager *m, Waiter w, object items) except? <Status> 255
