"""Once: something that is done once, by whoever comes first."""

from libc.errno cimport EBUSY
from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.atomic cimport (
    likely,
    load_acquire_u32,
    load_relaxed_u32,
    load_relaxed_u64,
    store_relaxed_u64,
    store_release_u32,
)
from pyfutex._core.clock cimport deadline_never
from pyfutex._core.kernelcalls cimport PRIVATE_FLAG
from pyfutex.sync._mutex cimport (
    mutex_acquire,
    mutex_consistent,
    mutex_raise,
    mutex_release,
    mutex_try,
    plain_init,
    robust_init,
)
from pyfutex.sync._robust cimport EDEADLK, EOWNERDEAD, KIND_ONCE, TID_MASK, Thread
from pyfutex.sync._shared cimport ATTACH, CREATE, Opening, ZERO_IS_ONE, shared_bind
from pyfutex.sync._thread cimport robust_thread, thread_self
from pyfutex.sync._waitword cimport waitword_refuse_pickle, waitword_repr

from pyfutex.sync.errors import OwnerDied


cdef object bind(object cls, object buffer, object offset, Opening how):
    cdef Once once = cls.__new__(cls)
    cdef SharedOnce *layout
    cdef uint32_t no_flags, no_number
    once.shared = shared_bind(buffer, offset, sizeof(SharedOnce), KIND_ONCE, 0, ZERO_IS_ONE if how == ATTACH else 0, how,
                              &no_flags, &no_number)
    layout = <SharedOnce *> once.shared.head
    robust_init(&once.m, &layout.lock)
    once.is_done = &layout.is_done
    return once


cdef inline bint is_runner(Once once) noexcept nogil:
    """Whether the calling thread holds the lock."""
    cdef Thread *t
    if once.m.robust == NULL:
        return load_relaxed_u64(&once.runner) == <uint64_t> thread_self()
    t = robust_thread()
    return t != NULL and load_relaxed_u32(once.m.word) & TID_MASK == t.tid


cdef int begin(Once once) except -1:
    """Take the lock, from a dead runner, too: that its function was not done is all that it left."""
    cdef int result
    if is_runner(once):
        result = -EDEADLK
    else:
        result = mutex_try(&once.m)
    if result == -EBUSY:
        try:
            mutex_acquire(&once.m, deadline_never(), False)
        except OwnerDied:
            mutex_consistent(&once.m)
    elif result == -EOWNERDEAD:
        mutex_consistent(&once.m)
    elif result == -EDEADLK:
        raise RuntimeError("a function that is called once calls itself")
    elif result:
        mutex_raise(result)
    store_relaxed_u64(&once.runner, <uint64_t> thread_self())
    return 0


cdef int end(Once once) noexcept:
    store_relaxed_u64(&once.runner, 0)
    return mutex_release(&once.m)


cdef class Once:
    """Once()\n--\n\n\
    Something that is done once, by whoever comes first, while the others wait; in this object or in shared memory.

    If it raises, it was not done, and the next one tries. Nor was it if, in shared memory, whoever did it died meanwhile:
    one of those who wait does it then, and has to expect what the dead one left half done.

    Thread safety: all methods, from any thread; those of one in shared memory, from any process that maps it. Where it lies
    in this object, a child that is forked by another thread while it is being done waits for that in vain, as for a lock of
    `threading`.

    Examples
    --------
    >>> from pyfutex.sync import Once
    >>> setup = Once()
    >>> setup.call(lambda: print("set up"))
    set up
    True
    >>> setup.call(lambda: print("set up"))
    False
    """

    SIZE = sizeof(SharedOnce)

    def __cinit__(self):
        plain_init(&self.m, &self.word, PRIVATE_FLAG)
        self.is_done = &self.own_is_done

    def __init__(self):
        pass

    @classmethod
    def create(cls, buffer, offset=0, /):
        """Make one in memory that other processes may map, too.

        Parameters
        ----------
        buffer : buffer
            Writable and contiguous: `SharedMemory.buf`, an mmap, a RawArray, a NumPy array over one of these, or a `Memory`.
            It stays exported as long as the object lives.
        offset : int, optional
            Of its first byte: `SIZE` bytes that are zero, at a multiple of 8 in memory.

        Raises
        ------
        FileExistsError
            There is one already.
        ValueError
            No room, not aligned, or neither zero nor a Once.
        OSError
            EXDEV: it belongs to another PID namespace; ENOSYS: there are no robust futexes here.
        """
        return bind(cls, buffer, offset, CREATE)

    @classmethod
    def attach(cls, buffer, offset=0, /):
        """Find the one that somebody created; zero bytes are one that is not done.

        Parameters and errors are those of `create`.
        """
        return bind(cls, buffer, offset, ATTACH)

    @property
    def done(self):
        """Whether it has been done."""
        return load_acquire_u32(self.is_done) != 0

    def call(self, function, /):
        """Call `function`, unless this has been done; if somebody else is at it, wait until he is done.

        Parameters
        ----------
        function : callable
            Without arguments. What it returns is dropped; what it raises is raised, and then it was not done.

        Returns
        -------
        bool
            Whether this call did it. Whatever was done is seen by all whose calls return.

        Raises
        ------
        RuntimeError
            It is called by its own function; or its function forked, and this is the child.
        """
        if likely(load_acquire_u32(self.is_done)):
            return False
        begin(self)
        if load_acquire_u32(self.is_done):
            end(self)
            return False
        try:
            function()
        except BaseException:
            end(self)
            raise
        if not is_runner(self):
            raise RuntimeError("the function forked: whether it was done is for the parent to say")
        store_release_u32(self.is_done, 1)
        end(self)
        return True

    def __reduce__(self):
        waitword_refuse_pickle(self)

    def __repr__(self):
        return waitword_repr(self, self.shared, "done" if self.done else "not done")
