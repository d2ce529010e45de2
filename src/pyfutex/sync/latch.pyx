"""Latch: a count that goes down to zero once, and threads that wait for that."""

from libc.stdint cimport uint32_t

from pyfutex._core.atomic cimport cas_previous_u32, load_acquire_u32
from pyfutex._core.clock cimport Deadline
from pyfutex._core.kernelcalls cimport PRIVATE_FLAG
from pyfutex.sync._robust cimport KIND_LATCH
from pyfutex.sync._shared cimport ATTACH, CREATE, Opening
from pyfutex.sync._timeouts cimport wait_deadline
from pyfutex.sync._waitword cimport (
    EVERYBODY,
    SharedWord,
    WAITERS,
    waitword_bind,
    waitword_init,
    waitword_refuse_pickle,
    waitword_repr,
    waitword_sleep,
)
from pyfutex.sync._sleepers cimport wake_sleepers

import operator


cdef enum:
    STEP = 2
    HIGHEST = 0x7FFFFFFF


cdef uint32_t checked(object count) except? HIGHEST:
    """The count to begin with."""
    count = operator.index(count)
    if count < 0:
        raise ValueError("latch count must be >= 0")
    if count > HIGHEST:
        raise OverflowError(f"a latch counts from {HIGHEST:,} at most")
    return count


cdef object bind(object cls, object buffer, object offset, uint32_t count, Opening how):
    cdef Latch latch = cls.__new__(cls)
    latch.shared = waitword_bind(&latch.w, buffer, offset, KIND_LATCH, &count, how)
    latch.start = count
    return latch


cdef inline uint32_t left(Latch latch, uint32_t word) noexcept nogil:
    return latch.start - word // STEP


cdef class Latch:
    """Latch(count)\n--\n\n\
    A count that goes down to zero once: who waits is let go when it is there, and for ever after.

    It counts down for nobody: what a process that dies should have counted stays. In shared memory, a process that is killed
    between the last count and waking the others may delay them by a second.

    Parameters
    ----------
    count : int
        How often it is to be counted down, 2,147,483,647 at most.

    Thread safety: all methods, from any thread and any signal handler; those of one in shared memory, from any process that
    maps it.

    Examples
    --------
    >>> from pyfutex.sync import Latch
    >>> started = Latch(2)
    >>> started.count_down()
    >>> started.wait(timeout=0)
    False
    >>> started.count_down()
    >>> started.wait()
    True
    """

    SIZE = sizeof(SharedWord)

    def __cinit__(self):
        waitword_init(&self.w, &self.word, PRIVATE_FLAG)

    def __init__(self, count):
        self.start = checked(count)

    @classmethod
    def create(cls, buffer, offset=0, /, *, count):
        """Make a latch in memory that other processes may map, too.

        Parameters
        ----------
        buffer : buffer
            Writable and contiguous: `SharedMemory.buf`, an mmap, a RawArray, a NumPy array over one of these, or a `Memory`.
            It stays exported as long as the latch object lives.
        offset : int, optional
            Of its first byte: `SIZE` bytes that are zero, at a multiple of 8 in memory.
        count : int
            How often it is to be counted down.

        Raises
        ------
        FileExistsError
            There is one already.
        ValueError
            No room, not aligned, or neither zero nor a latch.
        """
        return bind(cls, buffer, offset, checked(count), CREATE)

    @classmethod
    def attach(cls, buffer, offset=0, /):
        """Find the latch that somebody created.

        Parameters are those of `create`. ValueError: there is none.
        """
        return bind(cls, buffer, offset, 0, ATTACH)

    @property
    def count(self):
        """How often it is still to be counted down."""
        return left(self, load_acquire_u32(self.w.word))

    def count_down(self, n=1):
        """Count down by `n`; at zero, let go all who wait.

        Raises
        ------
        ValueError
            `n` is less than one, or more than the count; the count stays as it is.
        """
        cdef Py_ssize_t steps = n
        cdef uint32_t seen = load_acquire_u32(self.w.word), found
        if steps < 1:
            raise ValueError("n must be one or more")
        while True:
            if steps > left(self, seen):
                raise ValueError(f"a latch at {left(self, seen)} cannot count down by {steps}")
            found = cas_previous_u32(self.w.word, seen, seen + STEP * <uint32_t> steps)
            if found == seen:
                break
            seen = found
        if seen & WAITERS and steps == left(self, seen):
            wake_sleepers(self.w.word, EVERYBODY, self.w.flag)

    def wait(self, timeout=None):
        """Wait until the count is zero.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most; None: as long as it takes.

        Returns
        -------
        bool
            Whether the count is zero.
        """
        cdef uint32_t seen = load_acquire_u32(self.w.word)
        cdef Deadline until
        if left(self, seen) == 0:
            return True
        wait_deadline(timeout, &until)
        while left(self, seen):
            if waitword_sleep(&self.w, KIND_LATCH, seen, until):
                return left(self, load_acquire_u32(self.w.word)) == 0
            seen = load_acquire_u32(self.w.word)
        return True

    def __reduce__(self):
        waitword_refuse_pickle(self)

    def __repr__(self):
        return waitword_repr(self, self.shared, f"count={self.count}")
