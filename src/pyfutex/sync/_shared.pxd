"""The place of a primitive in memory that processes share: found, checked, and kept mapped."""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex.memory cimport Memory
from pyfutex.sync._robust cimport SharedHead, SharedKind
from pyfutex.sync._slots cimport Slots


cdef class Shared:
    cdef Memory memory      # its export keeps the mapping
    cdef SharedHead *head   # NULL: it is not counted among the handles of its place
    cdef object place       # int: the head's address
    cdef bint is_robust     # the head is a lock that a thread may hold
    cdef Slots slots        # which threads may hold, too
    cdef readonly object offset     # int: of the first byte, in the buffer; None: a buffer that is nobody else's


cdef enum Opening:
    CREATE = 0      # FileExistsError if one is there
    ATTACH = 1      # ValueError if none is there; but zero bytes are one where `number` is ZERO_IS_ONE

cdef enum:
    ZERO_IS_ONE = 0xFFFFFFFF


# The primitive of `kind` with this number and these flags at `offset` of a buffer. ValueError: no room, not aligned,
# not zero and nothing of ours; FileExistsError; OSError(EXDEV): a robust one of another PID namespace.
cdef Shared shared_bind(object buffer, object offset, size_t size, SharedKind kind, uint32_t flags, uint32_t number,
                        Opening how, uint32_t *found_flags, uint32_t *found_number)

# Give it `n` slots behind its words. ValueError: no room.
cdef int shared_add_slots(Shared shared, SharedKind kind, uint32_t n) except -1
