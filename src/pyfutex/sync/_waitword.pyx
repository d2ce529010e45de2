"""Sleeping on a word, and finding it in shared memory. Contracts are in _waitword.pxd."""

from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EAGAIN, EINTR, ETIMEDOUT
from libc.stdint cimport int64_t, uint32_t, uint64_t

from pyfutex._core.clock cimport Deadline, deadline_after
from pyfutex._core.kernelcalls cimport kernel_wait, kernel_wake_op
from pyfutex._errors cimport raise_errno
from pyfutex._recording cimport note_time, note_wake
from pyfutex.sync._robust cimport SharedKind
from pyfutex.sync._shared cimport Opening, Shared, shared_bind
from pyfutex.sync._sleepers cimport sleep_begins, sleep_ends


cdef extern from "<linux/futex.h>":
    uint32_t FUTEX_OP(uint32_t op, uint32_t oparg, uint32_t cmp, uint32_t cmparg)
    const uint32_t FUTEX_OP_OR
    const uint32_t FUTEX_OP_CMP_EQ

cdef enum:
    LOOK_AGAIN_NS = 1000000000


cdef Shared waitword_bind(WaitWord *w, object buffer, object offset, SharedKind kind, uint32_t *number, Opening how):
    cdef uint32_t no_flags
    cdef Shared shared = shared_bind(buffer, offset, sizeof(SharedWord), kind, 0, number[0], how, &no_flags, number)
    waitword_init(w, &(<SharedWord *> shared.head).word, 0)
    return shared


cdef int waitword_sleep(WaitWord *w, SharedKind kind, uint32_t seen, Deadline until) except 1:
    cdef Deadline limit = until
    cdef uint64_t asleep
    cdef int answer
    if not waitword_mark(w, seen):
        return 0
    if w.flag == 0:
        limit = deadline_after(LOOK_AGAIN_NS)
        if until.ns < limit.ns:
            limit = until
    asleep = sleep_begins(kind, w.word, 0)
    with nogil:
        answer = <int> kernel_wait(w.word, seen | WAITERS, 0xFFFFFFFF, limit, w.flag)
    sleep_ends(asleep, answer)
    if answer == -EINTR:
        PyErr_CheckSignals()
        return 0
    if answer == -ETIMEDOUT and limit.ns == until.ns:
        return answer
    if answer and answer != -EAGAIN and answer != -ETIMEDOUT:
        raise_errno(-answer)
    return 0


cdef int waitword_set(WaitWord *w, uint32_t bit) except -1:
    cdef uint32_t or_bit = FUTEX_OP(FUTEX_OP_OR, bit, FUTEX_OP_CMP_EQ, 0)
    cdef int64_t noted = note_time()
    cdef long answer = kernel_wake_op(w.word, w.word, or_bit, EVERYBODY, 1, w.flag)
    if answer < 0:
        raise_errno(-<int> answer)
    note_wake(noted, w.word, answer)
    return 0


cdef object waitword_repr(object primitive, Shared shared, object state):
    cls = type(primitive)
    where = "" if shared is None else f", shared, offset={shared.offset}"
    return f"<{cls.__module__.rpartition('.')[2]}.{cls.__qualname__} at {id(primitive):#x}: {state}{where}>"


cdef int waitword_refuse_pickle(object primitive) except -1:
    raise TypeError(f"a {type(primitive).__name__} is memory; pass on the buffer, and attach to it")
