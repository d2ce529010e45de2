"""Bytes from and to guest memory. Contracts are in usercopy.pxd.

A Python target has words alone: what it is asked for is words of 32 bits at multiples of 4, in the order of a little-endian
guest. So a big-endian guest reads right what consists of aligned words of 32 bits.
"""

from libc.errno cimport EFAULT
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy

from pyfutex._calledtarget cimport called_cas, called_load
from pyfutex._core.atomic cimport load_u32, load_u64, store_u32, store_u64
from pyfutex._core.status cimport OK, Status
from pyfutex._core.target cimport (
    Access,
    CTarget,
    IS_PRIVATE,
    NATIVE,
    READ,
    WRITE,
    bytes_open,
    word_close,
    word_open,
)
from pyfutex._core.word cimport Word, word_exchange, word_load
from pyfutex.target cimport Target, is_called


cdef int errno_of(object error) noexcept:
    number = error.errno
    if type(number) is int and 0 < number < 4096:
        return number
    return EFAULT


cdef inline bint is_within(uint64_t addr, uint64_t limit, uint32_t n) noexcept:
    return addr <= limit and limit - addr >= n


cdef inline void move(char *to, const char *source, uint32_t n) noexcept:
    # Guest and host addresses agree modulo 8.
    if n == 8 and (<uint64_t> to | <uint64_t> source) & 7 == 0:
        store_u64(<uint64_t *> to, load_u64(<const uint64_t *> source))
    elif n == 4 and (<uint64_t> to | <uint64_t> source) & 3 == 0:
        store_u32(<uint32_t *> to, load_u32(<const uint32_t *> source))
    else:
        memcpy(to, source, n)


cdef int copy_native(const CTarget *t, uint64_t addr, char *buffer, uint32_t n, Access access) noexcept:
    """All or nothing; the bytes may lie in regions that adjoin."""
    cdef Word word
    cdef uint32_t i
    cdef int step
    if t.kind == NATIVE:
        return copy_words(t, addr, buffer, n, access)
    if bytes_open(t, addr, n, access, &word) == OK:
        if access == READ:
            move(buffer, word.host, n)
        else:
            move(word.host, buffer, n)
        word_close(&word)
        return 0
    for step in range(2):       # look at all of them, then copy
        for i in range(n):
            if bytes_open(t, addr + i, 1, access, &word) != OK:
                return EFAULT
            if step == 1 and access == READ:
                buffer[i] = word.host[0]
            elif step == 1:
                word.host[0] = buffer[i]
            word_close(&word)
    return 0


cdef int copy_words(const CTarget *t, uint64_t addr, char *buffer, uint32_t n, Access access) noexcept:
    """The same through the functions of a NATIVE target: a word where it is aligned, else its bytes one by one, until one
    is not there."""
    cdef Word word
    cdef uint64_t value = 0, previous
    cdef uint32_t log2_size = 3 if n == 8 else 2 if n == 4 else 0
    cdef uint32_t done, size
    cdef Status status
    if addr & ((1 << log2_size) - 1):
        log2_size = 0
    size = 1 << log2_size
    for done in range(0, n, size):
        status = word_open(t, addr + done, log2_size, IS_PRIVATE, access, &word)
        if status == OK and access == READ:
            status = word_load(&word, &value)
            memcpy(buffer + done, &value, size)
        elif status == OK:
            memcpy(&value, buffer + done, size)
            status = word_exchange(&word, value, &previous)
        if status != OK:
            return EFAULT
        word_close(&word)
    return 0


cdef int load_words(Target mem, uint64_t addr, char *buffer, uint32_t n) except -1:
    cdef uint64_t at = addr & ~<uint64_t> 3
    cdef uint32_t word, skip, piece, done = 0
    while done < n:
        word = called_load(mem, at)
        skip = <uint32_t> (addr + done - at)
        piece = min(4 - skip, n - done)
        memcpy(buffer + done, <char *> &word + skip, piece)
        done += piece
        at += 4
    return 0


cdef int store_words(Target mem, uint64_t addr, const char *buffer, uint32_t n) except -1:
    cdef uint64_t at = addr & ~<uint64_t> 3
    cdef uint32_t word, seen, skip, piece, done = 0
    while done < n:
        skip = <uint32_t> (addr + done - at)
        piece = min(4 - skip, n - done)
        while True:
            seen = word = called_load(mem, at)
            memcpy(<char *> &word + skip, buffer + done, piece)
            if called_cas(mem, at, seen, word) == seen:
                break
        done += piece
        at += 4
    return 0


cdef int copy_in(Target mem, uint64_t addr, uint64_t limit, void *buffer, uint32_t n) except -1:
    if not is_within(addr, limit, n):
        return EFAULT
    if not is_called(mem):
        return copy_native(&mem.c, addr, <char *> buffer, n, READ)
    try:
        load_words(mem, addr, <char *> buffer, n)
    except OSError as error:
        return errno_of(error)
    return 0


cdef int copy_out(Target mem, uint64_t addr, uint64_t limit, const void *buffer, uint32_t n) except -1:
    if not is_within(addr, limit, n):
        return EFAULT
    if not is_called(mem):
        return copy_native(&mem.c, addr, <char *> buffer, n, WRITE)
    try:
        store_words(mem, addr, <const char *> buffer, n)
    except OSError as error:
        return errno_of(error)
    return 0
