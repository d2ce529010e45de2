"""FutexWord: the atomic operations of a bound word."""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._arguments cimport as_modulo, as_word
from pyfutex._core.key cimport LOG2_SIZE_U32
from pyfutex._core.status cimport OK, Status
from pyfutex._core.target cimport BY_MEMORY, READ, word_close
from pyfutex._core.word cimport Word, cell_cas_previous, cell_exchange, cell_fetch_add, cell_load
from pyfutex._errors cimport raise_status
from pyfutex._words cimport open_word
from pyfutex.memory cimport Memory


cdef int futex_word_bind(FutexWord f, Memory mem, object addr, uint32_t log2_size, Word *found) except -1:
    cdef Status status = open_word(mem, addr, log2_size, BY_MEMORY, READ, found)
    if status != OK:
        raise_status(status)
    word_close(found)
    f.mem = mem
    f.addr = addr
    f.word = found.host
    f.log2_size = log2_size
    return 0


# The word of an object that was never bound.
cdef uint32_t nowhere = 0


cdef class FutexWord:
    """One futex word of a Memory. Made by the `futex` method of an engine."""

    def __cinit__(self):
        self.word = <char *> &nowhere
        self.log2_size = LOG2_SIZE_U32

    @property
    def size(self):
        """int: bytes in the word."""
        return 1 << self.log2_size

    def load(self):
        """The value of the word."""
        return cell_load(self.word, self.log2_size)

    def store(self, value, /):
        """Store a value."""
        cdef uint64_t v
        as_word(value, self.log2_size, &v)
        cell_exchange(self.word, self.log2_size, v)

    def exchange(self, value, /):
        """Store a value and return what was there."""
        cdef uint64_t v
        as_word(value, self.log2_size, &v)
        return cell_exchange(self.word, self.log2_size, v)

    def compare_exchange(self, expected, desired, /):
        """Store `desired` if `expected` is there; whether it was."""
        cdef uint64_t e, d
        as_word(expected, self.log2_size, &e)
        as_word(desired, self.log2_size, &d)
        return bool(cell_cas_previous(self.word, self.log2_size, e, d) == e)

    def fetch_add(self, value=1, /):
        """Add, modulo the width of the word, and return what was there."""
        cdef uint64_t v
        as_modulo(value, &v)
        return cell_fetch_add(self.word, self.log2_size, v)

    def __reduce__(self):
        raise TypeError(f"a {type(self).__name__} is memory of this process and cannot be pickled")

    def __repr__(self):
        return f"<{type(self).__name__} at {self.addr:#x} of {self.mem!r}>"
