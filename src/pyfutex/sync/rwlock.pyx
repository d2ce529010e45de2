"""RWLock: many threads read, or one writes."""

cimport cython

from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EAGAIN, EBUSY, EINTR, EPERM, ETIMEDOUT
from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.atomic cimport (
    cas_previous_u32,
    fence_after_rmw,
    fetch_add_u32,
    fetch_and_u32,
    fetch_or_u32,
    likely,
    load_acquire_u32,
    load_relaxed_u32,
    load_relaxed_u64,
    load_u32,
    store_relaxed_u32,
    store_relaxed_u64,
)
from pyfutex._core.clock cimport Deadline, deadline_never
from pyfutex._core.kernelcalls cimport MATCH_ANY, PRIVATE_FLAG, kernel_wait
from pyfutex._errors cimport raise_errno
from pyfutex.sync._mutex cimport (
    mutex_consistent,
    mutex_is_held,
    mutex_is_owned,
    mutex_raise,
    mutex_release,
    mutex_try,
    mutex_wait,
    plain_init,
    robust_init,
)
from pyfutex.sync._robust cimport CONSISTENT, EOWNERDEAD, KIND_RWLOCK, NOT_ROBUST, OWNER_DIED, RobustLock, TID_MASK, Thread
from pyfutex.sync._shared cimport ATTACH, CREATE, Opening, ZERO_IS_ONE, shared_add_slots, shared_bind
from pyfutex.sync._slots cimport bytes_with_slots, slot_acquire, slot_home, slot_leave, slots_find, slots_take, words_of
from pyfutex.sync._thread cimport robust_thread, thread_self
from pyfutex.sync._timeouts cimport acquire_deadline, is_forever
from pyfutex.sync._sleepers cimport sleep_begins, sleep_ends, wake_sleepers

import operator


cdef enum:
    MOST_READERS = 0x100000


# --- the gate ----------------------------------------------------------------------------------------------------------

cdef inline bint is_open(RWLock rw) noexcept nogil:
    """Whether a reader that has a slot is in. Requires: slots."""
    # Pairs with the fence of drain_slots.
    return load_u32(rw.gate.word) & (TID_MASK | OWNER_DIED) == 0 and load_relaxed_u32(&rw.gate.robust.state) == CONSISTENT


cdef int gate_acquire(RWLock rw, Deadline until, bint waits) except 1:
    """0: held. -EBUSY, -ETIMEDOUT: not. OwnerDied: held, a writer is dead, and nobody reads."""
    cdef int result = mutex_try(&rw.gate)
    if result == -EBUSY and waits:
        result = mutex_wait(&rw.gate, until, True)
    if result == 0 or result == -EBUSY or result == -ETIMEDOUT:
        return result
    if result == -EOWNERDEAD and not load_relaxed_u32(&rw.words.written):
        mutex_consistent(&rw.gate)
        return 0
    mutex_raise(result)


cdef int gate_release(RWLock rw) except -1:
    cdef int result
    if rw.slots.n == 0:
        fetch_and_u32(&rw.words.readers, ~<uint32_t> CLOSED)
    result = mutex_release(&rw.gate)
    if result:
        mutex_raise(result)
    return 0


# --- readers -----------------------------------------------------------------------------------------------------------

cdef inline int count_in(RWLock rw) noexcept nogil:
    """0; -EBUSY: closed."""
    cdef uint32_t seen = load_relaxed_u32(&rw.words.readers), found
    while not seen & CLOSED:
        found = cas_previous_u32(&rw.words.readers, seen, seen + 1)
        if likely(found == seen):
            return 0
        seen = found
    return -EBUSY


cdef inline int take_slot(RWLock rw) noexcept nogil:
    """0; -EBUSY: closed, or there is no slot; or another negative errno."""
    cdef Thread *t = robust_thread()
    cdef bint died = False
    cdef int at
    if t == NULL:
        return -EPERM
    if not is_open(rw):
        return -EBUSY
    at = slots_take(&rw.slots, t, False, &died)
    if at < 0:
        return at
    fence_after_rmw()
    if likely(is_open(rw)):
        return 0
    slot_leave(&rw.slots.first[at], t)
    return -EBUSY


cdef int take_slot_behind_gate(RWLock rw, Deadline until, bint waits) except 1:
    """0; -EBUSY, -ETIMEDOUT: there is no slot. Requires: the gate."""
    cdef Thread *t = robust_thread()
    cdef bint died = False
    cdef int at = slots_take(&rw.slots, t, False, &died)
    if at >= 0:
        return 0
    if at == -EBUSY:
        return slot_acquire(&rw.slots.first[slot_home(&rw.slots, t)], until) if waits else at
    mutex_raise(at)


cdef int read_behind_gate(RWLock rw, Deadline until, bint waits) except 1:
    """Get in as a reader after those who have the gate: 0; -EBUSY, -ETIMEDOUT."""
    cdef int result = gate_acquire(rw, until, waits)
    if result:
        return result
    try:
        if rw.slots.n:
            return take_slot_behind_gate(rw, until, waits)
        fetch_add_u32(&rw.words.readers, 1)
        return 0
    finally:
        mutex_release(&rw.gate)


cdef int read_acquire(RWLock rw, Deadline until, bint waits) except 1:
    cdef int result = take_slot(rw) if rw.slots.n else count_in(rw)
    if result == 0:
        return 0
    if result != -EBUSY:
        mutex_raise(result)
    if load_relaxed_u64(&rw.writer) == <uint64_t> thread_self():
        raise RuntimeError("the calling thread holds this lock for writing")
    return read_behind_gate(rw, until, waits)


cdef int read_release(RWLock rw) except -1:
    cdef Thread *t
    cdef RobustLock *slot
    cdef uint32_t seen, found
    cdef int result
    if rw.slots.n:
        t = robust_thread()
        slot = NULL if t == NULL else slots_find(&rw.slots, t)
        if slot == NULL:
            raise RuntimeError("the calling thread does not hold this lock for reading")
        result = slot_leave(slot, t)
        if result:
            mutex_raise(result)
        return 0
    seen = load_relaxed_u32(&rw.words.readers)
    while seen & ~<uint32_t> CLOSED:
        found = cas_previous_u32(&rw.words.readers, seen, seen - 1)
        if found == seen:
            if seen == CLOSED | 1:
                wake_sleepers(&rw.words.readers, 1, rw.gate.flag)
            return 0
        seen = found
    raise RuntimeError("nobody holds this lock for reading")


# --- the writer --------------------------------------------------------------------------------------------------------

cdef int drain_count(RWLock rw, Deadline until, bint waits) except 1:
    cdef uint32_t seen = fetch_or_u32(&rw.words.readers, CLOSED) | CLOSED
    cdef uint64_t asleep
    cdef int why
    while seen != CLOSED:
        if not waits:
            return -EBUSY
        asleep = sleep_begins(KIND_RWLOCK, &rw.words.readers, 0)
        with nogil:
            why = <int> kernel_wait(&rw.words.readers, seen, MATCH_ANY, until, rw.gate.flag)
        sleep_ends(asleep, why)
        if why == -EINTR:
            PyErr_CheckSignals()
        elif why == -ETIMEDOUT:
            return why
        elif why and why != -EAGAIN:
            raise_errno(-why)
        seen = load_acquire_u32(&rw.words.readers)
    return 0


cdef int drain_slots(RWLock rw, Deadline until, bint waits) except 1:
    cdef uint32_t i
    cdef int result
    fence_after_rmw()   # pairs with the one of take_slot
    for i in range(rw.slots.n):
        if load_acquire_u32(&rw.slots.first[i].word) & TID_MASK == 0:
            continue
        if not waits:
            return -EBUSY
        result = slot_acquire(&rw.slots.first[i], until)
        if result:
            return result
        slot_leave(&rw.slots.first[i], robust_thread())
    return 0


cdef int write_acquire(RWLock rw, Deadline until, bint waits) except 1:
    """0; -EBUSY, -ETIMEDOUT."""
    cdef Thread *t
    cdef int result
    if rw.slots.n:
        t = robust_thread()
        if t != NULL and slots_find(&rw.slots, t) != NULL:
            raise RuntimeError("the calling thread holds this lock for reading")
    elif load_relaxed_u64(&rw.writer) == <uint64_t> thread_self():
        raise RuntimeError("the calling thread holds this lock already")
    result = gate_acquire(rw, until, waits)
    if result:
        return result
    try:
        result = drain_slots(rw, until, waits) if rw.slots.n else drain_count(rw, until, waits)
    except BaseException:
        if mutex_is_owned(&rw.gate):
            gate_release(rw)
        raise
    # A signal handler may have forked while we waited: in the child the gate is its parent's.
    if not mutex_is_owned(&rw.gate):
        return write_acquire(rw, until, waits)
    if result:
        gate_release(rw)
        return result
    store_relaxed_u32(&rw.words.written, 1)
    if rw.shared is None:
        store_relaxed_u64(&rw.writer, <uint64_t> thread_self())
    return 0


cdef inline bint is_writer(RWLock rw) noexcept nogil:
    """Whether the caller holds it for writing, as far as that can be told."""
    if not load_relaxed_u32(&rw.words.written):
        return False
    if rw.slots.n:
        return mutex_is_owned(&rw.gate)
    return rw.shared is not None or load_relaxed_u64(&rw.writer) == <uint64_t> thread_self()


cdef int write_release(RWLock rw) except -1:
    if not is_writer(rw):
        raise RuntimeError("the calling thread does not hold this lock for writing")
    # What a dead writer left is not forgotten with the next one that dies, here.
    if rw.slots.n == 0 or load_relaxed_u32(&rw.gate.robust.state) == CONSISTENT:
        store_relaxed_u32(&rw.words.written, 0)
    store_relaxed_u64(&rw.writer, 0)
    return gate_release(rw)


# --- in Python ---------------------------------------------------------------------------------------------------------

cdef uint32_t checked_readers(object readers) except 0:
    readers = operator.index(readers)
    if not 1 <= readers <= MOST_READERS:
        raise ValueError(f"readers must be from 1 to {MOST_READERS}")
    return readers


cdef RWLock bind(object buffer, object offset, uint32_t n, uint32_t flags, Opening how):
    cdef RWLock rw = RWLock.__new__(RWLock)
    cdef size_t size = bytes_with_slots(0 if flags & NOT_ROBUST or how == ATTACH else n)
    rw.shared = shared_bind(buffer, offset, size, KIND_RWLOCK, flags, n, how, &flags, &n)
    rw.words = <RWLockWords *> words_of(rw.shared.head)
    if flags & NOT_ROBUST:
        plain_init(&rw.gate, &(<RobustLock *> rw.shared.head).word, 0)
    else:
        shared_add_slots(rw.shared, KIND_RWLOCK, n or SOME_READERS)
        rw.slots = rw.shared.slots
        robust_init(&rw.gate, <RobustLock *> rw.shared.head)
    return rw


@cython.final
cdef class RWLock:
    """RWLock()\n--\n\n\
    A lock that many threads hold for reading, or one for writing, in this object or in shared memory.

    It prefers writers: once a writer waits, readers that come wait behind it, until it has been in. Among those who wait,
    readers and writers are equal, and it is as fair as a `Lock`: whoever comes at the right moment may be first. It is not
    reentrant, and there is no way from reading to writing but to let go first; a thread that tries either gets RuntimeError
    where that is noticed, and else waits for itself: noticed is a writer that asks again, in a robust one also a reader that
    asks to write, and most that ask to read twice.

    In an object, and in shared memory that is not robust, any thread may release what is held for reading. In robust shared
    memory all is owned by the thread that acquired it, and survives it:

    - A reader that dies, in whatever way, has let go.
    - A writer that dies: the next to acquire it, **for reading or for writing**, gets `OwnerDied`, **and holds it for
      writing**: make good what the dead one left, call `consistent` and `release_write`. Without `consistent` it is
      recoverable no more: `NotRecoverable` for all. One that died before it was in has changed nothing, and nobody hears
      of it.

    A robust one has room for a number of readers at a time; those above it wait. Not robust, whoever dies leaves it locked.

    Thread safety: all methods, from any thread; those of one in shared memory, from any process that maps it.

    Examples
    --------
    >>> from pyfutex.sync import RWLock
    >>> lock = RWLock()
    >>> with lock.read():
    ...     lock.n_readers
    1
    >>> with lock.write():
    ...     lock.write_locked
    True
    """

    SIZE = bytes_with_slots(SOME_READERS)   # for 62 readers at a time; `size` tells for others

    def __cinit__(self):
        self.words = &self.own_words
        plain_init(&self.gate, &self.own_gate, PRIVATE_FLAG)

    def __init__(self):
        pass

    @staticmethod
    def size(readers, /):
        """How many bytes a robust one takes in shared memory: 128, and 64 for each reader at a time."""
        return bytes_with_slots(checked_readers(readers))

    @classmethod
    def create(cls, buffer, offset=0, /, *, readers=62, robust=True):
        """Make a lock in memory that other processes may map, too.

        Parameters
        ----------
        buffer : buffer
            Writable and contiguous: `SharedMemory.buf`, an mmap, a RawArray, a NumPy array over one of these, or a `Memory`.
            It stays exported as long as the lock object lives.
        offset : int, optional
            Of its first byte: `size(readers)` bytes that are zero, at a multiple of 8 in memory.
        readers : int, optional
            How many threads may read at a time; kept in the memory.
        robust : bool, optional
            Whether it survives the threads that hold it. False: 128 bytes are enough for any number of readers, and whoever
            dies with it leaves it locked.

        Raises
        ------
        FileExistsError
            There is one already.
        ValueError
            No room, not aligned, or neither zero nor such a lock.
        OSError
            EXDEV: it belongs to another PID namespace; ENOSYS: there are no robust futexes here.
        """
        return bind(buffer, offset, checked_readers(readers) if robust else 0, 0 if robust else NOT_ROBUST, CREATE)

    @classmethod
    def attach(cls, buffer, offset=0, /):
        """Find the lock that somebody created; zero bytes are a free, robust one for 62 readers.

        Parameters and errors are those of `create`.
        """
        return bind(buffer, offset, ZERO_IS_ONE, 0, ATTACH)

    def acquire_read(self, blocking=True, timeout=-1):
        """Take the lock for reading.

        Parameters
        ----------
        blocking : bool, optional
            False: return False at once if somebody writes, waits to, or is just getting in.
        timeout : float, optional
            Seconds to wait at most; -1: as long as it takes.

        Returns
        -------
        bool
            Whether it is held now.

        Raises
        ------
        OwnerDied
            Of a robust one: a writer died with it. **It is held for writing now**; see `consistent`.
        NotRecoverable
            Of a robust one: nobody made good what a dead writer left.
        RuntimeError
            The calling thread holds it, where that is noticed.
        OSError
            ENOLCK: the thread holds 1,024 robust locks.
        """
        cdef Deadline until = deadline_never()
        cdef bint waits = is_forever(blocking, timeout) or acquire_deadline(blocking, timeout, &until)
        return read_acquire(self, until, waits) == 0

    def release_read(self):
        """Let go what is held for reading.

        Raises
        ------
        RuntimeError
            Nobody holds it so; or, of a robust one, the calling thread does not.
        """
        read_release(self)

    def acquire_write(self, blocking=True, timeout=-1):
        """Take the lock for writing.

        Parameters, returns and errors are those of `acquire_read`.
        """
        cdef Deadline until = deadline_never()
        cdef bint waits = is_forever(blocking, timeout) or acquire_deadline(blocking, timeout, &until)
        return write_acquire(self, until, waits) == 0

    def release_write(self):
        """Let go what is held for writing.

        Raises
        ------
        RuntimeError
            The calling thread does not hold it so; of a shared one that is not robust: nobody does.
        """
        write_release(self)

    def read(self):
        """The lock as a context manager that reads: `with lock.read(): ...`."""
        return RWLockSide(self, False)

    def write(self):
        """The lock as a context manager that writes: `with lock.write(): ...`."""
        return RWLockSide(self, True)

    def consistent(self):
        """Say, after `OwnerDied`, that what the lock protects is whole again.

        Raises
        ------
        RuntimeError
            The calling thread does not hold it for writing, or no writer had died.
        """
        if mutex_consistent(&self.gate):
            raise RuntimeError("there is no dead writer's lock that the calling thread holds")

    def locked(self):
        """Whether somebody holds it, for reading or for writing."""
        return self.write_locked or self.n_readers > 0

    @property
    def write_locked(self):
        """Whether somebody holds it for writing."""
        return load_relaxed_u32(&self.words.written) != 0 and bool(mutex_is_held(&self.gate))

    @property
    def n_readers(self):
        """How many hold it for reading."""
        cdef uint32_t i, n = 0
        if self.slots.n == 0:
            return load_relaxed_u32(&self.words.readers) & ~<uint32_t> CLOSED
        for i in range(self.slots.n):
            n += load_relaxed_u32(&self.slots.first[i].word) & TID_MASK != 0
        return n

    def __reduce__(self):
        raise TypeError("an RWLock is memory; pass on the buffer, and attach to it")

    def __repr__(self):
        state = "write-locked" if self.write_locked else f"{self.n_readers} readers"
        where = "" if self.shared is None else f" shared, offset={self.shared.offset}"
        return f"<{type(self).__module__}.{type(self).__qualname__} object at {id(self):#x}: {state}{where}>"


@cython.final
@cython.freelist(8)
cdef class RWLockSide:
    """What `RWLock.read` and `RWLock.write` give."""

    def __cinit__(self, RWLock lock, bint writes):
        self.lock = lock
        self.writes = writes

    def __enter__(self):
        if self.writes:
            write_acquire(self.lock, deadline_never(), True)
        else:
            read_acquire(self.lock, deadline_never(), True)

    def __exit__(self, exc_type, exc, traceback, /):
        if self.writes:
            write_release(self.lock)
        else:
            read_release(self.lock)
