"""NativeTarget: memory behind functions of C code."""

from pyfutex.target cimport Target


cdef class NativeTarget(Target):
    cdef readonly object capsule    # keeps what the functions and their context live in
