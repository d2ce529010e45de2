"""What awaits of shared primitives do between their sleeps: steps of the primitives' own protocols, none of which sleeps.

A step that does not get what it is for marks the word as a thread does that is about to sleep, and answers what the word
holds then. Nothing is pending meanwhile (pyfutex_lock.h): a thread has one pending operation, and many awaits.
"""

from libc.errno cimport EBUSY
from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.atomic cimport cas_u32, load_acquire_u32, load_relaxed_u32
from pyfutex._core.kernelcalls cimport kernel_wake
from pyfutex.memory cimport Memory
from pyfutex.sync._mutex cimport FREE, HELD, HELD_PARKED, Mutex, mutex_is_held, mutex_raise
from pyfutex.sync._robust cimport (
    RobustLock,
    Thread,
    TID_MASK,
    WAITERS,
    robust_begin,
    robust_end,
    robust_inherits,
    robust_look_after,
    robust_try,
)
from pyfutex.sync._shared cimport Shared
from pyfutex.sync._thread cimport entered_thread
from pyfutex.sync._waitword cimport WAITERS as WORD_WAITERS, waitword_mark
from pyfutex.sync.condition cimport Condition
from pyfutex.sync.event cimport Event, event_is_over
from pyfutex.sync.lock cimport Lock, lock_is_shared
from pyfutex.sync.rlock cimport RLock
from pyfutex.sync.semaphore cimport Semaphore, semaphore_take


cdef object place_of(Shared shared, const uint32_t *word):
    cdef Memory memory = shared.memory
    return memory, memory.c.base + (<uint64_t> word - <uint64_t> memory.c.host)


cdef int not_shared(object primitive) except -1:
    raise TypeError(f"what is awaited is a primitive in shared memory, not {primitive!r}")


cdef Mutex *mutex_of(object lock) except NULL:
    if isinstance(lock, Lock) and lock_is_shared(<Lock> lock):
        return &(<Lock> lock).m
    if isinstance(lock, RLock) and (<RLock> lock).shared is not None:
        return &(<RLock> lock).m
    not_shared(lock)


# --- locks ---


def lock_place(lock, /):
    """The memory and the address of the word. ValueError: none that can be awaited."""
    cdef Mutex *m = mutex_of(lock)
    if m.robust != NULL and robust_inherits(m.robust):
        raise ValueError("a lock of priority inheritance cannot be awaited: the kernel queues threads for it")
    return place_of((<Lock> lock).shared if isinstance(lock, Lock) else (<RLock> lock).shared, m.word)


def lock_has_owner(lock, /):
    """Whether the thread that takes it owns it."""
    return mutex_of(lock).robust != NULL


def lock_step(lock, bint has_slept, /):
    """Take it: None, it is held. Or what its word holds, which says that somebody waits. The errors of `Lock.acquire`."""
    cdef Mutex *m = mutex_of(lock)
    return plain_step(m.word, has_slept) if m.robust == NULL else robust_step(m.robust, has_slept)


cdef object plain_step(uint32_t *word, bint has_slept):
    while not cas_u32(word, FREE, HELD_PARKED if has_slept else HELD):
        if load_relaxed_u32(word) == HELD_PARKED or cas_u32(word, HELD, HELD_PARKED):
            return HELD_PARKED
    return None


cdef object robust_step(RobustLock *robust, bint has_slept):
    cdef Thread *t = entered_thread()
    cdef uint32_t seen
    cdef int why
    while True:
        robust_begin(robust, t)
        why = robust_try(robust, t, has_slept)
        if why != -EBUSY:
            break
        robust_end(t)
        seen = load_relaxed_u32(&robust.word)
        if seen & TID_MASK and (seen & WAITERS or cas_u32(&robust.word, seen, seen | WAITERS)):
            return seen | WAITERS
    if why:
        mutex_raise(why)
    return None


def lock_is_free(lock, /):
    """Whether nobody holds it. Should its owner be no more, and nobody have said so, the word says so then."""
    cdef Mutex *m = mutex_of(lock)
    if m.robust != NULL:
        robust_look_after(m.robust)
    return not mutex_is_held(m)


def lock_wake_one(lock, /):
    """Pass on a wake to another who waits for it."""
    cdef Mutex *m = mutex_of(lock)
    kernel_wake(m.word, 1, 0xFFFFFFFF, m.flag)


# --- permits and flags ---


def semaphore_place(Semaphore semaphore, /):
    """The memory and the address of the word. ValueError: none that can be awaited."""
    if semaphore.shared is None:
        not_shared(semaphore)
    if semaphore.undo.slots.n:
        raise ValueError("a semaphore with undo cannot be awaited: its permits belong to threads")
    return place_of(semaphore.shared, semaphore.w.word)


def semaphore_step(Semaphore semaphore, bint has_slept, /):
    """Take a permit: None. Or what the word holds, which says that somebody waits."""
    cdef uint32_t seen
    while not semaphore_take(semaphore, has_slept, &seen):
        if waitword_mark(&semaphore.w, seen):
            return seen | WORD_WAITERS
    return None


def event_place(Event event, /):
    """The memory and the address of the word."""
    if event.shared is None:
        not_shared(event)
    return place_of(event.shared, event.w.word)


def event_began(Event event, /):
    """What a wait that begins now has to know."""
    return load_acquire_u32(event.w.word)


def event_has_ended(Event event, uint32_t began, /):
    """Whether the wait is over."""
    cdef uint32_t seen
    return bool(event_is_over(event, began, &seen))


def event_step(Event event, uint32_t began, /):
    """None: the wait is over. Or what the word holds, which says that somebody waits."""
    cdef uint32_t seen
    while not event_is_over(event, began, &seen):
        if waitword_mark(&event.w, seen):
            return seen | WORD_WAITERS
    return None


# --- conditions ---


def condition_place(Condition condition, /):
    """The memory and the address of the number of notices."""
    if condition.shared is None:
        not_shared(condition)
    return place_of(condition.shared, &condition.notices.n)


def condition_is_owned(Condition condition, /):
    """Whether the calling thread holds the lock; of a lock that knows no owner, whether anybody does."""
    return condition._is_owned()


def condition_enter(Condition condition, /):
    """Count a waiter: the number of notices. Requires: the lock."""
    condition.notices.waiting += 1
    return load_relaxed_u32(&condition.notices.n)


def condition_leave(Condition condition, uint32_t seen, /):
    """Count it no more: whether a notice has come since. Requires: the lock."""
    condition.notices.waiting -= condition.notices.waiting != 0
    return condition_is_noticed(condition, seen)


def condition_is_noticed(Condition condition, uint32_t seen, /):
    """Whether a notice has come since."""
    return load_relaxed_u32(&condition.notices.n) != seen
