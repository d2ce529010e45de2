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
from pyfutex._core.wakeop cimport op_apply, op_compare, op_is_known, op_operand
from pyfutex._core.word cimport Word, word_apply, word_in_host, word_load


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


def wake_op(uint32_t op, uint64_t old, uint32_t log2_size=2):
    """Decode and apply an operation: (operand, new value by the pure function, new value in memory, what was returned as
    old, whether the comparison held), the last None if it is unknown; None for an unknown operation. AssertionError: bytes
    beside the word were touched."""
    cdef uint64_t cells[2]
    cdef uint64_t returned, now = 0, beside
    cdef bint held = False
    cdef Word word
    cdef Key key
    if not op_is_known(op):
        return None
    beside = 0 if log2_size == 3 else <uint64_t> 0xA5A5A5A5A5A5A5A5 << (8 << log2_size)
    cells[0] = old | beside     # the word, on a little-endian machine, and what lies behind it
    cells[1] = 0
    key.space = pack_space(1, 0, log2_size)
    key.offset = 0
    word_in_host(&word, <char *> cells, &key)
    assert word_apply(&word, op, &returned) == OK
    assert word_load(&word, &now) == OK
    assert cells[0] == now | beside and cells[1] == 0
    known = op_compare(op, log2_size, old, &held) == OK
    return (op_operand(op, log2_size), op_apply(op, log2_size, old), now, returned, bool(held) if known else None)


def deadline_ns(int64_t timeout_ns):
    """Absolute nanoseconds of a deadline so far ahead, or None for never."""
    cdef int64_t ns = deadline_after(timeout_ns).ns
    return None if ns == NEVER else ns
