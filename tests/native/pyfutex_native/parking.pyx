"""Words that threads sleep on by the parking of this build, all in one cache line: where words hash, they hash alike."""

from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memset

from posix.stdlib cimport posix_memalign

from pyfutex._core.atomic cimport load_acquire_u32, store_release_u32
from pyfutex._core.clock cimport CLOCK_MONOTONIC, CLOCK_REALTIME, Deadline, deadline_never, now_ns
from pyfutex._core.parker cimport word_wait, word_wake


cdef enum:
    WORDS = 16
    ANY = 0xFFFFFFFF
    EMPTY = 0
    BATON = 1


cdef class Words:
    """Sixteen words."""

    cdef uint32_t *words
    cdef uint32_t stop      # atomic

    def __cinit__(self):
        cdef void *p = NULL
        if posix_memalign(&p, 64, WORDS * sizeof(uint32_t)):
            raise MemoryError
        memset(p, 0, WORDS * sizeof(uint32_t))
        self.words = <uint32_t *> p

    def __dealloc__(self):
        free(self.words)

    def change(self, uint32_t i, uint32_t value):
        """Store a value and wake whoever sleeps on the word."""
        cdef uint32_t *word = &self.words[i]
        with nogil:
            store_release_u32(word, value)
            word_wake(word, 0x7FFFFFFF, ANY)

    def wait(self, uint32_t i, uint32_t expected, timeout_ns=None, bint realtime=False):
        """One wait: 0 or an errno."""
        cdef uint32_t *word = &self.words[i]
        cdef Deadline deadline = deadline_never()
        cdef int why
        if timeout_ns is not None:
            deadline.clock = CLOCK_REALTIME if realtime else CLOCK_MONOTONIC
            deadline.ns = now_ns(deadline.clock) + <int64_t> timeout_ns
        with nogil:
            why = word_wait(word, expected, ANY, deadline)
        return why

    def outwait(self, uint32_t i, uint32_t expected):
        """Wait until the word has another value."""
        cdef uint32_t *word = &self.words[i]
        with nogil:
            while load_acquire_u32(word) == expected:
                word_wait(word, expected, ANY, deadline_never())

    def pass_on(self, uint32_t i, uint32_t parties, uint32_t rounds):
        """Hand a baton from word i to the next of `parties` words, whenever it is there, `rounds` times."""
        cdef uint32_t *mine = &self.words[i]
        cdef uint32_t *neighbour = &self.words[(i + 1) % parties]
        cdef uint32_t _round
        with nogil:
            for _round in range(rounds):
                while load_acquire_u32(mine) == EMPTY:
                    word_wait(mine, EMPTY, ANY, deadline_never())
                store_release_u32(mine, EMPTY)
                store_release_u32(neighbour, BATON)
                word_wake(neighbour, 1, ANY)

    def hammer(self, uint32_t i):
        """Wake nobody, again and again, until `end`."""
        cdef uint32_t *word = &self.words[i]
        with nogil:
            while not load_acquire_u32(&self.stop):
                word_wake(word, 1, ANY)

    def end(self):
        """End `hammer`."""
        store_release_u32(&self.stop, 1)
