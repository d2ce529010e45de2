"""Memory: one buffer as a target."""

from cpython.buffer cimport Py_buffer

from pyfutex.key cimport Mappable
from pyfutex.target cimport Target


cdef class Memory(Target):
    cdef Py_buffer view         # held as long as the object lives: nogil code keeps pointers into it
    cdef readonly Mappable mappable
