"""The part of a Manager that is about many words at once: a base class of it, and of nothing else."""

from pyfutex._pimanager cimport PIManager


cdef class VectorManager(PIManager):
    pass
