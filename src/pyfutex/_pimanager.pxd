"""The part of a Manager that is about PI words: a base class of it, and of nothing else."""

from pyfutex._core.family cimport CManager
from pyfutex.completionqueue cimport CompletionQueue


cdef enum Profile:
    # Whose behaviour is followed where kernels differ.
    LINUX_6_12
    LINUX_6_18
    LINUX_7_2


cdef class PIManager:
    cdef CManager *m
    cdef object owner_alive
    cdef object __weakref__
    cdef Profile profile
    cdef CompletionQueue unclaimed      # of our waiters that named no queue and were taken by threads that were not attached
    cdef dict tasks             # thread id: Task; the living guest threads of all managers of the family


# Give a manager without one its CManager, of the family of `parent`, or of a new one.
cdef int manager_bind(PIManager manager, CManager *parent) except -1
