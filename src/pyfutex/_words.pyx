"""Finding the futex word of a call."""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._arguments cimport as_address
from pyfutex._core.key cimport Key as CKey, PRIVATE, pack_space
from pyfutex._core.status cimport FAULT, MISFIT, OK, Status
from pyfutex._core.target cimport Access, IS_SHARED, Sharing, word_close, word_open
from pyfutex._core.word cimport Word
from pyfutex.key cimport Key, key_struct
from pyfutex.target cimport Target, is_called


cdef Status find_key(Target mem, object addr, uint32_t log2_size, int sharing, Access access,
                     CKey *key) except? <Status> 255:
    cdef Status status
    cdef Word word
    cdef uint64_t a
    if not is_called(mem):
        status = open_word(mem, addr, log2_size, sharing, access, &word)
        if status == OK:
            key[0] = word.key
            word_close(&word)
        return status
    if as_address(addr, &a):
        return FAULT
    if a & ((<uint64_t> 1 << log2_size) - 1):
        return MISFIT
    if sharing == IS_SHARED:
        shared = mem.shared_key(addr)
        if not isinstance(shared, Key):
            raise TypeError(f"shared_key must return a Key, not {type(shared).__name__}")
        key_struct(shared, mem.c.serial, log2_size, key)
    else:
        key.space = pack_space(mem.c.serial, PRIVATE, log2_size)
        key.offset = a
    return OK


cdef Status open_word(Target mem, object addr, uint32_t log2_size, int sharing, Access access,
                      Word *word) except? <Status> 255:
    cdef uint64_t a
    if as_address(addr, &a):
        return FAULT
    return word_open(&mem.c, a, log2_size, <Sharing> sharing, access, word)
