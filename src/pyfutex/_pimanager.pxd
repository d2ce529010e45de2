"""The part of a Manager that is about PI words: a base class of it, and of nothing else."""

from pyfutex._core.family cimport CManager


cdef class PIManager:
    cdef CManager *m
    cdef object owner_alive
    cdef object __weakref__
    cdef dict tasks             # thread id: Task; the living guest threads of all managers of the family
