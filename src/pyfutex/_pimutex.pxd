"""The mutex under which PI operations on one Python target are done, since Python code must run between their steps."""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.atomic cimport (
    cas_u32,
    load_acquire_u32,
    load_relaxed_u64,
    pause,
    store_relaxed_u32,
    store_relaxed_u64,
    store_release_u32,
)
from pyfutex._core.checks cimport MUTEX, check_no_lock, note_rank
from pyfutex._core.family cimport current_epoch, last_forker
from pyfutex._core.status cimport DETACHED
from pyfutex._core.wordlock cimport LIVE, word_lock, word_unlock


cdef extern from "pthread.h" nogil:
    uint64_t pthread_self()

cdef enum:
    BEING_RESET = 0xFFFFFFFF    # value of PIMutex.epoch


cdef struct PIMutex:
    uint32_t word       # a word lock that is always LIVE
    uint32_t epoch      # atomic. Fork epoch in which `word` means something
    uint64_t thread     # atomic. Who holds it, for telling re-entry from waiting; 0: nobody


cdef inline void pi_init(PIMutex *mutex) noexcept nogil:
    mutex.word = LIVE
    mutex.epoch = current_epoch()
    mutex.thread = 0


cdef inline void pi_after_fork(PIMutex *mutex) noexcept nogil:
    # Whoever held it in the parent does not exist here, unless it is the thread that forked, from within the target.
    cdef uint32_t now = current_epoch(), then = load_acquire_u32(&mutex.epoch)
    if then == now:
        return
    if then != BEING_RESET and cas_u32(&mutex.epoch, then, <uint32_t> BEING_RESET):
        if load_relaxed_u64(&mutex.thread) != last_forker():
            store_relaxed_u64(&mutex.thread, 0)
            store_relaxed_u32(&mutex.word, LIVE)
        store_release_u32(&mutex.epoch, now)
    while load_acquire_u32(&mutex.epoch) == <uint32_t> BEING_RESET:
        pause()


# Requires: detached; not held by this thread.
cdef inline void pi_enter(PIMutex *mutex) noexcept nogil:
    pi_after_fork(mutex)
    check_no_lock()
    word_lock(&mutex.word, 0, DETACHED)
    note_rank(&mutex.word, MUTEX)
    store_relaxed_u64(&mutex.thread, pthread_self())


cdef inline void pi_leave(PIMutex *mutex) noexcept nogil:
    store_relaxed_u64(&mutex.thread, 0)
    word_unlock(&mutex.word, 0)


# Whether this thread holds it: then it came here from one of the target's own methods.
cdef inline bint pi_is_mine(PIMutex *mutex) noexcept nogil:
    return load_relaxed_u64(&mutex.thread) == pthread_self()
