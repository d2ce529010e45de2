"""Slots: which threads take part in something in shared memory, and which of them have died.

A primitive with slots lies in memory as a lock of 64 bytes, 64 bytes of words of its own, and its slots, 64 bytes each. A
slot is a robust lock: its word is the id of the thread that has it, and OWNER_DIED once that thread has ended with it, which
wakes a sleeper. Its `depth` is for the primitive to write marks in.
"""

from libc.errno cimport EBUSY
from libc.stdint cimport uint32_t

from pyfutex._core.atomic cimport load_acquire_u32, store_relaxed_u64
from pyfutex._core.clock cimport Deadline
from pyfutex.sync._robust cimport (
    EDEADLK,
    EOWNERDEAD,
    OWNER_DIED,
    RobustLock,
    SHARED_FOR_MUSL,
    SharedHead,
    TID_MASK,
    Thread,
    robust_begin,
    robust_consistent,
    robust_end,
    robust_release,
    robust_try,
)


cdef enum:
    WORDS_AT = 64
    SLOTS_AT = 128

cdef struct Slots:
    RobustLock *first
    uint32_t n          # 0: there are none


cdef inline size_t bytes_with_slots(uint32_t n) noexcept nogil:
    return SLOTS_AT + <size_t> n * sizeof(RobustLock)


cdef inline void *words_of(SharedHead *head) noexcept nogil:
    return <char *> head + WORDS_AT


cdef inline void slots_init(Slots *s, SharedHead *head, uint32_t n) noexcept nogil:
    cdef uint32_t i
    s.first = <RobustLock *> (<char *> head + SLOTS_AT)
    s.n = n
    for i in range(n):
        store_relaxed_u64(&s.first[i].shared.space, SHARED_FOR_MUSL)


cdef inline uint32_t slot_home(const Slots *s, const Thread *t) noexcept nogil:
    # Where a thread looks first. Requires: n > 0, as all that follow.
    return t.tid % s.n


# Take this slot: 0; -EBUSY: another thread has it; or another negative errno of pyfutex_lock_try. `died`: set if the thread
# that had it before died with it, else left alone.
cdef inline int slot_try(RobustLock *slot, Thread *t, bint *died) noexcept nogil:
    cdef int result
    if load_acquire_u32(&slot.word) & TID_MASK not in (0, t.tid):
        return -EBUSY
    robust_begin(slot, t)
    result = robust_try(slot, t, False)
    if result == -EBUSY:
        robust_end(t)
    elif result == -EOWNERDEAD:
        robust_consistent(slot, t)
        died[0] = True
        return 0
    return result


# Take any slot: its number; -EBUSY: threads have them all. `several`: the caller may have some already; if not, -EDEADLK: it
# has one, which is noticed only if that comes before a free one.
cdef inline int slots_take(const Slots *s, Thread *t, bint several, bint *died) noexcept nogil:
    cdef uint32_t _, at = slot_home(s, t)
    cdef int result
    for _ in range(s.n):
        result = slot_try(&s.first[at], t, died)
        if result != -EBUSY and not (several and result == -EDEADLK):
            return <int> at if result == 0 else result
        at = at + 1 if at + 1 < s.n else 0
    return -EBUSY


# Wait for a slot as for a lock: 0, it is the caller's; -ETIMEDOUT. Whether the thread that had it died does not matter.
cdef int slot_acquire(RobustLock *slot, Deadline until) except 1

# Sleep for as long as two words in shared memory are what they were, and no other thread that has a slot dies: 0, look
# again; -ETIMEDOUT, -EINTR, or another negative errno. A death wakes one of those who watch the slot, and so does its being
# left. `second` NULL: one word, and for as long as all slots are taken. Looks again after a second, for what the words do
# not tell: more slots than one sleep can watch, a kernel without futex_waitv, a death told to somebody who is stopped, or
# to nobody.
cdef int slots_watch(const Slots *s, uint32_t *first, uint32_t first_was, uint32_t *second, uint32_t second_was,
                     Deadline until) noexcept nogil


cdef inline RobustLock *slots_find(const Slots *s, const Thread *t) noexcept nogil:
    # The slot that the caller has, or NULL.
    cdef uint32_t _, at = slot_home(s, t)
    for _ in range(s.n):
        if load_acquire_u32(&s.first[at].word) & TID_MASK == t.tid:
            return &s.first[at]
        at = at + 1 if at + 1 < s.n else 0
    return NULL


cdef inline int slot_leave(RobustLock *slot, Thread *t) noexcept nogil:
    # 0; -EBADMSG: its links were written over.
    return robust_release(slot, t)


cdef inline bint slots_have_dead(const Slots *s) noexcept nogil:
    cdef uint32_t i
    for i in range(s.n):
        if load_acquire_u32(&s.first[i].word) & OWNER_DIED:
            return True
    return False
