"""Hash, key packing, wake_op arithmetic and clock of the core, called on plain numbers."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from pyfutex._core.bucket cimport Bucket
from pyfutex._core.clock cimport NEVER, deadline_after
from pyfutex._core.key cimport (
    HASH_SHIFT_LOCATION,
    HashSeed,
    Key,
    key_equal,
    key_hash,
    key_kind,
    key_serial,
    pack_space,
)
from pyfutex._core.status cimport OK
from pyfutex._core.waiter cimport Waiter, location_hash, location_table, make_location
from pyfutex._core.wakeop cimport op_apply, op_apply_atomically, op_compare, op_is_known, op_operand


def sizes():
    """Bytes of the structs whose size is promised."""
    return {"waiter": sizeof(Waiter), "key": sizeof(Key), "bucket": sizeof(Bucket)}


def pack(uint64_t serial, uint32_t kind, uint32_t log2_size, uint64_t offset):
    """Pack a key and read it again: kind, serial, offset."""
    cdef Key k
    k.space = pack_space(serial, kind, log2_size)
    k.offset = offset
    return key_kind(&k), key_serial(&k), k.offset


def equal(uint64_t space, uint64_t offset, uint64_t space2, uint64_t offset2):
    """Whether two keys match."""
    cdef Key a, b
    a.space, a.offset, b.space, b.offset = space, offset, space2, offset2
    return bool(key_equal(&a, &b))


def hashed(uint64_t space, uint64_t offset, uint64_t seed_space, uint64_t seed_offset):
    """Hash of one key."""
    cdef Key k
    cdef HashSeed seed
    k.space, k.offset = space, offset
    seed.space, seed.offset = seed_space, seed_offset
    return key_hash(&k, &seed)


def chain_lengths(kind, uint64_t serial, uint64_t serial_step, uint64_t offset, uint64_t stride, uint64_t n, int log2,
                  uint64_t seed_space, uint64_t seed_offset):
    """Hash `n` keys into 2**log2 buckets: how many buckets have 0, 1, 2, ... keys."""
    cdef uint64_t n_buckets = <uint64_t> 1 << log2, i
    cdef uint32_t *counts = <uint32_t *> calloc(n_buckets, sizeof(uint32_t))
    cdef uint32_t c_kind = kind, longest = 0
    cdef HashSeed seed
    cdef Key k
    seed.space, seed.offset = seed_space, seed_offset
    if counts == NULL:
        raise MemoryError
    with nogil:
        for i in range(n):
            k.space = pack_space(serial + i * serial_step, c_kind, 2)
            k.offset = offset + i * stride
            counts[key_hash(&k, &seed) >> (64 - log2)] += 1
        for i in range(n_buckets):
            longest = max(longest, counts[i])
    histogram = [0] * (longest + 1)
    for i in range(n_buckets):
        histogram[counts[i]] += 1
    free(counts)
    return histogram


def located(uint64_t hashed, uint32_t table):
    """Pack a location and read it again: the hash without its low bits, the table's number."""
    cdef uint64_t location = make_location(hashed, table)
    return location_hash(location), location_table(location)


def location_shift():
    """How many low bits of a hash a location does not keep."""
    return HASH_SHIFT_LOCATION


def wake_op(uint32_t op, uint32_t old):
    """Decode and apply an operation: (operand, new value by the pure function, new value in memory, what was returned as
    old, whether the comparison held), the last None if it is unknown; None for an unknown operation."""
    cdef uint32_t word = old, returned
    cdef bint held = False
    if not op_is_known(op):
        return None
    returned = op_apply_atomically(op, &word)
    known = op_compare(op, old, &held) == OK
    return op_operand(op), op_apply(op, old), word, returned, bool(held) if known else None


def deadline_ns(int64_t timeout_ns):
    """Absolute nanoseconds of a deadline so far ahead, or None for never."""
    cdef int64_t ns = deadline_after(timeout_ns).ns
    return None if ns == NEVER else ns
