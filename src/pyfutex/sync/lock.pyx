"""Lock: held by one thread at a time."""

cimport cython

from libc.errno cimport EBUSY, ENOSYS, EPERM
from libc.stdint cimport uint32_t

from pyfutex._core.atomic cimport cas_u32, likely, store_relaxed_u32
from pyfutex._core.clock cimport Deadline, deadline_never
from pyfutex._core.kernelcalls cimport PRIVATE_FLAG
from pyfutex._errors cimport raise_errno
from pyfutex.sync._mutex cimport (
    FREE,
    HELD,
    mutex_acquire,
    mutex_consistent,
    mutex_is_held,
    mutex_raise,
    mutex_release,
    mutex_try,
    plain_init,
    robust_init,
)
from pyfutex.sync._robust cimport EDEADLK, INHERITS, KIND_LOCK, NOT_ROBUST, RobustLock, pi_is_known
from pyfutex.sync._shared cimport ATTACH, CREATE, Opening, ZERO_IS_ONE, shared_bind
from pyfutex.sync._timeouts cimport acquire_deadline, is_forever


cdef int bind(Lock lock, object buffer, object offset, uint32_t flags, Opening how) except -1:
    cdef uint32_t number
    if flags & INHERITS and not pi_is_known():
        raise_errno(ENOSYS, "the kernel knows no priority inheritance, or something filters its futex calls")
    lock.shared = shared_bind(buffer, offset, sizeof(RobustLock), KIND_LOCK, flags, ZERO_IS_ONE if how == ATTACH else 0,
                              how, &flags, &number)
    if flags & NOT_ROBUST:
        plain_init(&lock.m, &(<RobustLock *> lock.shared.head).word, 0)
    else:
        robust_init(&lock.m, <RobustLock *> lock.shared.head)
    return 0


@cython.final
cdef class Lock:
    """Lock(*, pi=False)\n--\n\n\
    A lock that one thread holds at a time, in this object or in shared memory.

    `Lock()` is `threading.Lock`, faster: anybody may release it, and a thread that dies with it leaves it locked. One that
    `create` or `attach` finds in shared memory works between processes, is owned by the thread that acquired it, and
    survives that thread: the next to acquire it gets `OwnerDied`.

    With `pi=True` it has priority inheritance: while somebody waits for it, its owner runs with the priority of the most
    urgent that waits. So it has an owner, whom it survives, in one process, too.

    Parameters
    ----------
    pi : bool, optional
        Whether it has priority inheritance.

    Raises
    ------
    OSError
        With `pi=True`. ENOSYS: the kernel does not know it.

    Notes
    -----
    Thread safety: all methods, from any thread; those of one in shared memory, from any process that maps it.

    Examples
    --------
    >>> from pyfutex.sync import Lock
    >>> lock = Lock()
    >>> with lock:
    ...     lock.locked()
    True
    """

    SIZE = sizeof(RobustLock)

    def __cinit__(self, *, pi=False):
        if pi:
            bind(self, bytearray(sizeof(RobustLock)), 0, INHERITS, CREATE)
            self.shared.offset = None
        else:
            plain_init(&self.m, &self.word, PRIVATE_FLAG)

    def __init__(self, *, pi=False):
        pass

    @classmethod
    def create(cls, buffer, offset=0, /, *, robust=True, pi=False):
        """Make a lock in memory that other processes may map, too.

        Parameters
        ----------
        buffer : buffer
            Writable and contiguous: `SharedMemory.buf`, an mmap, a RawArray, a NumPy array over one of these, or a `Memory`.
            It stays exported as long as the lock object lives.
        offset : int, optional
            Of its first byte: `SIZE` bytes that are zero, at a multiple of 8 in memory.
        robust : bool, optional
            Whether it is owned by a thread and survives it. False: anybody may release it, in any process, and whoever dies
            with it leaves it locked.
        pi : bool, optional
            Whether it has priority inheritance.

        Raises
        ------
        FileExistsError
            There is one already.
        ValueError
            No room, not aligned, or neither zero nor a lock; `pi=True` with `robust=False`.
        OSError
            EXDEV: it belongs to another PID namespace; ENOSYS: there are no robust futexes here, or no /proc that says which
            namespace this is, or the kernel does not know priority inheritance.
        """
        cdef Lock lock = Lock.__new__(Lock)
        if pi and not robust:
            raise ValueError("the priority of who waits goes to an owner, which a lock with robust=False has not")
        bind(lock, buffer, offset, INHERITS if pi else 0 if robust else NOT_ROBUST, CREATE)
        return lock

    @classmethod
    def attach(cls, buffer, offset=0, /):
        """Find the lock that somebody created, of whichever sort; zero bytes are a free, robust one.

        Parameters and errors are those of `create`.
        """
        cdef Lock lock = Lock.__new__(Lock)
        bind(lock, buffer, offset, 0, ATTACH)
        return lock

    def acquire(self, blocking=True, timeout=-1):
        """Take the lock.

        Parameters
        ----------
        blocking : bool, optional
            False: return False at once if somebody else holds it.
        timeout : float, optional
            Seconds to wait at most; -1: as long as it takes.

        Returns
        -------
        bool
            Whether it is held now.

        Raises
        ------
        OwnerDied
            Of a robust lock: its owner died with it. **It is held now**; see `consistent`.
        NotRecoverable
            Of a robust lock: nobody made good what a dead owner left.
        RuntimeError
            Of a robust lock: the calling thread holds it; of one with priority inheritance, too, its owner waits for a lock
            that the calling thread holds.
        OSError
            ENOLCK: the thread holds 1,024 robust locks; ENOSYS: this is a child in another PID namespace than its parent. Of
            one with priority inheritance, too, EMFILE, ENFILE: the main thread had to wait, and had no descriptor left.
        """
        cdef Deadline until
        cdef int result
        if likely(is_forever(blocking, timeout)):
            if likely(self.m.robust == NULL):
                if likely(cas_u32(self.m.word, FREE, HELD)):
                    return True
            until = deadline_never()
        elif not acquire_deadline(blocking, timeout, &until):
            result = mutex_try(&self.m)
            if result and result != -EBUSY and result != -EDEADLK:
                mutex_raise(result)
            return result == 0
        result = mutex_try(&self.m)
        if result == -EBUSY:
            result = mutex_acquire(&self.m, until, False)
        elif result:
            mutex_raise(result)
        return result == 0

    def release(self):
        """Let the lock go, and wake one thread that waits for it.

        Raises
        ------
        RuntimeError
            Nobody holds it; or, of a robust lock, another thread does.
        """
        cdef int result = mutex_release(&self.m)
        if result:
            release_failed(self, result)

    def locked(self):
        """Whether somebody holds it."""
        return bool(mutex_is_held(&self.m))

    def consistent(self):
        """Say, after `OwnerDied`, that what the lock protects is whole again.

        Raises
        ------
        RuntimeError
            The calling thread does not hold it, or no owner had died.
        """
        if mutex_consistent(&self.m):
            raise RuntimeError("there is no dead owner's lock that the calling thread holds")

    def __enter__(self):
        cdef int result
        if likely(self.m.robust == NULL and cas_u32(self.m.word, FREE, HELD)):
            return True
        result = mutex_try(&self.m)
        if result == -EBUSY:
            mutex_acquire(&self.m, deadline_never(), False)
        elif result:
            mutex_raise(result)
        return True

    def __exit__(self, exc_type, exc, traceback, /):
        cdef int result = mutex_release(&self.m)
        if result:
            release_failed(self, result)

    def _at_fork_reinit(self):
        # What threading calls on its own locks in the child of a fork.
        if not lock_is_shared(self) and (self.m.robust == NULL or mutex_release(&self.m)):
            store_relaxed_u32(self.m.word, FREE)

    def __reduce__(self):
        raise TypeError("a Lock is memory; pass on the buffer, and attach to it")

    def __repr__(self):
        state = "locked" if mutex_is_held(&self.m) else "unlocked"
        where = f" shared, offset={self.shared.offset}" if lock_is_shared(self) else ""
        return f"<{state} {type(self).__module__}.{type(self).__qualname__} object at {id(self):#x}{where}>"


cdef int release_failed(Lock lock, int error) except -1:
    if error != -EPERM:
        mutex_raise(error)
    if mutex_is_held(&lock.m):
        raise RuntimeError("release of a lock that another thread holds")
    raise RuntimeError("release unlocked lock")
