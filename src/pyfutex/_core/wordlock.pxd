"""The bucket lock: one 32-bit word that also carries the bucket's count and says whether the bucket is in use.

    bit 0      LOCKED
    bit 1      PARKED   somebody sleeps on the word; legal without a sleeper, illegal to be missing when there is one
    bit 2      STARVED  one sleeper has waited for HAND_OVER_NS: nobody but that one may take the lock now
    bit 3      LIVE     the bucket is in use. 0: not yet filled, or retired by growth; it can never be locked again
    bits 4..31 count    keys queued here, plus those being prepared

"Nobody waits here" is (word & ~LOCK_BITS) == LIVE and nothing else: a bucket that is not LIVE never reads as empty. All
changes of the word are read-modify-writes that see LIVE, so a dead word stays 0.

The lock spins a few pauses, then sleeps on the word itself. Whoever was woken from it and does not take it (because the
bucket died) wakes all the others; else they would sleep for ever, since the one who let us go cleared PARKED for us.
"""

from libc.stdint cimport int64_t, uint32_t

from pyfutex._core.atomic cimport (
    cas_u32,
    fence_after_rmw,
    fetch_sub_release_u32,
    likely,
    load_acquire_u32,
    load_relaxed_u32,
    pause,
)
from pyfutex._core.checks cimport check_may_lock, note_locked, note_unlocked
from pyfutex._core.clock cimport CLOCK_MONOTONIC, deadline_never, now_ns
from pyfutex._core.parker cimport word_wait, word_wake
from pyfutex._core.status cimport ATTACHED, CONTENDED, Mode, OK, Status


cdef enum:
    LOCKED = 1
    PARKED = 2
    STARVED = 4
    LIVE = 8
    ONE_KEY = 16
    LOCK_BITS = 7

cdef enum:
    SPIN_PAUSES = 40
    HAND_OVER_NS = 1000000
    # Which sleepers a wake is for, as futex bitsets.
    ANY_SLEEPER = 1
    THE_STARVED = 2

cdef enum LockResult:
    LOCK_TAKEN = 0
    LOCK_DEAD = 1           # the bucket is not LIVE: look for the one that took its place
    LOCK_CONTENDED = 2      # ATTACHED only


cdef inline bint nobody_waits(uint32_t word) noexcept nogil:
    return (word & ~<uint32_t> LOCK_BITS) == LIVE


cdef inline uint32_t word_count(uint32_t word) noexcept nogil:
    return word // ONE_KEY


# Take the lock and add `raised` (a multiple of ONE_KEY) to the count, in one sequentially consistent operation followed
# by a full barrier: the count is up before the caller reads a futex word. Pairs with the fence in engine_wake.
cdef inline LockResult word_lock(uint32_t *word, uint32_t raised, Mode mode) noexcept nogil:
    cdef uint32_t seen = load_relaxed_u32(word)
    check_may_lock(word)
    if likely((seen & (LIVE | LOCKED | STARVED)) == LIVE and cas_u32(word, seen, seen + LOCKED + raised)):
        fence_after_rmw()
        note_locked(word)
        return LOCK_TAKEN
    return word_lock_slow(word, raised, mode)


cdef inline LockResult word_lock_slow(uint32_t *word, uint32_t raised, Mode mode) noexcept nogil:
    cdef uint32_t seen
    cdef int spins = 0
    cdef int64_t began
    cdef bint slept = False, starved = False
    while spins < SPIN_PAUSES:
        seen = load_acquire_u32(word)
        if not seen & LIVE:
            return LOCK_DEAD
        if not seen & (LOCKED | STARVED) and cas_u32(word, seen, seen + LOCKED + raised):
            fence_after_rmw()
            note_locked(word)
            return LOCK_TAKEN
        pause()
        spins += 1
    if mode == ATTACHED:
        return LOCK_CONTENDED
    began = now_ns(CLOCK_MONOTONIC)
    while True:
        seen = load_acquire_u32(word)
        if not seen & LIVE:
            if slept:
                word_wake(word, 0x7FFFFFFF, ANY_SLEEPER | THE_STARVED)
            return LOCK_DEAD
        if not seen & LOCKED and (starved or not seen & STARVED):
            # PARKED stays up for those who may still sleep: we cannot know whether we were the last.
            if cas_u32(word, seen, ((seen & ~<uint32_t> STARVED) | LOCKED | (PARKED if slept else 0)) + raised):
                fence_after_rmw()
                note_locked(word)
                return LOCK_TAKEN
            continue
        if slept and not starved and not seen & STARVED and now_ns(CLOCK_MONOTONIC) - began > HAND_OVER_NS:
            starved = cas_u32(word, seen, seen | STARVED | PARKED)
            continue
        if not seen & PARKED:
            if not cas_u32(word, seen, seen | PARKED):
                continue
            seen |= PARKED
        word_wait(word, seen, THE_STARVED if starved else ANY_SLEEPER, deadline_never())
        slept = True


# Let the lock go and take `lowered` (a multiple of ONE_KEY) off the count. Requires: held by this thread.
cdef inline void word_unlock(uint32_t *word, uint32_t lowered) noexcept nogil:
    cdef uint32_t seen
    note_unlocked(word)
    seen = fetch_sub_release_u32(word, LOCKED + lowered)
    if seen & (PARKED | STARVED):
        word_wake_sleeper(word)


cdef inline void word_wake_sleeper(uint32_t *word) noexcept nogil:
    cdef uint32_t seen
    while True:
        seen = load_relaxed_u32(word)
        if seen & STARVED:
            # The lock is free for the starved one alone; its PARKED stays.
            word_wake(word, 1, THE_STARVED)
            return
        if not seen & PARKED or seen & LOCKED or not seen & LIVE:
            return      # whoever has the lock now wakes the sleepers; whoever retired the bucket has woken them
        if cas_u32(word, seen, seen & ~<uint32_t> PARKED):
            word_wake(word, 1, ANY_SLEEPER)
            return
