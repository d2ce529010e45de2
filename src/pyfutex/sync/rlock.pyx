"""RLock: a lock that its owner may take again."""

cimport cython

from libc.errno cimport EBUSY
from libc.stdint cimport uint32_t

from pyfutex._core.atomic cimport likely, load_relaxed_u64, store_relaxed_u32, store_relaxed_u64
from pyfutex._core.clock cimport Deadline, deadline_never
from pyfutex._core.kernelcalls cimport PRIVATE_FLAG
from pyfutex.sync._mutex cimport (
    FREE,
    mutex_acquire,
    mutex_acquire_again,
    mutex_consistent,
    mutex_is_held,
    mutex_raise,
    mutex_release,
    mutex_try,
    owner_of,
    plain_init,
    robust_init,
)
from pyfutex.sync._robust cimport KIND_RLOCK, RobustLock
from pyfutex.sync._shared cimport ATTACH, CREATE, Opening, Shared, ZERO_IS_ONE, shared_bind
from pyfutex.sync._timeouts cimport acquire_deadline, is_forever

from pyfutex.sync.errors import OwnerDied


cdef RLock rlock_in(Shared shared):
    cdef RLock lock = RLock.__new__(RLock)
    lock.shared = shared
    robust_init(&lock.m, <RobustLock *> shared.head)
    return lock


cdef RLock bind(object buffer, object offset, Opening how):
    cdef uint32_t flags, number
    return rlock_in(shared_bind(buffer, offset, sizeof(RobustLock), KIND_RLOCK, 0, ZERO_IS_ONE if how == ATTACH else 0,
                                how, &flags, &number))


cdef int take(RLock lock, Deadline until) except 1:
    """Sleep for it: 0, it is held; or -ETIMEDOUT."""
    cdef int result
    try:
        result = mutex_acquire(&lock.m, until, False)
    except OwnerDied:
        rlock_owned(lock)
        raise
    if result == 0:
        rlock_owned(lock)
    return result


cdef int try_to_take(RLock lock) except 1:
    """0, it is held, perhaps once more; or -EBUSY."""
    cdef int result
    if rlock_is_owned(lock):
        rlock_depth(lock)[0] += 1
        return 0
    result = mutex_try(&lock.m)
    if likely(result == 0):
        rlock_owned(lock)
    elif result != -EBUSY:
        mutex_raise(result)
    return result


cdef int let_go(RLock lock) except -1:
    cdef uint32_t *depth = rlock_depth(lock)
    cdef int result
    if not rlock_is_owned(lock):
        raise RuntimeError("cannot release un-acquired lock")
    if depth[0]:
        depth[0] -= 1
        return 0
    store_relaxed_u64(&lock.owner, 0)
    result = mutex_release(&lock.m)
    if result:
        mutex_raise(result)
    return 0


@cython.final
cdef class RLock:
    """RLock()\n--\n\n\
    A lock that the thread that holds it may take again, and has to release as often.

    `RLock()` is `threading.RLock`. One in shared memory works between processes and survives its owner, as a `Lock` does.

    Thread safety: all methods, from any thread; those of one in shared memory, from any process that maps it.

    Examples
    --------
    >>> from pyfutex.sync import RLock
    >>> lock = RLock()
    >>> with lock, lock:
    ...     lock.locked()
    True
    """

    SIZE = sizeof(RobustLock)

    def __cinit__(self):
        plain_init(&self.m, &self.word, PRIVATE_FLAG)

    def __init__(self):
        pass

    @classmethod
    def create(cls, buffer, offset=0, /):
        """Make a lock in memory that other processes may map, too; parameters and errors are those of `Lock.create`."""
        return bind(buffer, offset, CREATE)

    @classmethod
    def attach(cls, buffer, offset=0, /):
        """Find the lock that somebody created; zero bytes are a free one. Errors are those of `Lock.create`."""
        return bind(buffer, offset, ATTACH)

    def acquire(self, blocking=True, timeout=-1):
        """Take the lock, or take it once more.

        Parameters
        ----------
        blocking : bool, optional
            False: return False at once if another thread holds it.
        timeout : float, optional
            Seconds to wait at most; -1: as long as it takes.

        Returns
        -------
        bool
            Whether it is held now.

        Raises
        ------
        OwnerDied
            Of one in shared memory: its owner died with it. **It is held now**, once; see `consistent`.
        NotRecoverable
            Of one in shared memory: nobody made good what a dead owner left.
        """
        cdef Deadline until
        if likely(is_forever(blocking, timeout)):
            until = deadline_never()
        elif not acquire_deadline(blocking, timeout, &until):
            return try_to_take(self) == 0
        return try_to_take(self) == 0 or take(self, until) == 0

    def release(self):
        """Let the lock go once.

        Raises
        ------
        RuntimeError
            The calling thread does not hold it.
        """
        let_go(self)

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
        if try_to_take(self):
            take(self, deadline_never())
        return True

    def __exit__(self, exc_type, exc, traceback, /):
        let_go(self)

    # What threading.Condition asks of a lock.

    def _is_owned(self):
        return bool(rlock_is_owned(self))

    def _recursion_count(self):
        return rlock_depth(self)[0] + 1 if rlock_is_owned(self) else 0

    def _release_save(self):
        if not rlock_is_owned(self):
            raise RuntimeError("cannot release un-acquired lock")
        depth = rlock_depth(self)[0]
        rlock_depth(self)[0] = 0
        let_go(self)
        return depth

    def _acquire_restore(self, depth, /):
        mutex_acquire_again(&self.m)
        rlock_owned(self)
        rlock_depth(self)[0] = depth

    def _at_fork_reinit(self):
        # What threading calls on its own locks in the child of a fork.
        if self.shared is None:
            store_relaxed_u64(&self.owner, 0)
            self.own_depth = 0
            store_relaxed_u32(self.m.word, FREE)

    def __reduce__(self):
        raise TypeError("an RLock is memory; pass on the buffer, and attach to it")

    def __repr__(self):
        state = "locked" if mutex_is_held(&self.m) else "unlocked"
        owner = load_relaxed_u64(&self.owner) if self.m.robust == NULL else owner_of(&self.m)
        count = rlock_depth(self)[0] + 1 if owner else 0
        return (
            f"<{state} {type(self).__module__}.{type(self).__qualname__} object owner={owner} count={count} "
            f"at {id(self):#x}>"
        )
