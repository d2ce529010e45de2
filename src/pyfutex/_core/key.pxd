"""What identifies a futex, and the hash that spreads keys over buckets.

A key holds no reference. `space` packs the serial of an address space (private kinds) or of a mappable (shared), the kind
and the width of the word:

    bits 4..63  serial, never used twice in a process; 0 is the host's own memory
    bits 2..3   KeyKind
    bits 0..1   log2 of the size of the futex word in bytes

so two keys match when both words are equal, and only then.
"""

from libc.stdint cimport uint32_t, uint64_t


cdef extern from "key.h" nogil:
    uint64_t multiply_fold "pf_multiply_fold" (uint64_t a, uint64_t b)


cdef enum Kind:
    PRIVATE = 0             # space + address, private operations
    SHARED_PRIVATE = 1      # space + address, shared operations on memory that no mappable backs
    SHARED_MAPPABLE = 2     # mappable + offset: meets from every address space of a family

cdef enum:
    LOG2_SIZE_U32 = 2
    HASH_SHIFT_LOCATION = 24    # the low bits of a hash do not count: a waiter's location holds a table number there


cdef struct Key:
    uint64_t space      # serial << 4 | kind << 2 | log2(size)
    uint64_t offset     # address in the space, or offset into the mappable


cdef struct HashSeed:
    # Drawn once a process (or given by PYFUTEX_HASH_SEED), the same in all managers of a family. Both halves enter
    # before the multiplication, so that addresses chosen by a hostile guest cannot pile up in one bucket.
    uint64_t space
    uint64_t offset


cdef inline uint64_t pack_space(uint64_t serial, uint32_t kind, uint32_t log2_size) noexcept nogil:
    return serial << 4 | kind << 2 | log2_size


cdef inline Kind key_kind(const Key *k) noexcept nogil:
    return <Kind> (k.space >> 2 & 3)


cdef inline uint32_t key_log2_size(const Key *k) noexcept nogil:
    return k.space & 3


cdef inline uint64_t key_serial(const Key *k) noexcept nogil:
    return k.space >> 4


cdef inline bint key_equal(const Key *a, const Key *b) noexcept nogil:
    return a.offset == b.offset and a.space == b.space


cdef inline uint64_t key_hash(const Key *k, const HashSeed *seed) noexcept nogil:
    # Multiply, fold, multiply. The top bits choose the bucket, so the last product brings all bits up there. Sums of
    # shifted addresses (cheaper by 1.5 ns) put the words of a stride of 4092 bytes into two buckets.
    return multiply_fold(k.offset ^ seed.offset, k.space ^ seed.space) * <uint64_t> 0x9E3779B97F4A7C15
