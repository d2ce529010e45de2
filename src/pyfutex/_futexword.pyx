"""FutexWord: the atomic operations of a bound word."""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._arguments cimport as_modulo, as_u32
from pyfutex._core.atomic cimport cas_u32, exchange_u32, fetch_add_u32, load_u32, store_u32
from pyfutex._core.status cimport OK, Status
from pyfutex._core.target cimport BY_MEMORY, READ, Word, word_close
from pyfutex._errors cimport raise_status
from pyfutex._words cimport open_word
from pyfutex.memory cimport Memory


cdef int futex_word_bind(FutexWord f, Memory mem, object addr, Word *found) except -1:
    cdef Status status = open_word(mem, addr, BY_MEMORY, READ, found)
    if status != OK:
        raise_status(status)
    word_close(found)
    f.mem = mem
    f.addr = addr
    f.word = <uint32_t *> found.host
    return 0


# The word of an object that was never bound.
cdef uint32_t nowhere = 0


cdef class FutexWord:
    """One futex word of a Memory. Made by the `futex` method of an engine."""

    def __cinit__(self):
        self.word = &nowhere

    def load(self):
        """The value of the word."""
        return load_u32(self.word)

    def store(self, value, /):
        """Store a value."""
        cdef uint32_t v
        as_u32(value, &v)
        store_u32(self.word, v)

    def exchange(self, value, /):
        """Store a value and return what was there."""
        cdef uint32_t v
        as_u32(value, &v)
        return exchange_u32(self.word, v)

    def compare_exchange(self, expected, desired, /):
        """Store `desired` if `expected` is there; whether it was."""
        cdef uint32_t e, d
        as_u32(expected, &e)
        as_u32(desired, &d)
        return bool(cas_u32(self.word, e, d))

    def fetch_add(self, value=1, /):
        """Add, modulo 2**32, and return what was there."""
        cdef uint64_t v
        as_modulo(value, &v)
        return fetch_add_u32(self.word, <uint32_t> v)

    def __reduce__(self):
        raise TypeError(f"a {type(self).__name__} is memory of this process and cannot be pickled")

    def __repr__(self):
        return f"<{type(self).__name__} at {self.addr:#x} of {self.mem!r}>"
