"""What a user of the Cython interface makes of a futex word: a lock, a semaphore, an event.

Each takes a `Futex` or a `KernelFutex`, whose word must hold 0. The word is changed in place; `wait` and `wake` are called,
as from Python, only where threads meet. They stand in for locks that pyfutex does not have, beside the locks of others.
"""

cimport cython
from libc.stdint cimport uint32_t

from pyfutex._core.atomic cimport (
    cas_u32,
    exchange_u32,
    fetch_add_u32,
    fetch_sub_u32,
    likely,
    load_acquire_u32,
    load_u32,
    store_u32,
)
from pyfutex._futexword cimport FutexWord

cdef enum:
    FREE = 0
    HELD = 1
    CONTENDED = 2       # held, and a thread may sleep on the word

cdef object ALL = 0x7FFFFFFF


@cython.final
cdef class Lock:
    """A mutex of three states."""

    cdef FutexWord futex        # keeps the word where it is
    cdef uint32_t *word

    def __cinit__(self, FutexWord futex not None):
        self.futex = futex
        self.word = <uint32_t *> futex.word

    def acquire(self):
        """Take the lock; sleep while it is held."""
        if likely(cas_u32(self.word, FREE, HELD)):
            return True
        while exchange_u32(self.word, CONTENDED) != FREE:
            self.futex.wait(CONTENDED)
        return True

    def release(self):
        """Let the lock go, and wake one thread that may sleep on it."""
        if exchange_u32(self.word, FREE) == CONTENDED:
            self.futex.wake()


@cython.final
cdef class Semaphore:
    """A counter in the word; the word after it counts those who may sleep."""

    cdef FutexWord futex        # keeps the word where it is
    cdef uint32_t *word

    def __cinit__(self, FutexWord futex not None, uint32_t value=0):
        self.futex = futex
        self.word = <uint32_t *> futex.word
        store_u32(self.word, value)

    def acquire(self):
        """Count down; sleep while the counter is 0."""
        cdef uint32_t value
        while True:
            value = load_u32(self.word)
            if value != 0:
                if likely(cas_u32(self.word, value, value - 1)):
                    return True
                continue
            fetch_add_u32(self.word + 1, 1)
            self.futex.wait(0)
            fetch_sub_u32(self.word + 1, 1)

    def release(self):
        """Count up, and wake one thread that may sleep."""
        fetch_add_u32(self.word, 1)
        if load_u32(self.word + 1) != 0:
            self.futex.wake()


@cython.final
cdef class Event:
    """1 in the word once it is set."""

    cdef FutexWord futex        # keeps the word where it is
    cdef uint32_t *word

    def __cinit__(self, FutexWord futex not None):
        self.futex = futex
        self.word = <uint32_t *> futex.word

    def set(self):
        """Let everybody go on who waits."""
        if exchange_u32(self.word, 1) == 0:
            self.futex.wake(ALL)

    def clear(self):
        """Let those who come wait."""
        store_u32(self.word, 0)

    def is_set(self):
        """Whether it is set."""
        return load_acquire_u32(self.word) != 0

    def wait(self):
        """Sleep until it is set."""
        while load_acquire_u32(self.word) == 0:
            self.futex.wait(0)
        return True
