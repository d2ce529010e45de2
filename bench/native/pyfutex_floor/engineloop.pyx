"""Loops over the engine without the GIL, through the .pxd files that the installed package carries.

Every loop runs its operation `n` times in one call. No guest memory is needed: the engine compares through a host
address, and all keys here compare through the same word, which stays 0. So a crowd of any stride needs no memory beside
its waiters.
"""

cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from pyfutex._core.atomic cimport fetch_add_u32, likely, load_acquire_u32, load_acquire_u64, pause, store_release_u32
from pyfutex._core.bucket cimport Taken, taken_init
from pyfutex._core.clock cimport CLOCK_MONOTONIC, now_ns
from pyfutex._core.engine cimport (
    await_mark,
    deliver_threads,
    engine_complete,
    engine_prepare,
    engine_requeue,
    engine_wake_slow,
    nobody_for,
)
from pyfutex._core.family cimport CManager, manager_free, manager_new, next_serial, table_of
from pyfutex._core.key cimport LOG2_SIZE_U32, PRIVATE, SHARED_MAPPABLE, Key, pack_space
from pyfutex._core.status cimport DETACHED, OK, TAKEN, Status
from pyfutex._core.table cimport Table, level_log2, level_stride_log2
from pyfutex._core.waiter cimport PLAIN, THREAD, Waiter, is_marked, waiter_init
from pyfutex._core.word cimport Word, word_in_host
from pyfutex_floor.stopwatch cimport stopwatch, stopwatch_lap, stopwatch_start

cdef enum:
    ANY = 0xFFFFFFFF
    ALL = 0x7FFFFFFF
    WORDS_APART = 64
    LINES_APART = 2048      # what the threads of the scaling loops keep between their words

WAITER_SIZE = sizeof(Waiter)


cdef inline uint64_t xorshift(uint64_t *state) noexcept nogil:
    state[0] ^= state[0] << 13
    state[0] ^= state[0] >> 7
    state[0] ^= state[0] << 17
    return state[0]


cdef uint32_t wake_somebody(CManager *m, const Key *key, uint64_t hash) noexcept nogil:
    cdef Taken taken
    taken_init(&taken)
    engine_wake_slow(m, key, hash, 1, ANY, &taken, DETACHED)
    deliver_threads(&taken)
    return taken.n


cdef inline uint32_t wake_one(CManager *m, const Key *key) noexcept nogil:
    cdef uint64_t hash
    if likely(nobody_for(m, key, &hash)):
        return 0
    return wake_somebody(m, key, hash)


cdef inline bint complete(Waiter *w) noexcept nogil:
    # Whether w had been woken. A marked waiter needs no lock: that is what a wake costs its sleeper.
    if is_marked(w):
        return True
    if engine_complete(w, DETACHED) == TAKEN:
        await_mark(w)
        return True
    return False


cdef class Engine:
    """One manager, driven from C.

    Parameters
    ----------
    shared : bool
        Whether the keys are those of a mappable, queued in the table that a family of managers shares.
    """

    cdef CManager *m
    cdef Key key
    cdef uint32_t word

    # Cython hands the arguments of a subclass to this __cinit__ too.
    def __cinit__(self, *args, bint shared=False, **others):
        self.m = manager_new(NULL)
        if self.m == NULL:
            raise MemoryError
        self.key.space = pack_space(next_serial(), SHARED_MAPPABLE if shared else PRIVATE, LOG2_SIZE_U32)

    def __dealloc__(self):
        if self.m != NULL:
            manager_free(self.m)

    cdef Table *table(self) noexcept nogil:
        return table_of(self.m, &self.key)

    cdef Key key_at(self, uint64_t offset) noexcept nogil:
        cdef Key key = self.key
        key.offset = offset
        return key

    @property
    def table_bytes(self):
        """Size of the level of buckets in use."""
        cdef uint64_t level = load_acquire_u64(&self.table().current)
        return 1 << (level_log2(level) + level_stride_log2(level))

    @property
    def growing(self):
        """Whether buckets are still to be split."""
        return load_acquire_u64(&self.table().previous) != 0

    def wake_words(self, uint64_t offset, uint64_t n_words, uint64_t n):
        """Wake nobody, `n` times, going round `n_words` (a power of two) words from `offset`, 64 bytes apart.

        Returns
        -------
        int
            How many were woken.
        """
        cdef CManager *m = self.m
        cdef Key key = self.key
        cdef uint64_t i, woken = 0
        with nogil:
            for i in range(n):
                key.offset = offset + (i & (n_words - 1)) * WORDS_APART
                woken += wake_one(m, &key)
        return woken

    def wake_random(self, uint64_t offset, uint64_t stride, uint64_t n_words, uint64_t n, uint64_t seed=1):
        """Wake a word drawn at random, `n` times, from `n_words` that begin at `offset`, `stride` bytes apart.

        Returns
        -------
        int
            How many were woken.
        """
        cdef CManager *m = self.m
        cdef Key key = self.key
        cdef uint64_t _i, woken = 0, state = seed | 1
        with nogil:
            for _i in range(n):
                key.offset = offset + (xorshift(&state) % n_words) * stride
                woken += wake_one(m, &key)
        return woken

    def prepare_wake_complete(self, uint64_t offset, uint64_t n):
        """Queue a waiter, wake it, complete it, `n` times. Returns how many were woken."""
        cdef CManager *m = self.m
        cdef Key key = self.key_at(offset)
        cdef Waiter w
        cdef Word word
        cdef uint64_t _i, woken = 0
        word_in_host(&word, <char *> &self.word, &key)
        with nogil:
            for _i in range(n):
                waiter_init(&w, PLAIN, THREAD, ANY, 0)
                if engine_prepare(m, &w, &key, &word, 0, DETACHED) == OK:
                    wake_one(m, &key)
                    woken += complete(&w)
        return woken

    def prepare_complete(self, uint64_t offset, uint64_t n):
        """Queue a waiter and take it back, `n` times. Returns how many were woken: none."""
        cdef CManager *m = self.m
        cdef Key key = self.key_at(offset)
        cdef Waiter w
        cdef Word word
        cdef uint64_t _i, woken = 0
        word_in_host(&word, <char *> &self.word, &key)
        with nogil:
            for _i in range(n):
                waiter_init(&w, PLAIN, THREAD, ANY, 0)
                if engine_prepare(m, &w, &key, &word, 0, DETACHED) == OK:
                    woken += complete(&w)
        return woken

    def requeue_nobody(self, uint64_t offset, uint64_t n):
        """Requeue from a word on which nobody waits to the one after it, `n` times. Returns how many were moved: none."""
        cdef Key source = self.key_at(offset)
        cdef Key target = self.key_at(offset + WORDS_APART)
        cdef uint32_t requeued = 0
        cdef uint64_t _i
        cdef Taken taken
        with nogil:
            for _i in range(n):
                taken_init(&taken)
                if engine_requeue(self.m, &source, &target, NULL, 0, 0, ALL, NULL, &taken, &requeued, DETACHED) != OK:
                    break
        return requeued


@cython.final
cdef class Crowd(Engine):
    """A manager with waiters that nobody wakes, on keys of their own.

    Their memory is one array, touched before anything is timed.
    """

    cdef Waiter *waiters
    cdef readonly uint64_t size
    cdef readonly uint64_t queued
    cdef readonly uint64_t stride
    cdef uint32_t watchers      # atomic
    cdef uint32_t filled        # atomic
    cdef uint32_t sequence      # of the words on which settle() queues

    def __cinit__(self, uint64_t size, *, uint64_t stride=64, bint shared=False):
        self.waiters = <Waiter *> calloc(size, sizeof(Waiter))
        if self.waiters == NULL:
            raise MemoryError
        memset(self.waiters, 0xFF, size * sizeof(Waiter))
        self.size = size
        self.stride = stride

    def __dealloc__(self):
        self.leave()
        free(self.waiters)

    cdef void leave(self) noexcept nogil:
        cdef uint64_t i
        for i in range(self.queued):
            complete(&self.waiters[i])
        self.queued = 0

    def fill(self, uint32_t watchers=0):
        """Queue everybody, each on the key `stride` bytes after the last.

        Parameters
        ----------
        watchers : int
            Threads in `watch_fill` to wait for before anybody is queued.

        Returns
        -------
        tuple of (int, int, int)
            In nanoseconds: the longest operation, the longest by the wall clock alone (see stopwatch.h), and all together.
        """
        cdef CManager *m = self.m
        cdef Key key = self.key
        cdef stopwatch watch
        cdef uint64_t i
        cdef Word word
        cdef Status status = OK
        word_in_host(&word, <char *> &self.word, &key)
        with nogil:
            while load_acquire_u32(&self.watchers) < watchers:
                pause()
            stopwatch_start(&watch)
            for i in range(self.queued, self.size):
                word.key.offset = (i + 1) * self.stride
                waiter_init(&self.waiters[i], PLAIN, THREAD, ANY, 0)
                status = engine_prepare(m, &self.waiters[i], &word.key, &word, 0, DETACHED)
                if status != OK:
                    break
                self.queued = i + 1
                stopwatch_lap(&watch)
            store_release_u32(&self.filled, 1)
        if status != OK:
            raise RuntimeError(f"a waiter was not queued: status {<int> status}")
        return watch.longest, watch.longest_wall, watch.before - watch.start

    def watch_fill(self, bint prepares):
        """From another thread: wake a word of one's own, or queue, wake and complete on it, until `fill` is done.

        Returns
        -------
        tuple of (int, int, int)
            In nanoseconds: the longest operation, and the longest by the wall clock alone; and how many there were.
        """
        cdef CManager *m = self.m
        cdef Key key = self.key_at(self.beyond(1))
        cdef Waiter w
        cdef Word word
        cdef stopwatch watch
        word_in_host(&word, <char *> &self.word, &key)
        with nogil:
            fetch_add_u32(&self.watchers, 1)
            stopwatch_start(&watch)
            while load_acquire_u32(&self.filled) == 0:
                if prepares:
                    waiter_init(&w, PLAIN, THREAD, ANY, 0)
                    if engine_prepare(m, &w, &key, &word, 0, DETACHED) == OK:
                        wake_one(m, &key)
                        complete(&w)
                else:
                    wake_one(m, &key)
                stopwatch_lap(&watch)
        return watch.longest, watch.longest_wall, watch.laps

    cdef uint64_t beyond(self, uint64_t i) noexcept nogil:
        return (self.size + 1 + i) * self.stride

    def probe_offset(self, uint64_t i):
        """Offset of the i-th word on which nobody waits."""
        return self.beyond(i)

    def settle(self):
        """Queue and take back on other words until no bucket is left to split. Returns on how many."""
        cdef uint64_t n = 0
        while self.growing:
            self.prepare_complete(self.beyond(self.size + self.sequence), 1)
            self.sequence += 1
            n += 1
        return n

    def empty(self):
        """Take everybody out."""
        with nogil:
            self.leave()


@cython.final
cdef class Herd(Engine):
    """Waiters of one key, side by side in memory, that are requeued to another key and back.

    Parameters
    ----------
    size : int
        How many.
    across : bool
        Requeue between a private key and a key of a mappable.
    """

    cdef Waiter *waiters
    cdef uint64_t size
    cdef Key other

    def __cinit__(self, uint64_t size, *, bint across=False, bint shared=False):
        cdef uint64_t i
        cdef Word word
        self.waiters = <Waiter *> calloc(size, sizeof(Waiter))
        if self.waiters == NULL:
            raise MemoryError
        self.key.offset = 0x10000
        self.other = self.key
        self.other.offset = 0x20000
        if across:
            self.other.space = pack_space(next_serial(), SHARED_MAPPABLE, LOG2_SIZE_U32)
        word_in_host(&word, <char *> &self.word, &self.key)
        for i in range(size):
            waiter_init(&self.waiters[i], PLAIN, THREAD, ANY, 0)
            if engine_prepare(self.m, &self.waiters[i], &self.key, &word, 0, DETACHED) != OK:
                raise MemoryError
            self.size = i + 1

    def __dealloc__(self):
        cdef uint64_t i
        for i in range(self.size):
            complete(&self.waiters[i])
        free(self.waiters)

    def requeue(self, uint64_t n):
        """Move `n` waiters, rounded up to whole herds, there and back again.

        Returns
        -------
        int
            How many were moved.
        """
        cdef uint64_t moved = 0
        cdef uint32_t requeued
        cdef Status status
        cdef Taken taken
        cdef Key source = self.key, target = self.other
        with nogil:
            while moved < n:
                taken_init(&taken)
                requeued = 0
                status = engine_requeue(
                    self.m, &source, &target, NULL, 0, 0, ALL, NULL, &taken, &requeued, DETACHED
                )
                if status != OK:
                    break
                moved += requeued
                source, target = target, source
            self.key, self.other = source, target
        return moved


@cython.final
cdef class Meeting:
    """Threads that start a loop over one engine at the same instant.

    Parameters
    ----------
    parties : int
        How many threads. Each calls `run` once.
    """

    cdef Engine engine
    cdef uint32_t parties
    cdef uint32_t arrived       # atomic

    def __cinit__(self, Engine engine not None, uint32_t parties):
        self.engine = engine
        self.parties = parties

    def run(self, uint32_t party, bint same_word, bint prepares, uint64_t n):
        """Wait for the others, then wake nobody, or queue, wake and complete, `n` times.

        Returns
        -------
        tuple of (int, int)
            When the loop began and ended, in nanoseconds of the monotonic clock.
        """
        cdef Engine engine = self.engine
        cdef CManager *m = engine.m
        cdef Key key = engine.key_at(0x10000 + (0 if same_word else <uint64_t> party * LINES_APART))
        cdef int64_t start
        cdef uint64_t _i
        cdef Waiter w
        cdef Word word
        word_in_host(&word, <char *> &engine.word, &key)
        with nogil:
            fetch_add_u32(&self.arrived, 1)
            while load_acquire_u32(&self.arrived) < self.parties:
                pause()
            start = now_ns(CLOCK_MONOTONIC)
            for _i in range(n):
                if prepares:
                    waiter_init(&w, PLAIN, THREAD, ANY, 0)
                    if engine_prepare(m, &w, &key, &word, 0, DETACHED) != OK:
                        break
                wake_one(m, &key)
                if prepares:
                    complete(&w)
        return start, now_ns(CLOCK_MONOTONIC)
