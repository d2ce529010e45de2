"""View of pyfutex.h: the types that C callers pass, and what becomes of them at the door."""

from libc.errno cimport EINVAL
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from pyfutex._core.clock cimport CLOCK_MONOTONIC, CLOCK_REALTIME, Deadline, deadline_never
from pyfutex._core.family cimport CManager
from pyfutex._core.status cimport MISFIT, OK, Status, status_errno
from pyfutex._core.target cimport Access, CALLED, CTarget, IS_SHARED, Sharing, word_open
from pyfutex._core.word cimport Word


cdef extern from "pyfutex.h" nogil:
    enum:
        QUEUED_NOW "PYFUTEX_QUEUED"

    ctypedef struct TargetHandle "pyfutex_target":
        pass

    ctypedef struct Place "pyfutex_place":
        const TargetHandle *target
        uint64_t addr
        uint32_t size
        uint32_t sharing

    ctypedef struct CallDeadline "pyfutex_deadline":
        int64_t ns
        int32_t clock

    ctypedef struct Counts "pyfutex_counts":
        uint32_t woken
        uint32_t requeued

    ctypedef struct CallItem "pyfutex_item":
        Place place
        uint64_t value

    ctypedef struct WakeItem "pyfutex_wake_item":
        Place place
        uint32_t n
        uint32_t bitset
        int32_t result


cdef enum:
    HIGHEST_PRIORITY = 99


cdef inline int answer(Status status) noexcept nogil:
    """What the caller gets where a status says it all: 0 or a negative errno."""
    return 0 if status == OK else -status_errno(status)


cdef inline int log2_of(uint32_t size) noexcept nogil:
    # -1: there are no words of such a size.
    return 2 if size == 4 else 3 if size == 8 else 0 if size == 1 else 1 if size == 2 else -1


cdef inline Status place_find(const Place *place, Access access, Word *word) noexcept nogil:
    """As word_open: OK, then word_close is due; MISFIT, also for what is no place; FAULT."""
    cdef const CTarget *target
    cdef int log2_size
    if place == NULL or place.target == NULL or place.sharing > IS_SHARED:
        return MISFIT
    log2_size = log2_of(place.size)
    target = <const CTarget *> place.target
    if log2_size < 0 or target.kind == CALLED:
        return MISFIT
    return word_open(target, place.addr, <uint32_t> log2_size, <Sharing> place.sharing, access, word)


cdef inline Status place_open(const CManager *m, const Place *place, Access access, Word *word) noexcept nogil:
    """The same for an operation of a manager: MISFIT also without one."""
    return MISFIT if m == NULL else place_find(place, access, word)


cdef inline bint is_too_wide(const Place *place, uint64_t value) noexcept nogil:
    # Requires: place_find was OK.
    return place.size < 8 and value >> 8 * place.size != 0


cdef inline int read_deadline(const CallDeadline *given, Deadline *until) noexcept nogil:
    """0 or -EINVAL."""
    until[0] = deadline_never()
    if given == NULL:
        return 0
    if given.ns < 0 or (given.clock != CLOCK_MONOTONIC and given.clock != CLOCK_REALTIME):
        return -EINVAL
    until.ns = given.ns
    until.clock = given.clock
    return 0
