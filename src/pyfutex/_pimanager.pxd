"""The part of a Manager that is about PI words: a base class of it, and of nothing else."""

from pyfutex._core.family cimport CManager


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
    cdef dict tasks             # thread id: Task; the living guest threads of all managers of the family
