"""The bucket lock and the parker, hammered by threads that stay in nogil loops."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memset

from posix.stdlib cimport posix_memalign

from pyfutex._core.atomic cimport (
    exchange_u32,
    exchange_u64,
    fetch_add_u32,
    load_acquire_u32,
    load_acquire_u64,
    load_relaxed_u32,
    pause,
    store_release_u32,
    store_release_u64,
)
from pyfutex._core.checks cimport note_locked, note_unlocked
from pyfutex._core.clock cimport CLOCK_MONOTONIC, deadline_after, deadline_never, now_ns
from pyfutex._core.parker cimport MARKED, Parker, UNMARKED, WITHDRAWN, park, parker_self, unpark, word_wake
from pyfutex._core.status cimport ATTACHED, BUSY, DETACHED, Mode, TAKEN, TIMED_OUT
from pyfutex._core.wordlock cimport (
    LIVE,
    LOCK_CONTENDED,
    LOCK_DEAD,
    LOCK_TAKEN,
    LOCKED,
    LockResult,
    ONE_KEY,
    PARKED,
    STARVED,
    nobody_waits,
    word_count,
    word_lock,
    word_unlock,
)


cdef extern from "unistd.h" nogil:
    int usleep(uint32_t microseconds)


cdef struct Shared:
    uint32_t word
    uint32_t sleepers_out       # atomic
    uint64_t apart[7]
    uint64_t counter            # under the lock: plain
    uint32_t stop               # atomic
    uint64_t mark
    uint64_t apart_too[7]
    uint32_t turn               # atomic


cdef void spin(uint32_t pauses) noexcept nogil:
    cdef uint32_t _pause
    for _pause in range(pauses):
        pause()


cdef class Lock:
    """A bucket lock with a plain counter behind it."""

    cdef Shared *s

    def __cinit__(self):
        cdef void *p = NULL
        if posix_memalign(&p, 64, sizeof(Shared)):
            raise MemoryError
        memset(p, 0, sizeof(Shared))
        self.s = <Shared *> p
        self.s.word = LIVE

    def __dealloc__(self):
        free(self.s)

    @property
    def counter(self):
        """The plain counter."""
        return self.s.counter

    @property
    def bits(self):
        """The lock's bits and its count."""
        cdef uint32_t word = load_acquire_u32(&self.s.word)
        names = {"LOCKED": LOCKED, "PARKED": PARKED, "STARVED": STARVED, "LIVE": LIVE}
        return {name for name, bit in names.items() if word & bit}, word_count(word)

    @property
    def nobody_waits(self):
        """What wake reads from the word."""
        return bool(nobody_waits(load_acquire_u32(&self.s.word)))

    def lock(self, bint attached=False, uint32_t raised=0):
        """Lock: "taken", "dead" or "contended"."""
        cdef LockResult result
        cdef Mode mode = ATTACHED if attached else DETACHED
        cdef uint32_t *word = &self.s.word
        with nogil:
            result = word_lock(word, raised * ONE_KEY, mode)
        if result == LOCK_TAKEN:
            # Any thread may unlock it, or find it taken: to a checked build it is nobody's while Python runs.
            note_unlocked(word)
        return {LOCK_TAKEN: "taken", LOCK_DEAD: "dead", LOCK_CONTENDED: "contended"}[result]

    def unlock(self, uint32_t lowered=0):
        """Unlock."""
        note_locked(&self.s.word)
        word_unlock(&self.s.word, lowered * ONE_KEY)

    def retire(self):
        """Kill the locked lock as growth does it, and wake whoever sleeps on it."""
        exchange_u32(&self.s.word, 0)
        word_wake(&self.s.word, 0x7FFFFFFF, 0xFFFFFFFF)

    def revive(self):
        """Make the dead lock LIVE again."""
        store_release_u32(&self.s.word, LIVE)

    def stop(self):
        """End hold_often."""
        store_release_u32(&self.s.stop, 1)

    def count_up(self, uint64_t rounds, uint32_t held, uint32_t between):
        """Add 1 to the counter, `rounds` times; `held` pauses under the lock and `between` outside."""
        cdef uint64_t _round, value
        with nogil:
            for _round in range(rounds):
                word_lock(&self.s.word, ONE_KEY, DETACHED)
                value = self.s.counter
                spin(held)
                self.s.counter = value + 1
                word_unlock(&self.s.word, ONE_KEY)
                spin(between)

    def hold_often(self, int64_t held_ns):
        """Lock, hold for so long, unlock, at once again, until `stop`: how often."""
        cdef uint64_t n = 0
        cdef int64_t until
        with nogil:
            while not load_relaxed_u32(&self.s.stop):
                word_lock(&self.s.word, 0, DETACHED)
                until = now_ns(CLOCK_MONOTONIC) + held_ns
                while now_ns(CLOCK_MONOTONIC) < until:
                    pause()
                word_unlock(&self.s.word, 0)
                n += 1
        return n

    def lock_until_dead(self, uint32_t held):
        """Lock and unlock until the lock is dead: how often it was taken."""
        cdef uint64_t n = 0
        with nogil:
            while word_lock(&self.s.word, 0, DETACHED) == LOCK_TAKEN:
                n += 1
                spin(held)
                word_unlock(&self.s.word, 0)
            fetch_add_u32(&self.s.sleepers_out, 1)
        return n


cdef class Mark:
    """A mark on which one thread sleeps and that others set."""

    cdef Shared *s

    def __cinit__(self):
        cdef void *p = NULL
        if posix_memalign(&p, 64, sizeof(Shared)):
            raise MemoryError
        memset(p, 0, sizeof(Shared))
        self.s = <Shared *> p

    def __dealloc__(self):
        free(self.s)

    @property
    def sleeper(self):
        """Whether somebody sleeps on the mark, or is about to."""
        return load_acquire_u64(&self.s.mark) > WITHDRAWN

    def park(self, int64_t timeout_ns=-1):
        """Sleep: "taken", "timed out", "busy" or "interrupted"."""
        cdef int status
        with nogil:
            status = park(parker_self(), &self.s.mark,
                          deadline_never() if timeout_ns < 0 else deadline_after(timeout_ns))
        return {TAKEN: "taken", TIMED_OUT: "timed out", BUSY: "busy"}.get(status, "interrupted")

    def set(self):
        """Set the mark and wake the sleeper; whether somebody slept."""
        cdef uint64_t sleeper
        with nogil:
            sleeper = exchange_u64(&self.s.mark, MARKED)
            if sleeper > WITHDRAWN:
                unpark(<Parker *> sleeper)
        return sleeper > WITHDRAWN

    def clear(self):
        """Unset the mark."""
        store_release_u64(&self.s.mark, UNMARKED)

    def spurious(self):
        """Wake the sleeper without setting the mark, as a late waker of an earlier sleep does."""
        cdef uint64_t sleeper = load_acquire_u64(&self.s.mark)
        if sleeper > WITHDRAWN:
            unpark(<Parker *> sleeper)

    def sleep_many(self, uint64_t rounds, int64_t timeout_ns):
        """Sleep, with a time limit if it is positive, until taken, `rounds` times: how many time limits passed."""
        cdef uint64_t i, late = 0
        cdef int status
        cdef Parker *p = parker_self()
        with nogil:
            for i in range(rounds):
                while True:
                    status = park(p, &self.s.mark,
                                  deadline_after(timeout_ns) if timeout_ns > 0 else deadline_never())
                    if status == TAKEN:
                        break
                    late += 1
                self.s.counter += 1
                store_release_u64(&self.s.mark, UNMARKED)
                store_release_u32(&self.s.turn, 2 * <uint32_t> i + 2)
        return late

    def set_many(self, uint64_t rounds, uint32_t delay):
        """Set the mark, and wait until the sleeper has seen it, `rounds` times."""
        cdef uint64_t i, sleeper
        with nogil:
            for i in range(rounds):
                while load_acquire_u32(&self.s.turn) != 2 * <uint32_t> i:
                    usleep(1)   # not sched_yield: on a busy machine that gives away a whole time slice
                spin((<uint32_t> i * <uint32_t> 2654435761) % (delay + 1))
                self.s.counter += 1
                sleeper = exchange_u64(&self.s.mark, MARKED)
                if sleeper > WITHDRAWN:
                    unpark(<Parker *> sleeper)

    def stop(self):
        """End disturb."""
        store_release_u32(&self.s.stop, 1)

    def disturb(self):
        """Wake the sleeper for nothing, again and again, until `stop`."""
        cdef uint64_t sleeper
        with nogil:
            while not load_relaxed_u32(&self.s.stop):
                sleeper = load_acquire_u64(&self.s.mark)
                if sleeper > WITHDRAWN:
                    unpark(<Parker *> sleeper)

    @property
    def counter(self):
        """A plain counter that both sides raise in turn."""
        return self.s.counter
