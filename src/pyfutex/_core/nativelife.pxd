"""What C code makes and frees: managers, targets, queues; and figures of a manager. As pyfutex.h has them."""

from libc.stdint cimport int32_t, int64_t, uint64_t

from pyfutex._core.completions cimport Completions
from pyfutex._core.family cimport CManager
from pyfutex._core.nativewaiter cimport NativeWaiter
from pyfutex._core.place cimport Place
from pyfutex._core.target cimport CTarget
from pyfutex._core.waiter cimport Waiter
from pyfutex._core.word cimport TargetFunctions


cdef extern from "pyfutex.h" nogil:
    ctypedef struct Stats "pyfutex_stats":
        uint64_t waiters
        uint64_t keys
        uint64_t buckets
        uint64_t longest_chain
        uint64_t growths
        uint64_t table_bytes


cdef struct NativeQueue:
    Completions c
    uint64_t away_from_them[6]  # to 64 bytes: those who push and the one who pops have a line each
    # Taken off the stack and not yet handed out, oldest first, linked through Waiter.next. The one reader's.
    Waiter *ready


cdef uint64_t life_manager_waiters(CManager *m) noexcept nogil
cdef int life_manager_free(CManager *m) noexcept nogil
cdef int life_manager_stats(CManager *m, Stats *stats) noexcept nogil

# The memory of this process: FLAT, all of it.
cdef const CTarget *life_host_target() noexcept nogil
cdef CTarget *life_target_new(const TargetFunctions *functions, void *context) noexcept nogil
cdef void life_target_free(CTarget *target) noexcept nogil
# A NATIVE target's fields, but for its serial.
cdef bint life_target_bind(CTarget *target, const TargetFunctions *functions, void *context) noexcept nogil

cdef NativeQueue *life_queue_new() noexcept nogil
cdef void life_queue_free(NativeQueue *q) noexcept nogil
cdef int life_queue_fileno(NativeQueue *q) noexcept nogil
cdef NativeWaiter *life_queue_pop(NativeQueue *q) noexcept nogil

cdef int life_key_of(const Place *word, uint64_t *space, uint64_t *offset) noexcept nogil
cdef int64_t life_now(int32_t clock) noexcept nogil
