"""Waking on many words in one step, against a thread that queues on the first and on the last of them."""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.atomic cimport load_relaxed_u32, pause, store_relaxed_u32
from pyfutex._core.bucket cimport Taken, taken_init
from pyfutex._core.engine cimport await_mark, deliver_threads, engine_complete, engine_prepare
from pyfutex._core.family cimport CManager, manager_free, manager_new, next_serial
from pyfutex._core.key cimport Key, pack_space
from pyfutex._core.status cimport DETACHED, TAKEN
from pyfutex._core.waiter cimport PLAIN, THREAD, Waiter, waiter_init
from pyfutex._core.wakev cimport WakeRequest, engine_wakev


cdef enum:
    WORDS = 64


cdef bint leave(Waiter *w) noexcept nogil:
    """Whether it was woken."""
    if engine_complete(w, DETACHED) != TAKEN:
        return False
    await_mark(w)
    return True


cdef class Batch:
    """A manager and 64 keys.

    Parameters
    ----------
    at_once : int
        How many of them are woken in one step.
    """

    cdef CManager *m
    cdef WakeRequest requests[WORDS]
    cdef uint32_t at_once
    cdef uint32_t is_over

    def __cinit__(self, uint32_t at_once):
        cdef uint32_t i
        self.m = manager_new(NULL)
        if self.m == NULL:
            raise MemoryError
        self.at_once = at_once
        for i in range(WORDS):
            self.requests[i].key.space = pack_space(next_serial(), 0, 2)
            self.requests[i].key.offset = 64
            self.requests[i].n = 0x7FFFFFFF
            self.requests[i].bitset = 0xFFFFFFFF

    def __dealloc__(self):
        if self.m != NULL:
            manager_free(self.m)

    def queue(self, uint32_t rounds):
        """Queue on the first word, then on the last; leave the last, then the first: (how often the last was woken, and how
        often it alone). In one step that cannot be: whenever the last is queued, the first is."""
        cdef uint32_t _round, woken = 0, alone = 0
        cdef Key first = self.requests[0].key, last = self.requests[WORDS - 1].key
        cdef Waiter a, b
        cdef int _pause
        cdef bint b_was_woken
        with nogil:
            for _round in range(rounds):
                waiter_init(&a, PLAIN, THREAD, 0xFFFFFFFF, 0)
                waiter_init(&b, PLAIN, THREAD, 0xFFFFFFFF, 0)
                engine_prepare(self.m, &a, &first, NULL, 0, DETACHED)
                engine_prepare(self.m, &b, &last, NULL, 0, DETACHED)
                for _pause in range(20):
                    pause()
                b_was_woken = leave(&b)
                woken += b_was_woken
                alone += not leave(&a) and b_was_woken
            store_relaxed_u32(&self.is_over, 1)
        return woken, alone

    def wake(self):
        """Wake on all words, until `queue` is over: how many were woken."""
        cdef uint64_t woken = 0
        cdef uint32_t first
        cdef Taken taken
        with nogil:
            while not load_relaxed_u32(&self.is_over):
                first = 0
                while first < WORDS:
                    taken_init(&taken)
                    engine_wakev(self.m, &self.requests[first], self.at_once, &taken, DETACHED)
                    woken += taken.n
                    deliver_threads(&taken)
                    first += self.at_once
        return woken
