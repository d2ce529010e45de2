"""Futex: one word bound to its manager and memory, found once: the fast path from Python."""

cimport cython

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._arguments cimport as_count, as_deadline, as_size, as_word
from pyfutex._blocking cimport block_wait, block_wake_wait
from pyfutex._core.atomic cimport likely
from pyfutex._core.bucket cimport Taken, taken_init
from pyfutex._core.clock cimport CLOCK_MONOTONIC, Deadline
from pyfutex._core.engine cimport engine_wake_slow, nobody_at
from pyfutex._core.family cimport table_of
from pyfutex._core.key cimport key_hash
from pyfutex._core.status cimport ATTACHED, CONTENDED, DETACHED, OK, Status
from pyfutex._core.target cimport BY_MEMORY
from pyfutex._core.word cimport Word, cell_load_acquire
from pyfutex._delivery cimport deliver
from pyfutex._errors cimport raise_status
from pyfutex._futexword cimport futex_word_bind, FutexWord
from pyfutex.manager cimport Manager
from pyfutex.memory cimport Memory

from pyfutex.results import WaitResult

cdef object DIFFERED = WaitResult.MISMATCH
cdef object MONOTONIC = CLOCK_MONOTONIC


@cython.final
cdef class Futex(FutexWord):
    """Futex(engine, mem, addr, size=4, /)\n--\n\n\
    One futex word of a Memory, bound to a manager.

    Parameters
    ----------
    engine : Manager
    mem : Memory
    addr : int
        Operations are private or shared as the memory says (see `Manager`, `private=None`).
    size : int, optional
        Bytes in the word: 1, 2, 4 or 8.

    Raises
    ------
    InvalidArgument, OSError
        Misaligned, or no such size; outside the memory.

    Notes
    -----
    All arguments are positional, and looked up once: this is the cheapest way from Python. Thread safety: any thread, any
    number at once. Without a GIL, give every thread a Futex of its own for the same word: the interpreter counts
    references to the object itself.
    """

    def __cinit__(self, Manager engine not None, Memory mem not None, addr, size=4, /):
        cdef Word word
        futex_word_bind(self, mem, addr, as_size(size), &word)
        self.engine = engine
        self.m = engine.m
        self.key = word.key
        self.table = table_of(self.m, &self.key)
        self.hash = key_hash(&self.key, &self.m.seed)

    def wait(self, val, timeout=None, /):
        """Sleep until woken, provided the word holds `val`; `timeout` in seconds. As `Manager.wait`.

        Returns
        -------
        WaitResult
        """
        cdef uint64_t value
        cdef Deadline until
        as_word(val, self.log2_size, &value)
        as_deadline(timeout, None, MONOTONIC, &until)
        if cell_load_acquire(self.word, self.log2_size) != value:
            return DIFFERED
        return block_wait(self.engine, self.m, self.mem, self.addr, value, 0xFFFFFFFF, until, BY_MEMORY,
                          self.log2_size)

    def wake(self, n=1, /):
        """Wake the oldest `n` waiters; how many were woken. As `Manager.wake`."""
        cdef uint32_t count
        as_count(n, &count)
        if likely(nobody_at(self.table, self.hash)) or count == 0:
            return 0
        return wake_slowly(self, count)

    def wake_wait(self, Futex other not None, val, timeout=None, /):
        """Wake one waiter of this word, then wait on `other` while it holds `val`. As `Manager.wake_wait`.

        Parameters
        ----------
        other : Futex
            Of the same manager, and as wide.

        Returns
        -------
        WakeWait
        """
        cdef uint64_t value
        cdef Deadline until
        if other.m != self.m:
            raise ValueError("the two words belong to different managers")
        if other.log2_size != self.log2_size:
            raise ValueError("the two words differ in size")
        as_word(val, self.log2_size, &value)
        as_deadline(timeout, None, MONOTONIC, &until)
        return block_wake_wait(self.engine, self.m, self.mem, self.addr, 1, other.mem, other.addr, value, until,
                               BY_MEMORY, self.log2_size)


cdef object wake_slowly(Futex f, uint32_t count):
    cdef Taken taken
    cdef Status status
    cdef uint32_t woken
    taken_init(&taken)
    status = engine_wake_slow(f.m, &f.key, f.hash, count, 0xFFFFFFFF, &taken, ATTACHED)
    if status == CONTENDED:
        with nogil:
            status = engine_wake_slow(f.m, &f.key, f.hash, count, 0xFFFFFFFF, &taken, DETACHED)
    woken = taken.n
    if woken:
        deliver(&taken)
    if status != OK:
        raise_status(status, woken)
    return woken
