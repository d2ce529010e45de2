"""NativeTarget: memory behind functions of C code, as a target for Python callers too."""

cimport cython

from cpython.pycapsule cimport PyCapsule_GetContext, PyCapsule_GetPointer, PyCapsule_IsValid
from libc.stdint cimport uint32_t, uint64_t

from pyfutex._arguments cimport as_address, as_size, as_word
from pyfutex._core.nativelife cimport life_target_bind
from pyfutex._core.status cimport FAULT, OK, Status
from pyfutex._core.target cimport IS_PRIVATE, WRITE, word_close, word_open
from pyfutex._core.word cimport TargetFunctions, Word, word_cas_previous, word_exchange, word_load
from pyfutex._errors cimport raise_status
from pyfutex.target cimport shared_key_of


cdef int open_cell(NativeTarget mem, object addr, uint32_t log2_size, Word *word) except -1:
    cdef uint64_t a
    cdef Status status
    if as_address(addr, &a):
        raise_status(FAULT)
    status = word_open(&mem.c, a, log2_size, IS_PRIVATE, WRITE, word)
    if status != OK:
        raise_status(status)
    return 0


@cython.final
cdef class NativeTarget(Target):
    """NativeTarget(capsule, /)\n--\n\n\
    Guest memory that C code reaches: a software MMU, for example. The engine calls its functions without the GIL.

    Parameters
    ----------
    capsule : capsule
        Named "pyfutex.target_functions", with a pointer to a `pyfutex_target_functions` (see pyfutex.h) and, as its context,
        what these functions are called with. It is kept as long as this object lives.

    Raises
    ------
    TypeError
        No such capsule.
    ValueError
        One of `load`, `swap` and `compare_and_swap` is missing.

    Notes
    -----
    Every operation of `Manager` and `pyfutex.linux` works on it at nearly the speed of a `Memory`. The functions are called
    with locks of pyfutex held: they may not sleep, call pyfutex or touch Python. Thread safety: that of the functions.
    """

    def __cinit__(self, capsule, /):
        cdef const TargetFunctions *functions
        if not PyCapsule_IsValid(capsule, "pyfutex.target_functions"):
            raise TypeError('a capsule named "pyfutex.target_functions" is needed')
        functions = <const TargetFunctions *> PyCapsule_GetPointer(capsule, "pyfutex.target_functions")
        if not life_target_bind(&self.c, functions, PyCapsule_GetContext(capsule)):
            raise ValueError("load, swap and compare_and_swap are needed")
        self.capsule = capsule

    def load(self, addr, size=4, /):
        """The word of `size` (1, 2, 4 or 8) bytes at `addr`. OSError: EFAULT where nothing is mapped."""
        cdef Word word
        cdef uint64_t value
        cdef Status status
        open_cell(self, addr, as_size(size), &word)
        status = word_load(&word, &value)
        word_close(&word)
        if status != OK:
            raise_status(status)
        return value

    def swap(self, addr, new, size=4, /):
        """Store `new` and return what was there. OSError: EFAULT where nothing writable is mapped."""
        cdef uint32_t log2_size = as_size(size)
        cdef Word word
        cdef uint64_t value, previous
        cdef Status status
        as_word(new, log2_size, &value)
        open_cell(self, addr, log2_size, &word)
        status = word_exchange(&word, value, &previous)
        word_close(&word)
        if status != OK:
            raise_status(status)
        return previous

    def compare_and_swap(self, addr, old, new, size=4, /):
        """Store `new` if `old` is there; return what was there. OSError: EFAULT where nothing writable is mapped."""
        cdef uint32_t log2_size = as_size(size)
        cdef Word word
        cdef uint64_t expected, desired, previous
        cdef Status status
        as_word(old, log2_size, &expected)
        as_word(new, log2_size, &desired)
        open_cell(self, addr, log2_size, &word)
        status = word_cas_previous(&word, expected, desired, &previous)
        word_close(&word)
        if status == FAULT:
            raise_status(status)
        return previous

    def shared_key(self, addr, /):
        """The key by which shared operations know the word at `addr`."""
        return shared_key_of(self, addr)
