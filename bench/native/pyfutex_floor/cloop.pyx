"""The minimal C loops, callable from Python. Each runs without the GIL."""

cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from pyfutex_floor.kernelherd cimport kernelherd, kernelherd_gather, kernelherd_move, kernelherd_scatter
from pyfutex_floor.minimal cimport (
    KERNEL_CMP_REQUEUE,
    KERNEL_LOCK_UNLOCK_PI,
    KERNEL_REQUEUE,
    KERNEL_WAIT_REFUSED,
    KERNEL_WAIT_TIMED_OUT,
    KERNEL_WAKE,
    KERNEL_WAKE_OP,
    minimal_chase,
    minimal_chase_link,
    minimal_fence,
    minimal_kernel,
    minimal_kernel_operation,
    minimal_manager,
    minimal_round_trips,
    minimal_table,
    minimal_wake,
)
from pyfutex_floor.pthreads cimport PTHREADS_MUTEX, PTHREADS_SEMAPHORE, PTHREADS_SIGNAL, pthreads_loop, pthreads_operation
from pyfutex_floor.stopwatch cimport stopwatch, stopwatch_lap, stopwatch_start

cdef enum:
    LOG2_TABLE = 10
    MAX_WORDS = 64
    CACHE_LINE = 64

KERNEL_OPERATIONS = {
    "wake": KERNEL_WAKE,
    "wait, refused": KERNEL_WAIT_REFUSED,
    "wait, timed out": KERNEL_WAIT_TIMED_OUT,
    "requeue": KERNEL_REQUEUE,
    "cmp_requeue": KERNEL_CMP_REQUEUE,
    "wake_op": KERNEL_WAKE_OP,
    "lock_pi + unlock_pi": KERNEL_LOCK_UNLOCK_PI,
}

PTHREADS_OPERATIONS = {
    "mutex": PTHREADS_MUTEX,
    "signal": PTHREADS_SIGNAL,
    "semaphore": PTHREADS_SEMAPHORE,
}


@cython.final
cdef class MinimalWake:
    """A wake with nobody waiting: hash, fence, count.

    Parameters
    ----------
    words : int, a power of two up to 64
        How many futex words, 64 bytes apart, the loop goes round.
    """

    cdef minimal_manager manager
    cdef minimal_table table
    cdef uint64_t offsets[MAX_WORDS]
    cdef uint64_t mask

    def __cinit__(self, int words=1):
        cdef int i
        if words not in (1, 2, 4, 8, 16, 32, 64):
            raise ValueError("words must be a power of two up to 64")
        self.table.counts = <uint32_t *> calloc(1 << LOG2_TABLE, sizeof(uint32_t))
        if self.table.counts == NULL:
            raise MemoryError
        self.table.log2_size = LOG2_TABLE
        self.manager.seed_space = <uint64_t> 0xD6E8FEB86659FD93
        self.manager.seed_offset = <uint64_t> 0xA0761D6478BD642F
        self.manager.table = &self.table
        self.mask = words - 1
        for i in range(words):
            self.offsets[i] = 0x10000 + <uint64_t> i * 64

    def __dealloc__(self):
        free(self.table.counts)

    def run(self, uint64_t n):
        """Wake `n` times. Returns how many waiters were counted: none."""
        cdef uint64_t found
        with nogil:
            found = minimal_wake(&self.manager, 8, self.offsets, self.mask, n)
        return found


@cython.final
cdef class Chase:
    """A pointer chase: dependent loads, one a cache line, in random order over `nbytes` of memory."""

    cdef uint64_t *lines
    cdef uint64_t n_lines
    cdef uint64_t at

    def __cinit__(self, uint64_t nbytes, uint64_t seed=1):
        self.n_lines = max(nbytes // CACHE_LINE, <uint64_t> 2)
        self.lines = <uint64_t *> calloc(self.n_lines, CACHE_LINE)
        if self.lines == NULL:
            raise MemoryError
        with nogil:
            minimal_chase_link(self.lines, self.n_lines, seed)

    def __dealloc__(self):
        free(self.lines)

    def run(self, uint64_t n):
        """Follow `n` links."""
        with nogil:
            self.at = minimal_chase(self.lines, self.at, n)


@cython.final
cdef class KernelHerd:
    """`size` threads that sleep on one futex of the kernel."""

    cdef kernelherd herd
    cdef bint is_gathered

    def __cinit__(self, uint32_t size):
        cdef int error
        with nogil:
            error = kernelherd_gather(&self.herd, size)
        if error != 0:
            raise OSError(error, "a herd of threads")
        self.is_gathered = True

    def __dealloc__(self):
        if self.is_gathered:
            with nogil:
                kernelherd_scatter(&self.herd)

    def requeue(self, uint64_t n):
        """Move `n` waiters, rounded up to whole herds, to another word and back. Returns how many were moved."""
        cdef int64_t moved = 1
        cdef uint64_t total = 0
        with nogil:
            while total < n and moved > 0:
                moved = kernelherd_move(&self.herd)
                total += moved
        if moved < 0:
            raise OSError(-moved, "requeue")
        return total


def pthreads(operation, uint64_t n):
    """Do what is named in PTHREADS_OPERATIONS `n` times."""
    cdef pthreads_operation which = PTHREADS_OPERATIONS[operation]
    cdef int error
    with nogil:
        error = pthreads_loop(which, n)
    if error != 0:
        raise OSError(error, operation)


def fence(uint64_t n):
    """Make `n` full fences."""
    with nogil:
        minimal_fence(n)


def kernel(operation, uint64_t n, *, bint private=True):
    """Make a system call `n` times on futex words that nobody waits on.

    Parameters
    ----------
    operation : str
        A key of KERNEL_OPERATIONS.
    n : int
    private : bool, optional
        Whether the words are private to the process.
    """
    cdef minimal_kernel_operation which = KERNEL_OPERATIONS[operation]
    cdef int failed
    with nogil:
        failed = minimal_kernel(which, private, n)
    if failed != 0:
        raise OSError(-failed, operation)


def longest_gap(int64_t duration_ns):
    """How long a loop that only reads the clock was held up, in `duration_ns`.

    Returns
    -------
    tuple of (int, int)
        The longest gap in nanoseconds, and the longest by the wall clock alone: see stopwatch.h.
    """
    cdef stopwatch watch
    with nogil:
        stopwatch_start(&watch)
        while watch.before - watch.start < duration_ns:
            stopwatch_lap(&watch)
    return watch.longest, watch.longest_wall


def round_trips(int cpu_first, int cpu_second, uint32_t warmup, uint32_t trips):
    """Nanoseconds of `trips` round trips of two C threads over kernel futexes."""
    cdef int64_t elapsed
    with nogil:
        elapsed = minimal_round_trips(cpu_first, cpu_second, warmup, trips)
    if elapsed < 0:
        raise OSError(-elapsed, "C round trip")
    return elapsed
