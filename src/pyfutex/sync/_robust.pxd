"""View of the headers of shared memory: what primitives there begin with, and the lock that outlives its owner."""

from libc.stdint cimport uint32_t, uint64_t
from posix.time cimport timespec

from pyfutex._core.atomic cimport load_relaxed_u32


cdef extern from "errno.h":
    const int EDEADLK           # libc.errno lacks them
    const int ENOTRECOVERABLE
    const int EOWNERDEAD


cdef extern from "steps.h":
    pass                        # where pyfutex_lock.h stops in a build with -Dperturb=true


cdef extern from "pyfutex_shared.h" nogil:
    ctypedef struct SharedHead "pyfutex_shared":
        uint64_t stamp
        uint64_t space

    ctypedef enum SharedKind "int":
        KIND_LOCK "PYFUTEX_LOCK"
        KIND_RLOCK "PYFUTEX_RLOCK"
        KIND_CONDITION "PYFUTEX_CONDITION"
        KIND_SEMAPHORE "PYFUTEX_SEMAPHORE"
        KIND_BOUNDED_SEMAPHORE "PYFUTEX_BOUNDED_SEMAPHORE"
        KIND_EVENT "PYFUTEX_EVENT"
        KIND_BARRIER "PYFUTEX_BARRIER"
        KIND_RWLOCK "PYFUTEX_RWLOCK"
        KIND_ONCE "PYFUTEX_ONCE"
        KIND_LATCH "PYFUTEX_LATCH"
    const uint32_t NOT_ROBUST "PYFUTEX_NOT_ROBUST"
    const uint32_t INHERITS "PYFUTEX_PI"
    const uint32_t UNDO "PYFUTEX_UNDO"
    const uint64_t SHARED_FOR_MUSL "PYFUTEX_SHARED_FOR_MUSL"
    const uint32_t LAYOUT_VERSION "PYFUTEX_LAYOUT_VERSION"

    uint64_t make_stamp "pyfutex_stamp" (uint32_t kind, uint32_t flags, uint32_t number)
    uint32_t stamp_number "pyfutex_stamp_number" (uint64_t stamp)
    uint32_t stamp_flags "pyfutex_stamp_flags" (uint64_t stamp)
    SharedKind stamp_kind "pyfutex_stamp_kind" (uint64_t stamp)
    uint64_t this_space "pyfutex_this_space" ()
    int shared_open "pyfutex_shared_open" (SharedHead *shared, uint64_t stamp, uint64_t *found)
    int shared_enter "pyfutex_shared_enter" (SharedHead *shared, uint64_t space)


cdef extern from "pyfutex_piword.h" nogil:
    bint pi_is_known "pyfutex_piword_is_known" ()
    timespec pi_on_realtime "pyfutex_piword_on_realtime" (const timespec *deadline)
    int pi_sleep "pyfutex_piword_wait" (uint32_t *word, uint32_t seen, uint32_t *target, const timespec *deadline, int clock)


cdef extern from "pyfutex_lock.h" nogil:
    const uint32_t TID_MASK "FUTEX_TID_MASK"
    const uint32_t WAITERS "FUTEX_WAITERS"
    const uint32_t OWNER_DIED "FUTEX_OWNER_DIED"
    const uint32_t CONSISTENT "PYFUTEX_CONSISTENT"
    const uint32_t INCONSISTENT "PYFUTEX_INCONSISTENT"
    const uint32_t NOT_RECOVERABLE "PYFUTEX_NOT_RECOVERABLE"

    ctypedef struct RobustLock "pyfutex_lock":
        SharedHead shared
        uint32_t word
        uint32_t turns
        uint32_t state
        uint32_t depth

    ctypedef struct Thread "pyfutex_thread":
        uint32_t tid
        void (*passing_on)(const uint32_t *word) noexcept nogil

    int thread_enter "pyfutex_thread_enter" (Thread *t)
    void robust_begin "pyfutex_lock_begin" (RobustLock *l, Thread *t)
    void robust_end "pyfutex_lock_end" (Thread *t)
    int robust_try "pyfutex_lock_try" (RobustLock *l, Thread *t, bint has_slept)
    int robust_spin "pyfutex_lock_spin" (RobustLock *l, Thread *t)
    int robust_sleep "pyfutex_lock_sleep" (RobustLock *l, const timespec *deadline, int clock)
    bint robust_inherits "pyfutex_lock_is_pi" (const RobustLock *l)
    int robust_queue "pyfutex_lock_queue" (RobustLock *l, Thread *t, const timespec *deadline, int clock)
    int robust_answered "pyfutex_lock_answered" (RobustLock *l, Thread *t, int answer)
    int robust_release "pyfutex_lock_release" (RobustLock *l, Thread *t)
    bint robust_look_after "pyfutex_lock_look_after" (RobustLock *l)
    int robust_consistent "pyfutex_lock_consistent" (RobustLock *l, const Thread *t)


cdef inline SharedKind robust_kind(const RobustLock *l) noexcept nogil:
    return stamp_kind(l.shared.stamp)


cdef inline uint32_t robust_owner(const RobustLock *l) noexcept nogil:
    # Thread id of whoever holds it; 0: nobody.
    return load_relaxed_u32(&l.word) & TID_MASK
