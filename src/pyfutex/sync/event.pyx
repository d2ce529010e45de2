"""Event: a flag that threads wait for."""

from cpython.exc cimport PyErr_WarnEx
from libc.stdint cimport uint32_t

from pyfutex._core.atomic cimport cas_previous_u32, cas_u32, fetch_and_u32, likely, load_acquire_u32
from pyfutex._core.clock cimport Deadline
from pyfutex._core.kernelcalls cimport PRIVATE_FLAG
from pyfutex.sync._robust cimport KIND_EVENT
from pyfutex.sync._shared cimport ATTACH, CREATE, Opening, ZERO_IS_ONE
from pyfutex.sync._timeouts cimport wait_deadline
from pyfutex.sync._waitword cimport (
    SharedWord,
    WAITERS,
    waitword_bind,
    waitword_init,
    waitword_refuse_pickle,
    waitword_repr,
    waitword_set,
    waitword_sleep,
)


cdef enum:
    SET = 2
    GENERATION = 4


cdef object bind(object cls, object buffer, object offset, Opening how):
    cdef Event event = cls.__new__(cls)
    cdef uint32_t number = ZERO_IS_ONE if how == ATTACH else 0
    event.shared = waitword_bind(&event.w, buffer, offset, KIND_EVENT, &number, how)
    return event


cdef inline uint32_t without_waiters(uint32_t word) noexcept nogil:
    return word & ~<uint32_t> WAITERS


cdef bint event_is_over(Event event, uint32_t began, uint32_t *seen) noexcept nogil:
    seen[0] = load_acquire_u32(event.w.word)
    return began & SET or without_waiters(seen[0]) != without_waiters(began)


cdef int wake_all(Event event, uint32_t seen) except -1:
    """Set it where somebody may sleep."""
    waitword_set(&event.w, SET)
    cas_u32(event.w.word, seen | SET, without_waiters(seen | SET))
    return 0


cdef class Event:
    """Event()\n--\n\n\
    A flag that threads wait for: `threading.Event`, faster, in this object or in shared memory.

    Nobody owns it, so nothing is left behind by a process that dies. `set` takes no lock and never blocks: a signal handler
    may call it, even in the thread that waits.

    Thread safety: all methods, from any thread and any signal handler; those of one in shared memory, from any process that
    maps it.

    Examples
    --------
    >>> from pyfutex.sync import Event
    >>> ready = Event()
    >>> ready.wait(timeout=0)
    False
    >>> ready.set()
    >>> ready.wait()
    True
    """

    SIZE = sizeof(SharedWord)

    def __cinit__(self):
        waitword_init(&self.w, &self.word, PRIVATE_FLAG)

    def __init__(self):
        pass

    @classmethod
    def create(cls, buffer, offset=0, /):
        """Make an event in memory that other processes may map, too.

        Parameters
        ----------
        buffer : buffer
            Writable and contiguous: `SharedMemory.buf`, an mmap, a RawArray, a NumPy array over one of these, or a `Memory`.
            It stays exported as long as the event object lives.
        offset : int, optional
            Of its first byte: `SIZE` bytes that are zero, at a multiple of 8 in memory.

        Raises
        ------
        FileExistsError
            There is one already.
        ValueError
            No room, not aligned, or neither zero nor an event.
        """
        return bind(cls, buffer, offset, CREATE)

    @classmethod
    def attach(cls, buffer, offset=0, /):
        """Find the event that somebody created; zero bytes are one that is not set.

        Parameters and errors are those of `create`.
        """
        return bind(cls, buffer, offset, ATTACH)

    def is_set(self):
        """Whether the flag is set."""
        return bool(load_acquire_u32(self.w.word) & SET)

    def isSet(self):
        """Whether the flag is set. Deprecated: `is_set`."""
        PyErr_WarnEx(DeprecationWarning, "isSet() is deprecated, use is_set() instead", 1)
        return bool(load_acquire_u32(self.w.word) & SET)

    def set(self):
        """Set the flag, and wake all who wait for it.

        Whatever was written before is seen by those who find it set.
        """
        cdef uint32_t seen = load_acquire_u32(self.w.word), found
        while True:
            if seen & (SET | WAITERS) == WAITERS:
                wake_all(self, seen)
                return
            # Written even where it is set already: who clears it next must see what was done before this call.
            found = cas_previous_u32(self.w.word, seen, without_waiters(seen | SET))
            if likely(found == seen):
                return
            seen = found

    def clear(self):
        """Take the flag back: `wait` waits again, until the next `set`."""
        cdef uint32_t seen = load_acquire_u32(self.w.word), found
        while seen & SET:
            # SET carries over into the generation.
            found = cas_previous_u32(self.w.word, seen, seen - SET + GENERATION)
            if likely(found == seen):
                return
            seen = found

    def wait(self, timeout=None):
        """Wait until the flag is set.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most; None: as long as it takes.

        Returns
        -------
        bool
            True: it was set, now or since the call, even if it has been cleared again. False: it was not before the timeout.
        """
        cdef uint32_t began = load_acquire_u32(self.w.word), seen
        cdef Deadline until
        if event_is_over(self, began, &seen):
            return True
        wait_deadline(timeout, &until)
        while not event_is_over(self, began, &seen):
            if waitword_sleep(&self.w, KIND_EVENT, seen, until):
                return bool(event_is_over(self, began, &seen))
        return True

    def _at_fork_reinit(self):
        # What threading calls on its own events in the child of a fork, where nobody sleeps.
        if self.shared is None:
            fetch_and_u32(self.w.word, without_waiters(0xFFFFFFFF))

    def __reduce__(self):
        waitword_refuse_pickle(self)

    def __repr__(self):
        return waitword_repr(self, self.shared, "set" if self.is_set() else "unset")
