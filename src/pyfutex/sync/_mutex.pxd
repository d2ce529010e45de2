"""What every lock is made of: one word, held by one thread.

Plain, in an object of Python or in shared memory, for anybody to release:

    0  FREE
    1  HELD             nobody sleeps on it
    2  HELD_PARKED      held, and somebody may sleep on it: legal without a sleeper, illegal to lack with one

Robust, in shared memory: the word of pyfutex_lock.h, whose owner is a thread. One of priority inheritance is robust, too,
wherever it lies.

The interpreter lock is dropped to sleep, and for nothing else. Whoever is woken takes the interpreter lock first and the
mutex then: were it the other way round, each release would cost a change of threads.
"""

from libc.errno cimport EBUSY, EINVAL, ENOSYS, EPERM
from libc.stdint cimport uint32_t

from pyfutex._core.atomic cimport cas_u32, likely, load_relaxed_u32
from pyfutex._core.clock cimport Deadline
from pyfutex.sync._robust cimport (
    RobustLock,
    TID_MASK,
    Thread,
    robust_begin,
    robust_consistent,
    robust_end,
    robust_release,
    robust_try,
)
from pyfutex.sync._thread cimport robust_thread


cdef enum:
    FREE = 0
    HELD = 1
    HELD_PARKED = 2

cdef struct Mutex:
    uint32_t *word
    RobustLock *robust      # NULL: plain
    int flag                # of futex calls: PRIVATE_FLAG, or 0 for a word in shared memory


# Take it, sleeping until `until`: 0, or -ETIMEDOUT. OwnerDied: it is held; NotRecoverable, RuntimeError (the caller
# holds it), OSError, or what a signal handler raised: it is not. Requires: attached. `has_slept`: see mutex_try.
cdef int mutex_acquire(Mutex *m, Deadline until, bint has_slept) except 1
# The same without a deadline for those who must have it before they can raise: no signal handler runs meanwhile.
cdef int mutex_acquire_again(Mutex *m) except 1
# The same for those who make good what a dead owner left: 0; -EOWNERDEAD, with which it is held; or another negative errno
# of mutex_try, or -ETIMEDOUT. Raises what a signal handler raised, where they are let run: not held.
cdef int mutex_wait(Mutex *m, Deadline until, bint handles_signals) except 1
# Raise what a negative errno of a mutex means.
cdef int mutex_raise(int error) except 1

cdef inline void plain_init(Mutex *m, uint32_t *word, int flag) noexcept nogil:
    m.word = word
    m.robust = NULL
    m.flag = flag


cdef inline void robust_init(Mutex *m, RobustLock *robust) noexcept nogil:
    m.word = &robust.word
    m.robust = robust
    m.flag = 0


# 0; -EBUSY; or another negative errno of pyfutex_lock_try, -EOWNERDEAD among them, with which it is held.
cdef inline int mutex_try(Mutex *m) noexcept nogil:
    cdef Thread *t
    cdef int result
    if m.robust == NULL:
        return 0 if likely(cas_u32(m.word, FREE, HELD)) else -EBUSY
    t = robust_thread()
    if t == NULL:
        return -ENOSYS
    robust_begin(m.robust, t)
    result = robust_try(m.robust, t, False)
    if result == -EBUSY:
        robust_end(t)
    return result


# 0; -EPERM: it is not held, or not by the caller; -EBADMSG: its memory was written over. Requires: attached.
cdef inline int mutex_release(Mutex *m) noexcept:
    cdef Thread *t
    if m.robust == NULL:
        return 0 if likely(cas_u32(m.word, HELD, FREE)) else plain_release_parked(m)
    t = robust_thread()
    return -EPERM if t == NULL else robust_release(m.robust, t)


# The rest of it, where somebody may sleep.
cdef int plain_release_parked(Mutex *m) noexcept


cdef inline uint32_t owner_of(const Mutex *m) noexcept nogil:
    # Thread id of whoever holds it; 0: nobody. Requires: robust.
    return load_relaxed_u32(m.word) & TID_MASK


cdef inline bint mutex_is_owned(const Mutex *m) noexcept nogil:
    # By the calling thread; of a plain one, by anybody.
    cdef Thread *t
    if m.robust == NULL:
        return load_relaxed_u32(m.word) != FREE
    t = robust_thread()
    return t != NULL and owner_of(m) == t.tid


# 0; -EPERM: the caller does not hold it; -EINVAL: nobody had died. A plain one knows of no death.
cdef inline int mutex_consistent(Mutex *m) noexcept nogil:
    cdef Thread *t
    if m.robust == NULL:
        return -EINVAL
    t = robust_thread()
    return -EPERM if t == NULL else robust_consistent(m.robust, t)


cdef inline bint mutex_is_held(const Mutex *m) noexcept nogil:
    # By whomever.
    return load_relaxed_u32(m.word) != FREE if m.robust == NULL else owner_of(m) != 0
