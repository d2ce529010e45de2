"""Manager: the table of waiters of one address space."""

from pyfutex._vectormanager cimport VectorManager


cdef class Manager(VectorManager):
    pass
