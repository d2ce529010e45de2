"""What a guest thread leaves behind when it ends. Whatever is wrong with the guest's addresses is passed over."""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.bucket cimport Taken, taken_init
from pyfutex._core.engine cimport engine_wake
from pyfutex._core.key cimport Key as CKey
from pyfutex._core.status cimport ATTACHED, CONTENDED, DETACHED, OK, Status
from pyfutex._core.target cimport IS_SHARED, READ
from pyfutex._delivery cimport deliver
from pyfutex._words cimport find_key
from pyfutex.linux.usercopy cimport copy_out


cdef int shared_wake(CManager *m, Target mem, uint64_t addr, uint64_t limit) except -1:
    cdef CKey key
    cdef Taken taken
    cdef Status status
    if addr >= limit:
        return 0
    try:
        status = find_key(mem, addr, IS_SHARED, READ, &key)
    except OSError:
        return 0    # from a Python target
    if status != OK:
        return 0
    taken_init(&taken)
    status = engine_wake(m, &key, 1, 0xFFFFFFFF, &taken, ATTACHED)
    if status == CONTENDED:
        with nogil:
            status = engine_wake(m, &key, 1, 0xFFFFFFFF, &taken, DETACHED)
    deliver(&taken)
    return 0


cdef int clear_child_tid(CManager *m, Target mem, uint64_t addr, uint64_t limit) except -1:
    cdef uint32_t zero = 0
    copy_out(mem, addr, limit, &zero, sizeof(zero))
    return shared_wake(m, mem, addr, limit)
