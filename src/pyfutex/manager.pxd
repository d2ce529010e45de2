"""Manager: the table of waiters of one address space."""

from pyfutex._pimanager cimport PIManager


cdef class Manager(PIManager):
    pass
