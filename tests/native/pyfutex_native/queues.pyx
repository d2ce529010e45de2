"""One bucket with waiters in it, moved about by the functions that otherwise run under its lock."""

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from pyfutex._core.bucket cimport (
    Bucket,
    Taken,
    bucket_append,
    bucket_count,
    bucket_find,
    bucket_move,
    bucket_unlink,
    bucket_wake,
    first_waiter,
    taken_init,
)
from pyfutex._core.key cimport Key, pack_space
from pyfutex._core.status cimport DETACHED, MISFIT
from pyfutex._core.waiter cimport PI, PLACEHOLDER, PLAIN, THREAD, Waiter, WaiterKind, waiter_init
from pyfutex._core.wordlock cimport LIVE, ONE_KEY, word_lock, word_unlock


cdef Key key_of(uint64_t offset) noexcept nogil:
    cdef Key k
    k.space = pack_space(1, 0, 2)
    k.offset = offset
    return k


cdef class Buckets:
    """Two buckets, or one and the same twice; waiters are known by their number, keys by their offset.

    Parameters
    ----------
    n_waiters : int
        How many waiters there are.
    """

    cdef Bucket buckets[2]
    cdef Waiter *waiters
    cdef uint32_t n_waiters

    def __cinit__(self, uint32_t n_waiters):
        self.waiters = <Waiter *> calloc(n_waiters, sizeof(Waiter))
        if self.waiters == NULL:
            raise MemoryError
        self.n_waiters = n_waiters
        self.buckets[0].head = NULL
        self.buckets[1].head = NULL
        self.buckets[0].word = LIVE
        self.buckets[1].word = LIVE

    def __dealloc__(self):
        free(self.waiters)

    cdef void lock(self) noexcept:
        word_lock(&self.buckets[0].word, 0, DETACHED)
        word_lock(&self.buckets[1].word, 0, DETACHED)

    cdef void unlock(self) noexcept:
        word_unlock(&self.buckets[1].word, 0)
        word_unlock(&self.buckets[0].word, 0)

    cdef numbers(self, Waiter *w):
        # Those taken, oldest first.
        result = []
        while w != NULL:
            result.append(w - self.waiters)
            w = w.next
        return result

    def append(self, uint32_t b, uint32_t number, uint64_t key, str kind="PLAIN", uint32_t bitset=0xFFFFFFFF):
        """Queue a waiter; whether its key is new to the bucket."""
        cdef Waiter *w = &self.waiters[number]
        cdef Key k = key_of(key)
        cdef WaiterKind c_kind = {"PLAIN": PLAIN, "PI": PI, "PLACEHOLDER": PLACEHOLDER}[kind]
        waiter_init(w, c_kind, THREAD, 0 if kind == "PLACEHOLDER" else bitset, 0)
        w.key = k
        self.lock()
        is_new = bucket_append(&self.buckets[b], bucket_find(&self.buckets[b], &k), w, 1 + b)
        self.unlock()
        return bool(is_new)

    def unlink(self, uint32_t b, uint32_t number):
        """Take one waiter out; whether its key is gone from the bucket."""
        cdef Waiter *w = &self.waiters[number]
        self.lock()
        gone = bucket_unlink(bucket_find(&self.buckets[b], &w.key), w)
        self.unlock()
        w.location = 0
        return bool(gone)

    def wake(self, uint32_t b, uint64_t key, uint32_t n, uint32_t bitset=0xFFFFFFFF, int before=-1):
        """Wake: (those taken, keys that are gone, whether a PI waiter was met)."""
        cdef Key k = key_of(key)
        cdef const Waiter *limit = NULL if before < 0 else &self.waiters[before]
        cdef Taken taken
        cdef uint32_t lowered = 0
        taken_init(&taken)
        self.lock()
        misfit = bucket_wake(bucket_find(&self.buckets[b], &k), n, bitset, limit, &taken,
                             &lowered) == MISFIT
        self.unlock()
        return self.numbers(taken.threads), lowered // ONE_KEY, misfit

    def move(self, uint32_t b, uint64_t key, uint32_t b2, uint64_t key2, uint32_t n, int before=-1):
        """Move: (how many, keys gone, whether key2 is new, whether a PI waiter was met)."""
        cdef Key k = key_of(key), k2 = key_of(key2)
        cdef uint32_t moved = 0, lowered = 0
        cdef bint is_new = False
        cdef const Waiter *limit = NULL if before < 0 else &self.waiters[before]
        self.lock()
        misfit = bucket_move(&self.buckets[b], &k, &self.buckets[b2], &k2, 1 + b2, n, limit, &moved, &lowered,
                             &is_new) == MISFIT
        self.unlock()
        return moved, lowered // ONE_KEY, bool(is_new), misfit

    def count(self, uint32_t b, uint64_t key, uint32_t n, int before=-1):
        """Count what a requeue to the same key would visit: (how many, whether a PI waiter was met)."""
        cdef Key k = key_of(key)
        cdef uint32_t counted = 0
        cdef const Waiter *limit = NULL if before < 0 else &self.waiters[before]
        self.lock()
        misfit = bucket_count(bucket_find(&self.buckets[b], &k)[0], n, limit, &counted) == MISFIT
        self.unlock()
        return counted, misfit

    def first(self, uint32_t b, uint64_t key):
        """Number of the oldest waiter that is no placeholder, or None."""
        cdef Key k = key_of(key)
        cdef Waiter *head
        cdef Waiter *w
        self.lock()
        head = bucket_find(&self.buckets[b], &k)[0]
        w = NULL if head == NULL else first_waiter(head)
        self.unlock()
        return None if w == NULL else w - self.waiters

    def content(self, uint32_t b):
        """The bucket as {key: numbers, oldest first}, after a check of every link, key and location."""
        cdef Waiter *head = self.buckets[b].head
        cdef Waiter *w
        result = {}
        while head != NULL:
            ring = []
            w = head
            while True:
                assert w.next.prev == w and w.prev.next == w, "torn ring"
                assert w.key.offset == head.key.offset, "a waiter in another key's ring"
                assert w.location == 1 + b, "a location that names another bucket"
                ring.append(w - self.waiters)
                w = w.next
                if w == head:
                    break
            assert head.key.offset not in result, "a key that stands in its bucket twice"
            result[head.key.offset] = ring
            head = head.chain
        return result
