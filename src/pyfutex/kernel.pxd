"""Kernel: the host's kernel as an engine."""


cdef class Kernel:
    cdef readonly bint futex2
