"""Semaphore and BoundedSemaphore: permits to take and to give back."""

from libc.errno cimport EBUSY
from libc.stdint cimport uint32_t

from pyfutex._core.atomic cimport cas_previous_u32, likely, load_relaxed_u32, unlikely
from pyfutex._core.clock cimport Deadline
from pyfutex._core.kernelcalls cimport PRIVATE_FLAG
from pyfutex.sync._permits cimport permits_give, permits_init, permits_left, permits_raise, permits_try, permits_wait
from pyfutex.sync._robust cimport KIND_BOUNDED_SEMAPHORE, KIND_SEMAPHORE, SharedKind, UNDO
from pyfutex.sync._shared cimport ATTACH, CREATE, Opening, shared_add_slots, shared_bind
from pyfutex.sync._slots cimport bytes_with_slots
from pyfutex.sync._timeouts cimport wait_deadline
from pyfutex.sync._waitword cimport (
    SharedWord,
    WAITERS,
    waitword_init,
    waitword_refuse_pickle,
    waitword_repr,
    waitword_sleep,
    waitword_wake,
)

import operator


cdef enum:
    PERMIT = 2
    MOST_PERMITS = 0x7FFFFFFF
    MOST_WITH_UNDO = 0x100000


cdef uint32_t checked(object value) except? MOST_PERMITS:
    """The number of permits to begin with."""
    value = operator.index(value)
    if value < 0:
        raise ValueError("semaphore initial value must be >= 0")
    if value > MOST_PERMITS:
        raise OverflowError(f"a semaphore has {MOST_PERMITS:,} permits at most")
    return value


cdef int begin_with(Semaphore s, uint32_t value) except -1:
    s.empty = <uint32_t> 0 - PERMIT * value
    s.most = value if isinstance(s, BoundedSemaphore) else MOST_PERMITS
    return 0


cdef uint32_t checked_with_undo(object value) except 0:
    value = operator.index(value)
    if not 1 <= value <= MOST_WITH_UNDO:
        raise ValueError(f"a semaphore with undo has from 1 to {MOST_WITH_UNDO:,} permits")
    return value


cdef object bind(object cls, object buffer, object offset, uint32_t value, uint32_t flags, Opening how):
    cdef Semaphore s = cls.__new__(cls)
    cdef SharedKind kind = KIND_BOUNDED_SEMAPHORE if isinstance(s, BoundedSemaphore) else KIND_SEMAPHORE
    cdef size_t size = bytes_with_slots(value) if flags & UNDO else sizeof(SharedWord)
    s.shared = shared_bind(buffer, offset, size, kind, flags, value, how, &flags, &value)
    if flags & UNDO:
        shared_add_slots(s.shared, kind, checked_with_undo(value))
        permits_init(&s.undo, s.shared.head, s.shared.slots)
    else:
        waitword_init(&s.w, &(<SharedWord *> s.shared.head).word, 0)
        begin_with(s, value)
    return s


cdef inline uint32_t permits(Semaphore s, uint32_t word) noexcept nogil:
    return (word - s.empty) // PERMIT


cdef inline bint try_take(Semaphore s) noexcept nogil:
    cdef uint32_t seen = load_relaxed_u32(s.w.word), found
    while permits(s, seen):
        found = cas_previous_u32(s.w.word, seen, seen - PERMIT)
        if likely(found == seen):
            return True
        seen = found
    return False


cdef bint semaphore_take(Semaphore s, bint has_slept, uint32_t *seen) noexcept:
    cdef uint32_t left
    while True:
        seen[0] = load_relaxed_u32(s.w.word)
        if not permits(s, seen[0]):
            return False
        left = (seen[0] - PERMIT) | (WAITERS if has_slept else 0)
        if cas_previous_u32(s.w.word, seen[0], left) == seen[0]:
            if left & ~seen[0] & WAITERS and permits(s, left):
                waitword_wake(&s.w, <int> permits(s, left), left)
            return True


cdef bint take(Semaphore s, Deadline until) except -1:
    """Whether a permit came before the deadline."""
    cdef bint has_slept = False
    cdef uint32_t seen
    while not semaphore_take(s, has_slept, &seen):
        if waitword_sleep(&s.w, KIND_SEMAPHORE, seen, until):
            return False
        has_slept = True
    return True


cdef bint take_with_undo(Semaphore s, bint blocking, object timeout) except -1:
    """Whether a permit came before the deadline."""
    cdef Deadline until
    cdef int result = permits_try(&s.undo)
    if result == -EBUSY:
        if not blocking:
            return False
        wait_deadline(timeout, &until)
        return permits_wait(&s.undo, until) == 0
    if result:
        permits_raise(result)
    return True


cdef uint32_t permits_now(Semaphore s) noexcept:
    return permits_left(&s.undo) if s.undo.slots.n else permits(s, load_relaxed_u32(s.w.word))


cdef int give(Semaphore s, Py_ssize_t n) except -1:
    cdef uint32_t seen = load_relaxed_u32(s.w.word), found
    if unlikely(n < 1):
        raise ValueError("n must be one or more")
    while True:
        if unlikely(n > <Py_ssize_t> s.most - <Py_ssize_t> permits(s, seen)):
            if s.undo.slots.n:
                return permits_give(&s.undo, n)
            if isinstance(s, BoundedSemaphore):
                raise ValueError("Semaphore released too many times")
            raise OverflowError(f"a semaphore has {MOST_PERMITS:,} permits at most")
        found = cas_previous_u32(s.w.word, seen, seen + PERMIT * <uint32_t> n)
        if likely(found == seen):
            break
        seen = found
    if seen & WAITERS:
        waitword_wake(&s.w, <int> n, seen + PERMIT * <uint32_t> n)
    return 0


cdef class Semaphore:
    """Semaphore(value=1)\n--\n\n\
    Permits to take and to give back: `threading.Semaphore`, faster, in this object or in shared memory.

    A permit belongs to nobody: anybody may release one, and the permits of a process that dies are lost. In shared memory, a
    process that is killed in the moment when it was to take or to hand on a permit may delay the others by a second.

    One that `create` made with ``undo=True`` has permits that belong to the thread that acquired them, and only that thread
    releases them. If it ends, in whatever way, they come back, each of them once, and those who wait are told by the kernel
    at once (within a second, where it lacks futex_waitv (Linux 5.16), or if more than 127 permits are taken).

    Parameters
    ----------
    value : int, optional
        Permits to begin with, 2,147,483,647 at most.

    Thread safety: all methods, from any thread and any signal handler; those of one in shared memory, from any process that
    maps it.

    Examples
    --------
    >>> from pyfutex.sync import Semaphore
    >>> places = Semaphore(2)
    >>> with places:
    ...     places.acquire(blocking=False), places.acquire(blocking=False)
    (True, False)
    """

    SIZE = sizeof(SharedWord)

    def __cinit__(self):
        waitword_init(&self.w, &self.word, PRIVATE_FLAG)

    def __init__(self, value=1):
        begin_with(self, checked(value))

    @staticmethod
    def size(value, /):
        """How many bytes one with undo takes in shared memory: 128, and 64 for each permit."""
        return bytes_with_slots(checked_with_undo(value))

    @classmethod
    def create(cls, buffer, offset=0, /, *, value=1, undo=False):
        """Make a semaphore in memory that other processes may map, too.

        Parameters
        ----------
        buffer : buffer
            Writable and contiguous: `SharedMemory.buf`, an mmap, a RawArray, a NumPy array over one of these, or a `Memory`.
            It stays exported as long as the semaphore object lives.
        offset : int, optional
            Of its first byte: `SIZE` bytes that are zero, with undo `size(value)`, at a multiple of 8 in memory.
        value : int, optional
            Permits to begin with; with undo, those that there are, from 1 to 1,048,576.
        undo : bool, optional
            Whether the permits of a thread that ends come back.

        Raises
        ------
        FileExistsError
            There is one already.
        ValueError
            No room, not aligned, or neither zero nor a semaphore of this class.
        OSError
            With undo, EXDEV: it belongs to another PID namespace; ENOSYS: there are no robust futexes here.
        """
        if undo:
            return bind(cls, buffer, offset, checked_with_undo(value), UNDO, CREATE)
        return bind(cls, buffer, offset, checked(value), 0, CREATE)

    @classmethod
    def attach(cls, buffer, offset=0, /):
        """Find the semaphore that somebody created, with undo or without.

        Parameters and errors are those of `create`; ValueError: there is none.
        """
        return bind(cls, buffer, offset, 0, 0, ATTACH)

    def acquire(self, blocking=True, timeout=None):
        """Take a permit.

        Parameters
        ----------
        blocking : bool, optional
            False: return False at once if there is none.
        timeout : float, optional
            Seconds to wait at most; None: as long as it takes.

        Returns
        -------
        bool
            Whether a permit was taken.

        Raises
        ------
        OSError
            With undo, ENOLCK: the thread holds 1,024 robust locks and permits.
        """
        cdef Deadline until
        if not blocking and timeout is not None:
            raise ValueError("can't specify timeout for non-blocking acquire")
        if likely(try_take(self)):
            return True
        if self.undo.slots.n:
            return take_with_undo(self, blocking, timeout)
        if not blocking:
            return False
        wait_deadline(timeout, &until)
        return take(self, until)

    @property
    def value(self):
        """How many permits there are. That may be past by the time it is returned."""
        return permits_now(self)

    def release(self, n=1):
        """Give back `n` permits, and wake as many threads that wait for one.

        Raises
        ------
        ValueError
            `n` is less than one; or, of a BoundedSemaphore, there would be more permits than in the beginning.
        RuntimeError
            With undo: the calling thread holds fewer. None is given back.
        """
        give(self, n)

    def __enter__(self):
        cdef Deadline until
        if unlikely(not try_take(self)):
            if self.undo.slots.n:
                return take_with_undo(self, True, None)
            wait_deadline(None, &until)
            take(self, until)
        return True

    def __exit__(self, exc_type, exc, traceback, /):
        give(self, 1)

    def __reduce__(self):
        waitword_refuse_pickle(self)

    def __repr__(self):
        return waitword_repr(self, self.shared, f"value={permits_now(self)}")


cdef class BoundedSemaphore(Semaphore):
    """A semaphore that never has more permits than it began with: `threading.BoundedSemaphore`.

    Its parameters and methods are those of `Semaphore`; a release too many is a ValueError.

    Examples
    --------
    >>> from pyfutex.sync import BoundedSemaphore
    >>> BoundedSemaphore(2).release()
    Traceback (most recent call last):
        ...
    ValueError: Semaphore released too many times
    """

    def __repr__(self):
        return waitword_repr(self, self.shared, f"value={permits_now(self)}/{self.undo.slots.n or self.most}")
