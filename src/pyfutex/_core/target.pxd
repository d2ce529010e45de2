"""From an address in a target to a host address and a key.

Four kinds of target. FLAT: one buffer. MAPPED: the regions of an address space. NATIVE: the embedder's functions, in C.
CALLED: only Python can read it, and this file cannot resolve it.
"""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.key cimport Key, PRIVATE, SHARED_MAPPABLE, SHARED_PRIVATE, pack_space
from pyfutex._core.region cimport (
    Region,
    RegionMap,
    readers_enter,
    readers_leave,
    region_array,
    region_find,
)
from pyfutex._core.status cimport FAULT, MISFIT, OK, Status
from pyfutex._core.word cimport NativeMemory, Word


cdef enum TargetKind:
    FLAT = 0
    MAPPED = 1
    NATIVE = 2
    CALLED = 3

cdef enum Sharing:
    BY_MEMORY = 0       # shared where a mappable is given
    IS_PRIVATE = 1
    IS_SHARED = 2

cdef enum Access:
    READ = 0
    WRITE = 1
    KEY = 2             # only the key is wanted: for a private one nothing need be mapped, as in Linux


cdef struct CTarget:
    # All read only once the target exists.
    TargetKind kind
    uint64_t serial             # of the space that private keys lie in; 0: the host's own
    # FLAT
    uint64_t base               # address of the first byte
    uint64_t nbytes
    char *host                  # host address of the first byte
    uint64_t key_shift          # private key = address + this
    uint64_t mappable           # serial, 0: none
    uint64_t mappable_offset    # of the first byte
    # MAPPED
    RegionMap *map
    # NATIVE
    NativeMemory native


cdef inline Status word_open(const CTarget *t, uint64_t addr, uint32_t log2_size, Sharing sharing, Access access,
                             Word *word) noexcept nogil:
    """OK, then word_close is due; or MISFIT (misaligned), FAULT (outside, or not writable). Never blocks."""
    if access == KEY and sharing == IS_PRIVATE:
        return word_open_unmapped(t, addr, log2_size, word)
    if t.kind == FLAT:
        word.readers = NULL
        return word_open_flat(t, addr, log2_size, sharing, word)
    if t.kind == NATIVE:
        return word_open_native(t, addr, log2_size, sharing, word)
    return word_open_mapped(t, addr, log2_size, sharing, access, word)


cdef inline void word_close(Word *word) noexcept nogil:
    if word.readers != NULL:
        readers_leave(word.readers)


cdef inline Status word_open_unmapped(const CTarget *t, uint64_t addr, uint32_t log2_size, Word *word) noexcept nogil:
    # Targets of all kinds: what a kind does not use is 0. An address is as aligned as the host's.
    word.readers = NULL
    word.host = NULL
    word.native = NULL
    if (<uint64_t> t.host + (addr - t.base)) & ((<uint64_t> 1 << log2_size) - 1):
        return MISFIT
    word.key.space = pack_space(t.serial, PRIVATE, log2_size)
    word.key.offset = addr + t.key_shift
    return OK


cdef inline Status word_open_flat(const CTarget *t, uint64_t addr, uint32_t log2_size, Sharing sharing,
                                  Word *word) noexcept nogil:
    cdef uint64_t offset = addr - t.base
    cdef uint64_t size = <uint64_t> 1 << log2_size
    if (<uint64_t> t.host + offset) & (size - 1):
        return MISFIT
    if offset >= t.nbytes or t.nbytes - offset < size:
        return FAULT
    word.host = t.host + offset
    word.native = NULL
    if sharing == IS_PRIVATE or (sharing == BY_MEMORY and t.mappable == 0):
        word.key.space = pack_space(t.serial, PRIVATE, log2_size)
        word.key.offset = addr + t.key_shift
    elif t.mappable == 0:
        word.key.space = pack_space(t.serial, SHARED_PRIVATE, log2_size)
        word.key.offset = addr + t.key_shift
    else:
        word.key.space = pack_space(t.mappable, SHARED_MAPPABLE, log2_size)
        word.key.offset = t.mappable_offset + offset
    return OK


cdef inline Status word_open_mapped(const CTarget *t, uint64_t addr, uint32_t log2_size, Sharing sharing,
                                    Access access, Word *word) noexcept nogil:
    cdef uint64_t size = <uint64_t> 1 << log2_size
    cdef const Region *r
    if addr & (size - 1):
        return MISFIT
    word.readers = readers_enter(t.map)
    r = region_find(region_array(t.map), addr, size)
    # Not writable and no mappable behind it: Linux has no shared key for such a page.
    if r == NULL or (not r.is_writable and (access == WRITE or (sharing == IS_SHARED and r.mappable == 0))):
        readers_leave(word.readers)
        return FAULT
    word.host = r.host + (addr - r.addr)
    word.native = NULL
    if sharing == IS_PRIVATE or (sharing == BY_MEMORY and r.mappable == 0):
        word.key.space = pack_space(t.serial, PRIVATE, log2_size)
        word.key.offset = addr
    elif r.mappable == 0:
        word.key.space = pack_space(t.serial, SHARED_PRIVATE, log2_size)
        word.key.offset = addr
    else:
        word.key.space = pack_space(r.mappable, SHARED_MAPPABLE, log2_size)
        word.key.offset = r.mappable_offset + (addr - r.addr)
    return OK


cdef inline Status word_open_native(const CTarget *t, uint64_t addr, uint32_t log2_size, Sharing sharing,
                                    Word *word) noexcept nogil:
    # Whether something is there is found out by the access to it.
    cdef uint64_t mappable = 0, offset
    if addr & ((<uint64_t> 1 << log2_size) - 1):
        return MISFIT
    word.host = NULL
    word.readers = NULL
    word.native = &t.native
    word.addr = addr
    if sharing != IS_PRIVATE and t.native.functions.shared_key != NULL:
        if t.native.functions.shared_key(t.native.context, addr, &mappable, &offset):
            return FAULT
    if mappable:
        word.key.space = pack_space(mappable, SHARED_MAPPABLE, log2_size)
        word.key.offset = offset
    else:
        word.key.space = pack_space(t.serial, SHARED_PRIVATE if sharing == IS_SHARED else PRIVATE, log2_size)
        word.key.offset = addr
    return OK


cdef inline Status bytes_open(const CTarget *t, uint64_t addr, uint64_t n, Access access, Word *word) noexcept nogil:
    """`n` bytes at any address, if one region holds them all; without a key. OK, then word_close is due; or FAULT.

    Requires: not NATIVE, which has words alone.
    """
    cdef const Region *r
    if t.kind == FLAT:
        word.readers = NULL
        if addr - t.base >= t.nbytes or t.nbytes - (addr - t.base) < n:
            return FAULT
        word.host = t.host + (addr - t.base)
        return OK
    word.readers = readers_enter(t.map)
    r = region_find(region_array(t.map), addr, n)
    if r == NULL or (access == WRITE and not r.is_writable):
        readers_leave(word.readers)
        return FAULT
    word.host = r.host + (addr - r.addr)
    return OK
