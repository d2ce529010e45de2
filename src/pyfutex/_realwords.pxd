"""Real memory for system calls: from an address argument to the host address of a word.

What a call of the kernel works on has to stay there as long as the call lasts. A call that does not sleep is made between
real_open or real_open_two and word_close; one that sleeps holds on to what real_hold returned.
"""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._arguments cimport as_address
from pyfutex._core.atomic cimport likely
from pyfutex._core.key cimport LOG2_SIZE_U32
from pyfutex._core.status cimport FAULT, OK, Status
from pyfutex._core.target cimport Access, FLAT, IS_PRIVATE, READ, Word, word_close, word_open, word_open_flat
from pyfutex._errors cimport raise_status
from pyfutex.memory cimport Memory
from pyfutex.target cimport Target


# TypeError for what the kernel cannot reach.
cdef int refuse_unreal(object mem) except -1

# InvalidArgument unless it is 4: of those that Linux has names for, it implements no other.
cdef int refuse_size(object size) except -1

# real_hold, of a target whose regions may change.
cdef object hold_mapped(Target mem, uint64_t addr, Access access, uint32_t **host)


cdef inline Target real_target(object mem, object size=4):
    cdef object usual = 4
    if not likely(type(mem) is Memory):
        refuse_unreal(mem)
    if not likely(size is usual):
        refuse_size(size)
    return <Target> mem


cdef inline uint64_t real_address(object addr) except? 0:
    cdef uint64_t a
    if as_address(addr, &a):
        raise_status(FAULT)
    return a


cdef inline uint32_t *real_open(Target mem, uint64_t addr, Access access, Word *word) except NULL:
    """Open a word. Until word_close, no Python code may run."""
    cdef Status status
    word.host = NULL
    word.readers = NULL
    if likely(mem.c.kind == FLAT):
        status = word_open_flat(&mem.c, addr, LOG2_SIZE_U32, IS_PRIVATE, word)
    else:
        status = word_open(&mem.c, addr, LOG2_SIZE_U32, IS_PRIVATE, access, word)
    if status != OK:
        raise_status(status)
    return <uint32_t *> word.host


cdef inline int real_open_two(Target mem, uint64_t addr, Target mem2, uint64_t addr2, Access access2, Word *word,
                              Word *word2) except -1:
    """Open two words; both are to be closed."""
    real_open(mem, addr, READ, word)
    try:
        real_open(mem2, addr2, access2, word2)
    except BaseException:
        word_close(word)
        raise
    return 0


cdef inline object real_hold(Target mem, uint64_t addr, Access access, uint32_t **host):
    """Find a word for a call that sleeps, and return what keeps its memory there: a PI operation writes when it wakes."""
    cdef Word word
    if likely(mem.c.kind == FLAT):
        host[0] = real_open(mem, addr, access, &word)
        return mem
    return hold_mapped(mem, addr, access, host)
