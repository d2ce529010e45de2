"""Futex: one word bound to its manager and memory, found once: the fast path from Python."""

cimport cython

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._arguments cimport as_count, as_deadline, as_modulo, as_u32
from pyfutex._blocking cimport block_wait, block_wake_wait
from pyfutex._core.atomic cimport (
    cas_u32,
    exchange_u32,
    fetch_add_u32,
    likely,
    load_acquire_u32,
    load_u32,
    store_u32,
)
from pyfutex._core.bucket cimport Taken, taken_init
from pyfutex._core.clock cimport CLOCK_MONOTONIC, Deadline
from pyfutex._core.engine cimport engine_wake_slow, nobody_at
from pyfutex._core.family cimport table_of
from pyfutex._core.key cimport key_hash
from pyfutex._core.status cimport ATTACHED, CONTENDED, DETACHED, OK, Status
from pyfutex._core.target cimport BY_MEMORY, READ, Word, word_close
from pyfutex._delivery cimport deliver
from pyfutex._errors cimport raise_status
from pyfutex._words cimport open_word

from pyfutex.results import WaitResult

cdef object DIFFERED = WaitResult.MISMATCH
cdef object MONOTONIC = CLOCK_MONOTONIC


@cython.final
cdef class Futex:
    """One futex word of a Memory, bound to a manager.

    Parameters
    ----------
    engine : Manager
    mem : Memory
    addr : int
        Operations are private or shared as the memory says (see `Manager`, `private=None`).

    Raises
    ------
    InvalidArgument, OSError
        Misaligned; outside the memory.

    Notes
    -----
    All arguments are positional, and looked up once: this is the cheapest way from Python. Thread safety: any thread, any
    number at once. Without a GIL, give every thread a Futex of its own for the same word: the interpreter counts
    references to the object itself.
    """

    def __cinit__(self, Manager engine not None, Memory mem not None, addr, /):
        cdef Word word
        cdef Status status = open_word(mem, addr, BY_MEMORY, READ, &word)
        if status != OK:
            raise_status(status)
        word_close(&word)
        self.engine = engine
        self.mem = mem
        self.addr = addr
        self.m = engine.m
        self.word = <uint32_t *> word.host
        self.key = word.key
        self.table = table_of(self.m, &self.key)
        self.hash = key_hash(&self.key, &self.m.seed)

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

    def wait(self, val, timeout=None, /):
        """Sleep until woken, provided the word holds `val`; `timeout` in seconds. As `Manager.wait`.

        Returns
        -------
        WaitResult
        """
        cdef uint32_t value
        cdef Deadline until
        as_u32(val, &value)
        as_deadline(timeout, None, MONOTONIC, &until)
        if load_acquire_u32(self.word) != value:
            return DIFFERED
        return block_wait(self.engine, self.m, self.mem, self.addr, value, 0xFFFFFFFF, until, BY_MEMORY)

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
            Of the same manager.

        Returns
        -------
        WakeWait
        """
        cdef uint32_t value
        cdef Deadline until
        if other.m != self.m:
            raise ValueError("the two words belong to different managers")
        as_u32(val, &value)
        as_deadline(timeout, None, MONOTONIC, &until)
        return block_wake_wait(self.engine, self.m, self.mem, self.addr, 1, other.mem, other.addr, value, until,
                               BY_MEMORY)

    def __reduce__(self):
        raise TypeError("a Futex is memory of this process and cannot be pickled")

    def __repr__(self):
        return f"<Futex at {self.addr:#x} of {self.mem!r}>"


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
