"""Who owns a PI word."""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._arguments cimport convert_u64
from pyfutex._core.atomic cimport load_acquire_u32
from pyfutex._core.key cimport LOG2_SIZE_U32
from pyfutex._core.pi cimport Owner, TID_MASK
from pyfutex._core.status cimport MISFIT, OK
from pyfutex._core.target cimport READ, word_close
from pyfutex._core.word cimport Word, word_load
from pyfutex._errors cimport raise_status
from pyfutex._words cimport open_word


cdef extern from "<sys/syscall.h>" nogil:
    const long SYS_gettid


cdef extern from "<unistd.h>" nogil:
    long syscall(long number)


cdef int gettid() noexcept nogil:
    # The C library's own came with glibc 2.30.
    return <int> syscall(SYS_gettid)


cdef int convert_tid(object tid, uint32_t *value) except -1:
    cdef uint64_t number
    if tid is None:
        value[0] = <uint32_t> gettid()
        return 0
    convert_u64(tid, <uint64_t> 0xFFFFFFFFFFFFFFFF, &number)
    if number == 0 or number > TID_MASK:
        raise_status(MISFIT)
    value[0] = <uint32_t> number
    return 0


cdef int refuse_foreign_tid(object tid) except -1:
    cdef uint32_t number
    cdef int own
    if tid is not None:
        convert_tid(tid, &number)
        own = gettid()
        if <int> number != own:
            raise ValueError(f"the kernel knows who calls: tid must be this thread's own, {own}, not {number}")
    return 0


cdef int ask_for_owner(CManager *m, Target mem, object addr, int sharing, uint32_t tid, object owner_alive,
                       Owner *owner) except -1:
    cdef Word word
    cdef uint64_t value
    cdef uint32_t seen
    owner.tid = 0
    owner.is_alive = True
    owner.deaths = load_acquire_u32(&m.family.deaths)
    if open_word(mem, addr, LOG2_SIZE_U32, sharing, READ, &word) != OK:
        return 0    # the operation itself says what is wrong
    word_load(&word, &value)
    seen = <uint32_t> value & TID_MASK
    word_close(&word)
    if seen != 0 and seen != tid:
        owner.is_alive = bool(owner_alive(seen))
        owner.tid = seen
    return 0
