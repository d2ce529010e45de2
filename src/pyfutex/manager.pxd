"""Manager: the table of waiters of one address space."""

from pyfutex._core.family cimport CManager


cdef class Manager:
    cdef CManager *m
    cdef object owner_alive
    cdef object __weakref__
