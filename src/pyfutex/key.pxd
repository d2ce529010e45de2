"""Mappable and Key."""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.key cimport Key as CKey


cdef class Mappable:
    cdef object __weakref__
    cdef readonly str name
    cdef uint64_t serial


cdef class Key:
    cdef readonly object kind
    cdef readonly Mappable mappable
    cdef readonly uint64_t offset
    cdef readonly int size
    cdef uint64_t space     # of the private kinds: serial of their address space, 0 for the host's


# What the engine knows of a key, as an object; and back, for a word of a size whatever the key's. `space`: serial for keys
# of the private kinds.
cdef Key key_object(const CKey *k)
cdef int key_struct(Key key, uint64_t space, uint32_t log2_size, CKey *k) except -1
