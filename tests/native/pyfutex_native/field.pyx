"""A manager of the core with some futex words, on which threads in nogil loops do everything at once.

Every loop counts what it has seen; the test adds up. Loops that have no number of rounds go on until `stop`.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from posix.stdlib cimport posix_memalign

from pyfutex._core.atomic cimport (
    load_acquire_u32,
    load_acquire_u64,
    load_relaxed_u32,
    pause,
    store_release_u32,
)
from pyfutex._core.bucket cimport Taken, taken_init
from pyfutex._core.clock cimport deadline_after, deadline_never
from pyfutex._core.engine cimport (
    await_mark,
    deliver_threads,
    engine_complete,
    engine_prepare,
    engine_requeue,
    engine_sleep,
    engine_wake,
    engine_wake_op,
)
from pyfutex._core.family cimport CManager, manager_free, manager_new, next_serial
from pyfutex._core.key cimport Key, Kind, PRIVATE, SHARED_MAPPABLE, SHARED_PRIVATE, key_hash, pack_space
from pyfutex._core.status cimport DETACHED, OK, Status, TAKEN
from pyfutex._core.table cimport MAX_LEVELS, level_bucket, level_log2
from pyfutex._core.waiter cimport PLAIN, THREAD, Waiter, waiter_init
from pyfutex._core.word cimport Word, word_in_host
from pyfutex._core.wordlock cimport nobody_waits


cdef enum:
    N_WORDS = 64
    POISON = 0xDB
    ALL = 0x7FFFFFFF
    # Operations of wake_op: add 1 to the word, then a comparison that holds for every word that a test meets.
    ADD_ONE_ALWAYS = 1 << 28 | 5 << 24 | 1 << 12 | 0x800


cdef struct Words:
    uint32_t words[N_WORDS]
    uint32_t stop
    uint32_t apart[15]


cdef uint64_t next_random(uint64_t *state) noexcept nogil:
    # xorshift64*
    state[0] ^= state[0] >> 12
    state[0] ^= state[0] << 25
    state[0] ^= state[0] >> 27
    return state[0] * <uint64_t> 2685821657736338717


cdef uint32_t below(uint64_t *state, uint32_t n) noexcept nogil:
    return <uint32_t> ((next_random(state) >> 32) * n >> 32)


cdef bint is_poison(const void *p, size_t n) noexcept nogil:
    cdef const unsigned char *bytes_ = <const unsigned char *> p
    cdef size_t i
    for i in range(n):
        if bytes_[i] != POISON:
            return False
    return True


cdef class Field:
    """A manager and its words.

    Parameters
    ----------
    kinds : iterable of str
        Kinds of the keys, in turn: "private", "shared private", "mappable".
    n_words : int
        How many of the words the loops use.
    parent : Field, optional
        A field whose manager this one is forked from, and whose words it shares.
    """

    cdef CManager *m
    cdef Words *w
    cdef Field parent
    cdef uint64_t serial
    cdef uint32_t n_words
    cdef Key keys[N_WORDS]

    def __cinit__(self, kinds=("private",), uint32_t n_words=4, Field parent=None):
        cdef void *p = NULL
        cdef uint32_t i
        assert n_words <= N_WORDS
        self.m = manager_new(NULL if parent is None else parent.m)
        if self.m == NULL or posix_memalign(&p, 64, sizeof(Words)):
            raise MemoryError
        self.parent = parent
        self.n_words = n_words
        self.serial = next_serial() if parent is None else parent.serial
        if parent is None:
            memset(p, 0, sizeof(Words))
            self.w = <Words *> p
        else:
            free(p)
            self.w = parent.w
        numbers = {"private": PRIVATE, "shared private": SHARED_PRIVATE, "mappable": SHARED_MAPPABLE}
        for i in range(N_WORDS):
            self.keys[i] = self.key(<Kind> <int> numbers[kinds[i % len(kinds)]], 0x1000 + 4 * i)

    def __dealloc__(self):
        if self.m != NULL:
            manager_free(self.m)
        if self.parent is None:
            free(self.w)

    cdef Key key(self, Kind kind, uint64_t offset) noexcept nogil:
        cdef Key k
        k.space = pack_space(self.serial, kind, 2)
        k.offset = offset
        return k

    def stop(self):
        """End the loops that have no number of rounds."""
        store_release_u32(&self.w.stop, 1)

    def word(self, uint32_t i):
        """Value of a futex word."""
        return load_acquire_u32(&self.w.words[i])

    def growths(self):
        """How often the private and the shared table have grown, and log2 of their buckets now."""
        return (self.m.private.growths, self.m.shared.growths, level_log2(self.m.private.current),
                level_log2(self.m.shared.current))

    def wake_everybody(self):
        """Wake all waiters of all words: how many."""
        cdef Taken taken
        cdef uint32_t i
        taken_init(&taken)
        with nogil:
            for i in range(N_WORDS):
                engine_wake(self.m, &self.keys[i], ALL, 0xFFFFFFFF, &taken, DETACHED)
            deliver_threads(&taken)
        return taken.n

    def wait_loop(self, uint64_t seed, uint64_t rounds, uint32_t timeout_ns):
        """Wait on words at random, each wait at most `timeout_ns` long (0: no limit): how many were woken.

        The waiter lies on the C stack. After each wait its memory is filled with a pattern, looked at a little later:
        a waker that still writes there is an AssertionError.
        """
        cdef uint64_t _round, woken = 0, spoilt = 0, state = seed | 1
        cdef uint32_t which, _pause
        cdef Status status
        cdef Waiter w
        cdef Word word
        with nogil:
            for _round in range(rounds):
                which = below(&state, self.n_words)
                waiter_init(&w, PLAIN, THREAD, 0xFFFFFFFF, 0)
                word_in_host(&word, <char *> &self.w.words[which], &self.keys[which])
                if engine_prepare(self.m, &w, &self.keys[which], &word,
                                  load_acquire_u32(&self.w.words[which]), DETACHED) != OK:
                    continue
                if timeout_ns and next_random(&state) & 3 == 0:
                    status = engine_complete(&w, DETACHED)
                    if status == TAKEN:
                        await_mark(&w)
                else:
                    status = engine_sleep(&w, deadline_after(below(&state, timeout_ns)) if timeout_ns
                                          else deadline_never())
                woken += status == TAKEN
                memset(&w, POISON, sizeof(Waiter))
                for _pause in range(below(&state, 40)):
                    pause()
                spoilt += not is_poison(&w, sizeof(Waiter))
        assert not spoilt, f"{spoilt} waiters were written to after their mark"
        return woken

    def wake_loop(self, uint64_t seed):
        """Wake one to three waiters of words at random until `stop`: how many were taken."""
        cdef uint64_t taken_in_all = 0, state = seed | 1
        cdef Taken taken
        with nogil:
            while not load_relaxed_u32(&self.w.stop):
                taken_init(&taken)
                engine_wake(self.m, &self.keys[below(&state, self.n_words)], 1 + below(&state, 3), 0xFFFFFFFF, &taken,
                            DETACHED)
                deliver_threads(&taken)
                taken_in_all += taken.n
        return taken_in_all

    def requeue_loop(self, uint64_t seed, bint waking=True):
        """Requeue between words at random until `stop`: (how many were taken, how many were moved)."""
        cdef uint64_t taken_in_all = 0, moved_in_all = 0, state = seed | 1
        cdef uint32_t moved, n_wake, a, b
        cdef Taken taken
        with nogil:
            while not load_relaxed_u32(&self.w.stop):
                taken_init(&taken)
                moved = 0
                a = below(&state, self.n_words)
                b = below(&state, self.n_words)
                n_wake = below(&state, 2) if waking else 0
                engine_requeue(self.m, &self.keys[a], &self.keys[b], NULL, 0, n_wake,
                               ALL if next_random(&state) & 1 else below(&state, 4), NULL, &taken, &moved, DETACHED)
                deliver_threads(&taken)
                taken_in_all += taken.n
                moved_in_all += moved
        return taken_in_all, moved_in_all

    def wake_op_loop(self, uint64_t seed, uint64_t rounds):
        """Add 1 to words at random and wake at two words: how many were taken."""
        cdef uint64_t _round, taken_in_all = 0, state = seed | 1
        cdef uint32_t a, b
        cdef Taken taken
        cdef Word word
        with nogil:
            for _round in range(rounds):
                taken_init(&taken)
                a = below(&state, self.n_words)
                b = below(&state, self.n_words)
                word_in_host(&word, <char *> &self.w.words[b], &self.keys[b])
                engine_wake_op(self.m, &self.keys[a], &self.keys[b], &word, ADD_ONE_ALWAYS, 0,
                               1 + below(&state, 3), 1 + below(&state, 3), &taken, DETACHED)
                deliver_threads(&taken)
                taken_in_all += taken.n
        return taken_in_all

    def sum_of_words(self):
        """What all words add up to."""
        return sum(load_acquire_u32(&self.w.words[i]) for i in range(N_WORDS))

    def fill_loop(self, uint64_t seed, uint32_t n, uint64_t rounds, kind="private"):
        """Queue `n` waiters on as many keys, then take each out again, by a wake or in person: (wakes, woken).

        Half are moved to the key of another first, all in an order drawn at random.
        """
        cdef Waiter *crowd = <Waiter *> calloc(n, sizeof(Waiter))
        cdef uint64_t state = seed | 1, _round, base = next_serial() << 24, wakes = 0, woken = 0
        cdef uint32_t i, _move, moved
        cdef Kind c_kind = SHARED_MAPPABLE if kind == "mappable" else PRIVATE
        cdef Key k, k2
        cdef Taken taken
        if crowd == NULL:
            raise MemoryError
        with nogil:
            for _round in range(rounds):
                for i in range(n):
                    waiter_init(&crowd[i], PLAIN, THREAD, 0xFFFFFFFF, 0)
                    k = self.key(c_kind, base + 4 * i)
                    engine_prepare(self.m, &crowd[i], &k, NULL, 0, DETACHED)
                for _move in range(n // 2):
                    k = self.key(c_kind, base + 4 * <uint64_t> below(&state, n))
                    k2 = self.key(c_kind, base + 4 * <uint64_t> below(&state, n))
                    taken_init(&taken)
                    engine_requeue(self.m, &k, &k2, NULL, 0, 0, 1, NULL, &taken, &moved, DETACHED)
                for _move in range(n // 2):
                    k = self.key(c_kind, base + 4 * <uint64_t> below(&state, n))
                    taken_init(&taken)
                    engine_wake(self.m, &k, 1, 0xFFFFFFFF, &taken, DETACHED)
                    deliver_threads(&taken)
                    wakes += taken.n
                for i in range(n):
                    if engine_complete(&crowd[i], DETACHED) == TAKEN:
                        await_mark(&crowd[i])
                        woken += 1
        free(crowd)
        return wakes, woken

    def ping_pong(self, uint32_t me, uint32_t turns, int64_t patience_ns):
        """Hand word 0 back and forth with another thread: how many waits took longer than `patience_ns`.

        The store that changes the word is a plain release store: nothing but the engine's own fences makes the wake
        see the waiter.
        """
        cdef uint32_t turn = me, seen, late = 0
        cdef Taken taken
        cdef Waiter w
        cdef Word word
        word_in_host(&word, <char *> &self.w.words[0], &self.keys[0])
        with nogil:
            while turn < turns:
                while True:
                    seen = load_acquire_u32(&self.w.words[0])
                    if seen == turn:
                        break
                    waiter_init(&w, PLAIN, THREAD, 0xFFFFFFFF, 0)
                    if engine_prepare(self.m, &w, &self.keys[0], &word, seen, DETACHED) == OK:
                        late += engine_sleep(&w, deadline_after(patience_ns)) != TAKEN
                taken_init(&taken)
                store_release_u32(&self.w.words[0], turn + 1)
                engine_wake(self.m, &self.keys[0], 1, 0xFFFFFFFF, &taken, DETACHED)
                deliver_threads(&taken)
                turn += 2
        return late

    def add_and_wake_crowd(self, uint64_t rounds, uint32_t crowd_size):
        """wake_op that adds 1 to word 1 and wakes a crowd at word 0, then everybody at word 1: how many it took there."""
        cdef Waiter *crowd = <Waiter *> calloc(crowd_size, sizeof(Waiter))
        cdef uint64_t _round, taken_elsewhere = 0
        cdef uint32_t i
        cdef Taken taken
        cdef Word word
        if crowd == NULL:
            raise MemoryError
        word_in_host(&word, <char *> &self.w.words[1], &self.keys[1])
        with nogil:
            for _round in range(rounds):
                for i in range(crowd_size):
                    waiter_init(&crowd[i], PLAIN, THREAD, 0xFFFFFFFF, 0)
                    engine_prepare(self.m, &crowd[i], &self.keys[0], NULL, 0, DETACHED)
                taken_init(&taken)
                engine_wake_op(self.m, &self.keys[0], &self.keys[1], &word, ADD_ONE_ALWAYS, 0, ALL, ALL,
                               &taken, DETACHED)
                deliver_threads(&taken)
                taken_elsewhere += taken.n - crowd_size
        free(crowd)
        return taken_elsewhere

    def wait_for_change(self):
        """Wait at word 1, until `stop`: (how often woken, how often woken though the word had not changed).

        The word is changed by wake_op alone, which wakes in the same step: a waiter that saw the new value was queued
        after the wake and must not be taken by it.
        """
        cdef uint64_t woken = 0, unchanged = 0
        cdef uint32_t seen
        cdef int _look
        cdef Waiter w
        cdef Word word
        cdef Status status
        word_in_host(&word, <char *> &self.w.words[1], &self.keys[1])
        with nogil:
            while not load_relaxed_u32(&self.w.stop):
                seen = load_acquire_u32(&self.w.words[1])
                waiter_init(&w, PLAIN, THREAD, 0xFFFFFFFF, 0)
                if engine_prepare(self.m, &w, &self.keys[1], &word, seen, DETACHED) != OK:
                    continue
                for _look in range(200):
                    if load_acquire_u32(&self.w.words[1]) != seen:
                        break
                    pause()
                status = engine_complete(&w, DETACHED)
                if status == TAKEN:
                    await_mark(&w)
                    woken += 1
                    unchanged += load_acquire_u32(&self.w.words[1]) == seen
        return woken, unchanged

    def watch_level_words(self):
        """Queue a waiter at word 0 and look, until `stop`, at the buckets in which any level of the table has it.

        Gives (looks, levels seen, looks that read "nobody waits" where the waiter was or had been queued). A wake may
        hold on to a level for as long as it likes, so not even a retired level may ever say that.
        """
        cdef uint64_t levels[MAX_LEVELS]
        cdef uint64_t current, looks = 0, wrong = 0, hash_ = key_hash(&self.keys[0], &self.m.seed)
        cdef uint32_t n = 0, i
        cdef Waiter w
        with nogil:
            waiter_init(&w, PLAIN, THREAD, 0xFFFFFFFF, 0)
            engine_prepare(self.m, &w, &self.keys[0], NULL, 0, DETACHED)
            while not load_relaxed_u32(&self.w.stop):
                current = load_acquire_u64(&self.m.private.current)
                if n == 0 or levels[n - 1] != current:
                    levels[n] = current
                    n += 1
                for i in range(n):
                    wrong += nobody_waits(load_acquire_u32(&level_bucket(levels[i], hash_).word))
                looks += n
            engine_complete(&w, DETACHED)
        return looks, n, wrong
