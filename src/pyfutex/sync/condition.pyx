"""Condition: threads that wait until another one tells them to look again.

A waiter notes the number of notices under the lock, lets the lock go, and sleeps for as long as the number is the same. A
notifier, who holds the lock, raises the number and moves sleepers to the lock's own word, asleep: each release of the lock
then wakes one, so that nobody is woken to find the lock taken.
"""

cimport cython

from cpython.exc cimport PyErr_CheckSignals, PyErr_WarnEx
from libc.errno cimport EAGAIN, EINTR, ETIMEDOUT
from libc.stdint cimport int64_t, uint32_t, uint64_t
from posix.time cimport timespec

from pyfutex._core.atomic cimport cas_u32, fetch_or_u32, load_relaxed_u32, store_relaxed_u32, store_relaxed_u64
from pyfutex._core.clock cimport Deadline, NEVER
from pyfutex._core.kernelcalls cimport PRIVATE_FLAG, kernel_cmp_requeue, kernel_cmp_requeue_pi, kernel_wait
from pyfutex._errors cimport raise_errno
from pyfutex._recording cimport MOVE, add, note_time
from pyfutex.sync._inherited cimport inherited_wait
from pyfutex.sync._mutex cimport (
    HELD,
    HELD_PARKED,
    mutex_acquire_again,
    mutex_is_owned,
    mutex_raise,
    mutex_release,
)
from pyfutex.sync._robust cimport KIND_CONDITION, Thread, WAITERS, robust_begin, robust_end, robust_inherits
from pyfutex.sync._shared cimport ATTACH, CREATE, Opening, shared_bind
from pyfutex.sync._thread cimport robust_thread
from pyfutex.sync._timeouts cimport wait_deadline
from pyfutex.sync._sleepers cimport sleep_begins, sleep_ends, wake_sleepers
from pyfutex.sync.lock cimport Lock, lock_is_shared
from pyfutex.sync.rlock cimport RLock, rlock_depth, rlock_in, rlock_is_owned, rlock_owned

import time


cdef enum:
    MANY = 0x7FFFFFFF
    # The number of a shared condition's stamp.
    OWN_LOCK = 0
    OTHER_LOCK = 1
    NOT_TAKEN = 1       # which no answer of a lock is


cdef int use_lock(Condition c, object lock) except -1:
    c.lock = lock
    if isinstance(lock, Lock):
        c.plain = lock
        c.m = &c.plain.m
        if inherits(c):
            c.flag = 0      # as in the futex calls on the lock
    elif isinstance(lock, RLock):
        c.nested = lock
        c.m = &c.nested.m
    return 0


cdef Condition bind(object buffer, object offset, object lock, Opening how):
    cdef Condition c = Condition.__new__(Condition)
    cdef uint32_t flags, number = OWN_LOCK if lock is None else OTHER_LOCK, found
    if lock is not None and not (isinstance(lock, (Lock, RLock)) and is_shared(lock)):
        raise TypeError("the lock of a shared condition is a Lock or RLock in shared memory")
    c.shared = shared_bind(buffer, offset, sizeof(SharedCondition), KIND_CONDITION, 0, number, how, &flags, &found)
    if found != number:
        raise ValueError("the condition was created with a lock of its own" if found == OWN_LOCK else
                         "the condition was created for another lock: name it")
    c.notices = &(<SharedCondition *> c.shared.head).notices
    c.flag = 0
    use_lock(c, rlock_in(c.shared) if lock is None else lock)
    return c


cdef bint is_shared(object lock):
    return lock_is_shared(<Lock> lock) if isinstance(lock, Lock) else (<RLock> lock).shared is not None


cdef inline bint inherits(Condition c) noexcept:
    return c.m != NULL and c.m.robust != NULL and robust_inherits(c.m.robust)


cdef bint is_owned(Condition c) except -1:
    """Whether the calling thread holds the lock; of a lock that knows no owner, whether anybody does."""
    if c.nested is not None:
        return rlock_is_owned(c.nested)
    if c.m != NULL:
        return mutex_is_owned(c.m)
    if hasattr(c.lock, "_is_owned"):
        return c.lock._is_owned()
    if c.lock.acquire(False):
        c.lock.release()
        return False
    return True


cdef object let_go(Condition c):
    """Release the lock however often it is held; what take_again needs."""
    cdef uint32_t *depth
    cdef int result
    saved = None
    if c.m == NULL:
        if hasattr(c.lock, "_release_save"):
            return c.lock._release_save()
        c.lock.release()
        return None
    if c.nested is not None:
        depth = rlock_depth(c.nested)
        saved = depth[0]
        depth[0] = 0
        store_relaxed_u64(&c.nested.owner, 0)
    result = mutex_release(c.m)
    if result:
        mutex_raise(result)
    return saved


cdef int take_again(Condition c, object saved, int taken) except -1:
    """`taken`: NOT_TAKEN, or what the lock answered, which is had."""
    if c.m == NULL:
        if hasattr(c.lock, "_acquire_restore"):
            c.lock._acquire_restore(saved)
        else:
            c.lock.acquire()
        return 0
    try:
        if taken == NOT_TAKEN:
            mutex_acquire_again(c.m)
        elif taken:
            mutex_raise(taken)
    finally:
        # Also when its owner died: then it is ours. If it is recoverable no more, the depth may be somebody else's to write.
        if c.nested is not None and mutex_is_owned(c.m):
            rlock_owned(c.nested)
            rlock_depth(c.nested)[0] = saved
    return 0


cdef int sleep_inheriting(Condition c, uint32_t seen, Deadline until, int *taken) except 1:
    """As sleep_once, over a lock with priority inheritance: whoever is woken has it, and `taken` is what it answered."""
    cdef Thread *t = robust_thread()
    cdef timespec end
    cdef int answer
    end.tv_sec = until.ns // 1000000000
    end.tv_nsec = until.ns % 1000000000
    robust_begin(c.m.robust, t)
    answer = inherited_wait(c.m.robust, t, &c.notices.n, seen, NULL if until.ns == NEVER else &end, until.clock)
    if answer == -EINTR or answer == -ETIMEDOUT:
        return answer
    if answer != -EAGAIN:
        taken[0] = answer
    return 0


cdef int sleep_once(Condition c, uint32_t seen, Deadline until) except 1:
    """0: woken, or there was a notice already; -EINTR; -ETIMEDOUT. After anything but -EINTR the lock is pending."""
    cdef Thread *t = NULL
    cdef uint64_t asleep
    cdef long answer
    if c.m != NULL and c.m.robust != NULL:
        # A notifier may move us to the lock. If we are killed then, the kernel wakes the next one there in our stead.
        t = robust_thread()
        robust_begin(c.m.robust, t)
    asleep = sleep_begins(KIND_CONDITION, &c.notices.n, 0)
    with nogil:
        answer = kernel_wait(&c.notices.n, seen, 0xFFFFFFFF, until, c.flag)
    sleep_ends(asleep, answer)
    if answer == -EAGAIN:
        return 0
    if answer and answer != -ETIMEDOUT and t != NULL:
        robust_end(t)
    if answer and answer != -ETIMEDOUT and answer != -EINTR:
        raise_errno(<int> -answer)
    return <int> answer


cdef inline void count(Condition c, int change) noexcept nogil:
    """Count a thread that begins to wait, or ends. Requires: the lock is held."""
    cdef uint32_t n = c.notices.waiting
    if change > 0 or n:     # never below 0, whatever somebody wrote there
        store_relaxed_u32(&c.notices.waiting, n + <uint32_t> change)


cdef bint wait_for_notice(Condition c, Deadline until) except -1:
    cdef uint32_t seen = load_relaxed_u32(&c.notices.n)
    cdef int why, taken = NOT_TAKEN
    cdef bint is_noticed
    count(c, 1)
    saved = let_go(c)
    try:
        while True:
            why = sleep_inheriting(c, seen, until, &taken) if inherits(c) else sleep_once(c, seen, until)
            if why == -EINTR:
                PyErr_CheckSignals()
            # A notice may have moved us before a deadline or a signal ended our sleep: then it was ours.
            if why != -EINTR or load_relaxed_u32(&c.notices.n) != seen:
                break
    except BaseException:
        take_again(c, saved, NOT_TAKEN)
        count(c, -1)
        if load_relaxed_u32(&c.notices.n) != seen:
            notify(c, 1)        # it may have been ours, which nobody will act on now
        raise
    take_again(c, saved, taken)
    is_noticed = load_relaxed_u32(&c.notices.n) != seen
    count(c, -1)
    return is_noticed or why == 0


cdef int notify(Condition c, uint32_t n) except -1:
    cdef uint32_t now
    cdef int64_t noted
    cdef long answer
    if c.notices.waiting == 0 or n == 0:
        return 0
    noted = note_time()
    now = load_relaxed_u32(&c.notices.n) + 1
    store_relaxed_u32(&c.notices.n, now)
    if c.m == NULL:
        answer = wake_sleepers(&c.notices.n, <int> n, c.flag)
    elif inherits(c):
        # The call is for one, and for so many more.
        answer = kernel_cmp_requeue_pi(&c.notices.n, c.m.word, now, n - 1, c.flag)
    else:
        # Before they move: if we are killed here, they are woken when the kernel sees that the lock has waiters.
        if c.m.robust != NULL:
            fetch_or_u32(c.m.word, WAITERS)
        else:
            cas_u32(c.m.word, HELD, HELD_PARKED)
        answer = kernel_cmp_requeue(&c.notices.n, c.m.word, now, 0, n, c.flag)
    if answer < 0 and answer != -EAGAIN:
        raise_errno(<int> -answer)
    if noted and answer > 0 and c.m != NULL:
        add(MOVE, noted, 0, <uint64_t> &c.notices.n, <uint64_t> c.m.word, answer)
    return 0


@cython.final
cdef class Condition:
    """Condition(lock=None)\n--\n\n\
    Threads that wait, with a lock let go, until one that has the lock tells them to look again.

    `Condition(lock)` is `threading.Condition`. One in shared memory works between processes: waiters that are killed hold up
    nobody, and who is notified loses no wake to one that dies; but a `notify(1)` may be spent on a waiter that dies the next
    instant, so notify all, or wait with a timeout, where processes may die.

    Those who are notified do not run into the lock: they are moved to it asleep.

    Parameters
    ----------
    lock : Lock, RLock or any other lock, optional
        A new RLock by default.

    Notes
    -----
    As with threading, a few more may be woken than were to be notified: look at what you wait for again, or use `wait_for`.

    Thread safety: all methods, from any thread; those of one in shared memory, from any process that maps it.

    Examples
    --------
    >>> from pyfutex.sync import Condition
    >>> condition = Condition()
    >>> with condition:
    ...     condition.wait(timeout=0.001)
    False
    """

    SIZE = sizeof(SharedCondition)

    def __cinit__(self):
        self.notices = &self.own
        self.flag = PRIVATE_FLAG

    def __init__(self, lock=None):
        use_lock(self, RLock() if lock is None else lock)
        if self.m != NULL and is_shared(self.lock):
            raise TypeError("a condition of a shared lock lies in shared memory, too: use Condition.create")

    @classmethod
    def create(cls, buffer, offset=0, lock=None):
        """Make a condition in memory that other processes may map, too.

        Parameters
        ----------
        buffer, offset
            As those of `Lock.create`.
        lock : Lock or RLock, optional
            One in shared memory. None: the condition has an RLock of its own in its `SIZE` bytes.

        Raises
        ------
        FileExistsError, ValueError, OSError
            As `Lock.create`.
        TypeError
            `lock` is none in shared memory.
        """
        return bind(buffer, offset, lock, CREATE)

    @classmethod
    def attach(cls, buffer, offset=0, lock=None):
        """Find the condition that somebody created, with the same `lock`. Zero bytes are one with a lock of its own."""
        return bind(buffer, offset, lock, ATTACH)

    def acquire(self, blocking=True, timeout=-1):
        """Take the lock; see there."""
        return self.lock.acquire(blocking, timeout)

    def release(self):
        """Let the lock go; see there."""
        self.lock.release()

    def __enter__(self):
        return self.lock.__enter__()

    def __exit__(self, exc_type, exc, traceback, /):
        return self.lock.__exit__(exc_type, exc, traceback)

    def locked(self):
        """Whether somebody holds the lock."""
        return self.lock.locked()

    def consistent(self):
        """Say, after `OwnerDied`, that what the lock protects is whole again; see `Lock.consistent`."""
        self.lock.consistent()

    def wait(self, timeout=None):
        """Let the lock go, sleep until notified, take the lock again.

        Parameters
        ----------
        timeout : float, optional
            Seconds to sleep at most; None: as long as it takes.

        Returns
        -------
        bool
            False if the time was over before a notice came. The lock is held in any case.

        Raises
        ------
        RuntimeError
            The calling thread does not hold the lock.
        OwnerDied
            Of one in shared memory: whoever had the lock meanwhile died with it. It is held now.
        """
        cdef Deadline until
        if not is_owned(self):
            raise RuntimeError("cannot wait on un-acquired lock")
        wait_deadline(timeout, &until)
        return bool(wait_for_notice(self, until))

    def wait_for(self, predicate, timeout=None):
        """Wait until `predicate()` is true, and return what it said last; at most `timeout` seconds."""
        end = None if timeout is None else time.monotonic() + timeout
        result = predicate()
        while not result:
            if end is not None:
                timeout = end - time.monotonic()
                if timeout <= 0:
                    break
            self.wait(timeout)
            result = predicate()
        return result

    def notify(self, n=1):
        """Let the `n` threads that have waited longest go on, one after the other as they get the lock.

        Raises
        ------
        RuntimeError
            The calling thread does not hold the lock.
        """
        if not is_owned(self):
            raise RuntimeError("cannot notify on un-acquired lock")
        notify(self, max(0, min(n, MANY)))

    def notify_all(self):
        """Let all that wait go on, one after the other as they get the lock.

        Raises
        ------
        RuntimeError
            The calling thread does not hold the lock.
        """
        if not is_owned(self):
            raise RuntimeError("cannot notify on un-acquired lock")
        notify(self, MANY)

    def notifyAll(self):
        """Let all threads that wait go on. Deprecated: `notify_all`."""
        PyErr_WarnEx(DeprecationWarning, "notifyAll() is deprecated, use notify_all() instead", 1)
        self.notify_all()

    # What threading asks of a condition.

    def _is_owned(self):
        return bool(is_owned(self))

    def _at_fork_reinit(self):
        self.lock._at_fork_reinit()
        if self.shared is None:
            self.own.waiting = 0

    def __reduce__(self):
        raise TypeError("a Condition is memory; pass on the buffer, and attach to it")

    def __repr__(self):
        return f"<Condition({self.lock!r}, {load_relaxed_u32(&self.notices.waiting)})>"
