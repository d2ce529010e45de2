"""Memory: one buffer as a target."""

from cpython.buffer cimport Py_buffer
from cpython.object cimport PyObject

from pyfutex._core.atomic cimport unlikely
from pyfutex.key cimport Mappable
from pyfutex.target cimport Target


cdef class Memory(Target):
    cdef Py_buffer view         # held as long as the object lives: nogil code keeps pointers into it
    cdef PyObject *unseen       # what `view.obj` was, where the collector must not see it; else NULL
    cdef readonly Mappable mappable


cdef inline int check_target(object mem) except -1:
    if unlikely(type(mem) is not Memory and not isinstance(mem, Target)):
        raise TypeError(f"mem must be a Target, not {type(mem).__name__}")
    return 0


# `mem=` of the operations. TypeError.
cdef inline Target target_of(object mem):
    check_target(mem)
    return <Target> mem
