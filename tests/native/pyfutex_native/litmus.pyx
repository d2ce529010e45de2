"""Store-buffer litmus tests: two threads that store, then look for each other, and must not both miss.

Each round, thread one queues a waiter (or moves one) and then reads a word; thread two stores to the word with a plain
release store and then looks for waiters. One of them must see the other. Both stay in nogil loops and meet at the start
and the end of each round, so the verdict needs no time limit. The first side ends the test after `rounds`, or at the
monotonic time `until` in nanoseconds on a machine that is too busy.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memset

from posix.stdlib cimport posix_memalign

from pyfutex._core.atomic cimport (
    fetch_add_u32,
    load_acquire_u32,
    pause,
    store_release_u32,
)
from pyfutex._core.bucket cimport Taken, taken_init
from pyfutex._core.clock cimport CLOCK_MONOTONIC, now_ns
from pyfutex._core.engine cimport (
    await_mark,
    deliver_threads,
    engine_complete,
    engine_prepare,
    engine_requeue,
    engine_wake,
    engine_wake_slow,
)
from pyfutex._core.family cimport CManager, manager_free, manager_new, next_serial, table_of
from pyfutex._core.key cimport Key, PRIVATE, SHARED_MAPPABLE, key_hash, pack_space
from pyfutex._core.status cimport DETACHED, OK, Status, TAKEN
from pyfutex._core.table cimport table_bucket
from pyfutex._core.waiter cimport PLAIN, THREAD, Waiter, waiter_init
from pyfutex._core.word cimport Word, word_in_host
from pyfutex._core.wordlock cimport nobody_waits


cdef extern from "sched.h" nogil:
    int sched_yield()

cdef enum:
    # How often a side that has come first to a meeting looks before it lets others run. Long: the rounds that count are
    # those in which both sides have a processor.
    PATIENCE = 1 << 16
    CLOCK_ROUNDS = 64   # between two looks at the clock


cdef struct Arena:
    uint32_t word               # what one thread stores and the other reads
    uint32_t apart[31]
    uint32_t arrived            # atomic. The meeting point
    uint32_t is_over            # written by the first side before the last meeting, read by both after it
    uint32_t apart_too[30]


cdef void meet(Arena *a, uint32_t n) noexcept nogil:
    # The n-th meeting of the two threads.
    cdef uint32_t looks = 0
    fetch_add_u32(&a.arrived, 1)
    while load_acquire_u32(&a.arrived) < 2 * n:
        looks += 1
        if looks % PATIENCE == 0:
            sched_yield()
        pause()


cdef void end_round(Arena *a, uint32_t i, uint32_t rounds, int64_t until) noexcept nogil:
    # The first side's way to the second meeting of round i: it says whether there will be another round.
    if i + 1 == rounds or (i % CLOCK_ROUNDS == 0 and now_ns(CLOCK_MONOTONIC) > until):
        a.is_over = 1
    meet(a, 2 * i + 2)


cdef void dawdle(uint64_t *state, uint32_t limit) noexcept nogil:
    cdef uint32_t _pause
    state[0] = state[0] * <uint64_t> 6364136223846793005 + <uint64_t> 1442695040888963407
    for _pause in range(<uint32_t> ((state[0] >> 33) % (limit + 1))):
        pause()


cdef class Litmus:
    """A manager, a word and two keys.

    Parameters
    ----------
    shared : bool
        Whether the keys are those of a mappable.
    """

    cdef CManager *m
    cdef Arena *a
    cdef Key key
    cdef Key key2

    def __cinit__(self, bint shared=False):
        cdef void *p = NULL
        cdef uint64_t serial = next_serial()
        self.m = manager_new(NULL)
        if self.m == NULL or posix_memalign(&p, 128, sizeof(Arena)):
            raise MemoryError
        memset(p, 0, sizeof(Arena))
        self.a = <Arena *> p
        self.key.space = self.key2.space = pack_space(serial, SHARED_MAPPABLE if shared else PRIVATE, 2)
        self.key.offset = 64
        self.key2.offset = 128

    def __dealloc__(self):
        if self.m != NULL:
            manager_free(self.m)
        free(self.a)

    def wait_side(self, uint32_t rounds, int64_t until, uint64_t seed):
        """Queue a waiter if the word is unchanged: (rounds, those in which it was queued, those in which it was lost)."""
        cdef uint32_t i = 0, queued = 0, lost = 0
        cdef uint64_t state = seed
        cdef Status status
        cdef Waiter w
        cdef Word word
        word_in_host(&word, <char *> &self.a.word, &self.key)
        with nogil:
            while not self.a.is_over:
                waiter_init(&w, PLAIN, THREAD, 0xFFFFFFFF, 0)
                meet(self.a, 2 * i + 1)
                dawdle(&state, 24)
                status = engine_prepare(self.m, &w, &self.key, &word, i, DETACHED)
                end_round(self.a, i, rounds, until)
                if status == OK:
                    queued += 1
                    if engine_complete(&w, DETACHED) == TAKEN:
                        await_mark(&w)
                    else:
                        lost += 1
                i += 1
        return i, queued, lost

    def wake_side(self, uint64_t seed, bint fenced=True):
        """Change the word with a plain store and wake: how many were woken.

        Without `fenced` the wake is a copy of the engine's that lacks the fence: the control, which must lose some.
        """
        cdef uint32_t i = 0, woken = 0
        cdef uint64_t state = seed, hash_ = key_hash(&self.key, &self.m.seed)
        cdef Taken taken
        with nogil:
            while not self.a.is_over:
                taken_init(&taken)
                meet(self.a, 2 * i + 1)
                dawdle(&state, 24)
                store_release_u32(&self.a.word, i + 1)
                if fenced:
                    engine_wake(self.m, &self.key, 1, 0xFFFFFFFF, &taken, DETACHED)
                elif not nobody_waits(load_acquire_u32(&table_bucket(table_of(self.m, &self.key), hash_).word)):
                    engine_wake_slow(self.m, &self.key, hash_, 1, 0xFFFFFFFF, &taken, DETACHED)
                deliver_threads(&taken)
                woken += taken.n
                meet(self.a, 2 * i + 2)
                i += 1
        return woken

    def requeue_side(self, uint32_t rounds, int64_t until, uint64_t seed):
        """Move a waiter to key2, then read the word: (rounds, those with an unchanged word, those in which it was lost)."""
        cdef uint32_t i = 0, unchanged = 0, lost = 0, moved
        cdef uint64_t state = seed
        cdef bint is_unchanged
        cdef Taken taken
        cdef Waiter w
        with nogil:
            while not self.a.is_over:
                waiter_init(&w, PLAIN, THREAD, 0xFFFFFFFF, 0)
                engine_prepare(self.m, &w, &self.key, NULL, 0, DETACHED)
                taken_init(&taken)
                moved = 0
                meet(self.a, 2 * i + 1)
                dawdle(&state, 24)
                engine_requeue(self.m, &self.key, &self.key2, NULL, 0, 0, 1, NULL, &taken, &moved, DETACHED)
                is_unchanged = load_acquire_u32(&self.a.word) == i
                end_round(self.a, i, rounds, until)
                unchanged += is_unchanged
                if engine_complete(&w, DETACHED) == TAKEN:
                    await_mark(&w)
                elif is_unchanged:
                    lost += 1
                i += 1
        return i, unchanged, lost

    def wake_second_side(self, uint64_t seed):
        """Change the word with a plain store and wake at key2: how many were woken."""
        cdef uint32_t i = 0, woken = 0
        cdef uint64_t state = seed
        cdef Taken taken
        with nogil:
            while not self.a.is_over:
                taken_init(&taken)
                meet(self.a, 2 * i + 1)
                dawdle(&state, 24)
                store_release_u32(&self.a.word, i + 1)
                engine_wake(self.m, &self.key2, 1, 0xFFFFFFFF, &taken, DETACHED)
                deliver_threads(&taken)
                woken += taken.n
                meet(self.a, 2 * i + 2)
                i += 1
        return woken

    def in_transit_side(self, uint32_t rounds, int64_t until, uint64_t seed):
        """Queue a waiter at key, move it to key2: (rounds, those in which the other side missed it in both places)."""
        cdef uint32_t i = 0, lost = 0, moved
        cdef uint64_t state = seed
        cdef Taken taken
        cdef Waiter w
        with nogil:
            while not self.a.is_over:
                waiter_init(&w, PLAIN, THREAD, 0xFFFFFFFF, 0)
                engine_prepare(self.m, &w, &self.key, NULL, 0, DETACHED)
                taken_init(&taken)
                meet(self.a, 2 * i + 1)
                dawdle(&state, 24)
                engine_requeue(self.m, &self.key, &self.key2, NULL, 0, 0, 1, NULL, &taken, &moved, DETACHED)
                end_round(self.a, i, rounds, until)
                if engine_complete(&w, DETACHED) == TAKEN:
                    await_mark(&w)
                else:
                    lost += 1
                i += 1
        return i, lost

    def wake_both_side(self, uint64_t seed):
        """Wake at key, then at key2: how many were woken."""
        cdef uint32_t i = 0, woken = 0
        cdef uint64_t state = seed
        cdef Taken taken
        with nogil:
            while not self.a.is_over:
                taken_init(&taken)
                meet(self.a, 2 * i + 1)
                dawdle(&state, 24)
                engine_wake(self.m, &self.key, 1, 0xFFFFFFFF, &taken, DETACHED)
                engine_wake(self.m, &self.key2, 1, 0xFFFFFFFF, &taken, DETACHED)
                deliver_threads(&taken)
                woken += taken.n
                meet(self.a, 2 * i + 2)
                i += 1
        return woken
