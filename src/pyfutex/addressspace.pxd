"""AddressSpace: regions at guest addresses as a target."""

from pyfutex.target cimport Target


cdef class AddressSpace(Target):
    # Regions by ascending address, each with its Memory and whether it is writable: what the C array is made of, and
    # what keeps the memory alive. Replaced, never changed, under the lock of the C map.
    cdef list mapped


# The list as it is now. Whoever holds it keeps the memory of every region in it.
cdef list mapped_now(AddressSpace space)
