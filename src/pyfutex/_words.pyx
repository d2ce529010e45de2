"""Finding the futex word of a call."""

from libc.stdint cimport uint64_t

from pyfutex._arguments cimport as_address
from pyfutex._core.key cimport Key as CKey, LOG2_SIZE_U32, PRIVATE, pack_space
from pyfutex._core.status cimport FAULT, MISFIT, OK, Status
from pyfutex._core.target cimport Access, IS_SHARED, Sharing, Word, word_close, word_open
from pyfutex.key cimport Key, key_struct
from pyfutex.target cimport Target, is_called


cdef Status find_key(Target mem, object addr, int sharing, Access access, CKey *key) except? <Status> 255:
    cdef Status status
    cdef Word word
    cdef uint64_t a
    if not is_called(mem):
        status = open_word(mem, addr, sharing, access, &word)
        if status == OK:
            key[0] = word.key
            word_close(&word)
        return status
    if as_address(addr, &a):
        return FAULT
    if a & 3:
        return MISFIT
    if sharing == IS_SHARED:
        shared = mem.shared_key(addr)
        if not isinstance(shared, Key):
            raise TypeError(f"shared_key must return a Key, not {type(shared).__name__}")
        key_struct(shared, mem.c.serial, key)
    else:
        key.space = pack_space(mem.c.serial, PRIVATE, LOG2_SIZE_U32)
        key.offset = a
    return OK


cdef Status open_word(Target mem, object addr, int sharing, Access access, Word *word) except? <Status> 255:
    cdef uint64_t a
    if as_address(addr, &a):
        return FAULT
    return word_open(&mem.c, a, LOG2_SIZE_U32, <Sharing> sharing, access, word)
