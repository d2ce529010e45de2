"""Waiter: an entry of the queue as a Python object, for those who queue first and block, poll or await later.

Who owns a Waiter: its holders, and while it is queued the queue as well. Whoever takes it off the queue (a waker, a
cancel, a completion queue's reader) gets that reference and drops it, attached and with no lock held. So a Waiter is
never deallocated while queued.
"""

cimport cython

from cpython.exc cimport PyErr_CheckSignals, PyErr_SetFromErrno
from cpython.ref cimport Py_DECREF
from libc.stdint cimport uint32_t
from posix.unistd cimport close

from pyfutex._arguments cimport as_deadline
from pyfutex._callbacks cimport call_on_wake, check_on_wake
from pyfutex._core.atomic cimport cas_u32, load_acquire_u32, store_release_u32
from pyfutex._core.clock cimport Deadline, deadline_after, now_ns
from pyfutex._core.completions cimport bell_new, bell_renew, bell_ring
from pyfutex._core.engine cimport await_mark, engine_complete, engine_key, engine_notify_through
from pyfutex._core.family cimport epoch_address
from pyfutex._core.key cimport Key as CKey
from pyfutex._core.parker cimport Parker, WITHDRAWN, park, parker_self
from pyfutex._core.parts cimport part_before, parts_free
from pyfutex._core.pistate cimport wait_of
from pyfutex._core.status cimport ATTACHED, BUSY, CONTENDED, DETACHED, INTERRUPTED, NO_MEMORY, OK, Status, TAKEN, TIMED_OUT
from pyfutex._core.vector cimport Vector
from pyfutex._core.waiter cimport (
    CANCELLED,
    DRAINED,
    IDLE,
    LEAVING,
    OBJECT,
    PI,
    PLAIN,
    PREPARING,
    QUEUED,
    QUEUED_MANY,
    VECTOR,
    WITH_REFERENCE,
    WOKEN,
    WOKEN_EARLY,
    is_marked,
    mark_waiter,
    waiter_init,
)
from pyfutex._core.waitv cimport vector_call_off, vector_notify_through, vector_unlink
from pyfutex._pimutex cimport pi_enter, pi_is_mine, pi_leave
from pyfutex.key cimport key_object
from pyfutex.target cimport Target, is_called

from pyfutex.results import WaiterState, WaitResult


cdef enum:
    A_MOMENT_NS = 1000000


cdef const uint32_t *EPOCH = epoch_address()


cdef inline uint32_t current_epoch() noexcept:
    return load_acquire_u32(EPOCH)


cdef object RESULT_TIMEOUT = WaitResult.TIMEOUT
cdef object RESULT_WOKEN = WaitResult.WOKEN
cdef dict STATES = {
    <int> IDLE: WaiterState.IDLE,
    <int> PREPARING: WaiterState.IDLE,
    <int> QUEUED: WaiterState.QUEUED,
    <int> WOKEN: WaiterState.DONE,
    <int> CANCELLED: WaiterState.CANCELLED,
}


cdef int waiter_phase(Waiter w) noexcept:
    # In the child of a fork, a waiter that was queued before is not queued: nobody will take it. Nor will anybody mark one
    # that a thread of the parent had just taken. The reference that the queue or that thread had is dropped by
    # whoever notices first. None is dropped for one that a thread of the parent was about to queue: it may have none yet.
    cdef int phase = load_acquire_u32(&w.c.phase)
    if w.c.epoch == current_epoch():
        return seen_phase(phase)
    if phase == QUEUED or phase == QUEUED_MANY:
        waiter_cancel(w)
    elif (phase == LEAVING or (phase == WOKEN and not is_marked(&w.c))) and cas_u32(&w.c.phase, phase, CANCELLED):
        mark_waiter(&w.c, WITHDRAWN)
        Py_DECREF(w)
    elif phase == PREPARING or phase == WOKEN_EARLY:
        cas_u32(&w.c.phase, phase, CANCELLED)
    return seen_phase(load_acquire_u32(&w.c.phase))


cdef inline int seen_phase(int phase) noexcept:
    # A vector that is being prepared or taken out is so to everybody, whatever its wakers see.
    if phase <= CANCELLED:
        return phase
    return PREPARING if phase == WOKEN_EARLY else QUEUED


cdef void adopt_after_fork(Waiter w) noexcept:
    # The number of its descriptor stays; what is behind it must not be the parent's.
    if w.c.epoch != current_epoch():
        if w.c.fd >= 0:
            bell_renew(w.c.fd)
        w.c.epoch = current_epoch()


cdef bint cancel_vector(Waiter w) noexcept:
    cdef Vector *v
    if not vector_call_off(&w.c):
        return False
    v = <Vector *> w.c.part
    if vector_unlink(v, ATTACHED) == CONTENDED:
        with nogil:
            vector_unlink(v, DETACHED)
    return True


cdef void await_end(Waiter w) noexcept:
    # In portions: should it be queued anew meanwhile, its mark is not to come.
    cdef Parker *p
    while load_acquire_u32(&w.c.phase) == WOKEN and not is_marked(&w.c):
        with nogil:
            p = parker_self()
            if p != NULL:
                park(p, &w.c.mark, deadline_after(A_MOMENT_NS))


cdef void waiter_settle(Waiter w) noexcept:
    if not w.c.is_slept_on:
        return
    await_end(w)
    if load_acquire_u32(&w.c.undrained) == WITH_REFERENCE:
        store_release_u32(&w.c.undrained, DRAINED)
        Py_DECREF(w)


cdef uint32_t waiter_index(Waiter w) noexcept:
    await_end(w)
    return w.c.bitset


cdef bint waiter_cancel(Waiter w) noexcept:
    cdef Status status
    cdef uint32_t phase
    cdef bint serialised
    cdef Target target
    phase = load_acquire_u32(&w.c.phase)
    if phase == QUEUED_MANY:
        if not cancel_vector(w):
            return False
        withdraw(w)
        return True
    if phase != QUEUED:
        return False
    # A PI waiter on a Python target leaves under the target's PI mutex: its unlock reads the queue, then the word.
    serialised = w.c.kind >= PI and is_called(<Target> w.target) and not pi_is_mine(&(<Target> w.target).pi)
    if serialised:
        target = <Target> w.target
        with nogil:
            pi_enter(&target.pi)
    status = engine_complete(&w.c, ATTACHED)
    if status == CONTENDED:
        with nogil:
            status = engine_complete(&w.c, DETACHED)
    if serialised:
        pi_leave(&target.pi)
    if status != OK:
        return False
    withdraw(w)
    return True


cdef inline void withdraw(Waiter w) noexcept:
    # Ours alone, but for a thread that may sleep on it. Release: whoever finds it CANCELLED finds the mark.
    mark_waiter(&w.c, WITHDRAWN)
    store_release_u32(&w.c.phase, CANCELLED)
    Py_DECREF(w)


cdef bint waiter_leave(Waiter w) except? True:
    cdef object on_cancel
    if waiter_phase(w) != QUEUED or not waiter_cancel(w):
        return False
    on_cancel = w.on_cancel
    if on_cancel is not None:
        on_cancel(w)
    return True


cdef object waiter_sleep(Waiter w, Deadline until, bint runs_handlers):
    cdef Parker *p
    cdef Status status
    cdef int phase
    while True:
        phase = waiter_phase(w)
        if phase == CANCELLED:
            raise RuntimeError("the waiter was cancelled")
        if phase != QUEUED and phase != WOKEN:
            raise RuntimeError("the waiter is not queued")
        if is_marked(&w.c):
            return RESULT_WOKEN
        if phase == QUEUED and until.ns <= now_ns(until.clock):
            return RESULT_TIMEOUT
        with nogil:
            p = parker_self()
            status = NO_MEMORY if p == NULL else park(p, &w.c.mark, until)
        if status == TIMED_OUT:
            # Taken at the last moment counts as woken; its mark is on its way.
            if waiter_phase(w) == QUEUED:
                return RESULT_TIMEOUT
            with nogil:
                await_mark(&w.c)
        elif status == INTERRUPTED:
            if not runs_handlers:
                return None
            PyErr_CheckSignals()
        elif status == BUSY:
            raise RuntimeError("another thread sleeps on this waiter")
        elif status == NO_MEMORY:
            raise MemoryError


cdef Status notify_through(Waiter w, int fd, void *queue) noexcept:
    cdef Status status
    cdef Vector *v
    if w.c.kind == VECTOR:
        v = <Vector *> w.c.part
        # Another thread may have been faster to give w another life.
        if load_acquire_u32(&w.c.phase) != QUEUED_MANY or not part_before(v).is_vector:
            return TAKEN
        status = vector_notify_through(v, fd, queue, ATTACHED)
        if status == CONTENDED:
            with nogil:
                status = vector_notify_through(v, fd, queue, DETACHED)
        return status
    status = engine_notify_through(&w.c, &w.c, fd, queue, ATTACHED)
    if status == CONTENDED:
        with nogil:
            status = engine_notify_through(&w.c, &w.c, fd, queue, DETACHED)
    return status


cdef int waiter_result(Waiter w) noexcept:
    """Requires: it was woken."""
    if w.c.kind == VECTOR:
        return <int> waiter_index(w)
    return -wait_of(&w.c).error if w.c.kind >= PI else 0


cdef void run_callback(Waiter w) noexcept:
    if w.on_wake is not None:
        call_on_wake(w.on_wake, w, waiter_result(w))


@cython.final
cdef class Waiter:
    """Waiter(on_wake=None, *, queue=None, tag=None)\n--\n\n\
    One entry of a manager's queue, for callers who queue first and learn later.

    Parameters
    ----------
    on_wake : callable or capsule, optional
        Called with this waiter when it has been woken: by the waking thread, after it let all locks go; or, if there is
        a `queue`, by whoever calls `CompletionQueue.run`. An exception goes to `sys.unraisablehook`. A capsule named
        "pyfutex.on_wake" holds a C function instead, ``void (*)(void *context, int result)``: it is called attached, with
        the capsule's context and what `result` says.
    queue : CompletionQueue, optional
        Where this waiter goes when woken.
    tag : object, optional
        The caller's own: the guest thread, a greenlet, ...

    Attributes
    ----------
    tag : object

    Notes
    -----
    A waiter can be queued again and again, in one queue at a time. While it is queued the queue keeps it alive.
    Thread safety: any thread, at any time; two threads that queue it at the same time are told apart (RuntimeError).

    See Also
    --------
    Manager.wait_prepare : queues one.
    """

    def __cinit__(self, on_wake=None, *, CompletionQueue queue=None, tag=None):
        waiter_init(&self.c, PLAIN, OBJECT, 0, 0)
        self.c.owner = <void *> self
        self.c.epoch = current_epoch()
        self.on_wake = on_wake
        self.queue = queue
        self.c.queue = NULL if queue is None else <void *> &queue.c
        self.tag = tag
        check_on_wake(on_wake)

    def __dealloc__(self):
        # Not queued: the queue would hold a reference. Nor about to be marked: so would its taker. Without an owner the
        # constructor refused its arguments before it set anything up: then 0 is no descriptor of ours.
        if self.c.owner == NULL:
            return
        if self.c.fd >= 0:
            close(self.c.fd)
        parts_free(&self.c)

    @property
    def state(self):
        """WaiterState: where it is in its life."""
        return STATES[waiter_phase(self)]

    @property
    def woken(self):
        """bool: whether a waker took it."""
        return waiter_phase(self) == WOKEN

    @property
    def result(self):
        """int or None: what the call would have returned: 0 when woken (or when it got the PI word); None before.

        After `Manager.waitv_prepare` the index of the item that was woken; of several, of the last one. -EFAULT: the owner
        of the PI word died, and the word's memory is not there any more.
        """
        if waiter_phase(self) != WOKEN:
            return None
        return waiter_result(self)

    @property
    def key(self):
        """Key or None: where it is queued, or was last; after a requeue the new place.

        After `Manager.waitv_prepare`: where the entry was queued that `result` tells of; None before it was woken.
        """
        cdef CKey key
        cdef int phase = waiter_phase(self)
        if phase == IDLE or phase == PREPARING:
            return None
        if self.c.kind == VECTOR:
            if phase != WOKEN:
                return None
            await_end(self)
            key = self.c.key
            return key_object(&key)
        if engine_key(&self.c, &key, ATTACHED) == CONTENDED:
            with nogil:
                engine_key(&self.c, &key, DETACHED)
        return key_object(&key)

    def wait(self, timeout=None, *, deadline=None, clock=1):
        """Sleep until this waiter is woken.

        Parameters
        ----------
        timeout : float, seconds, optional
            Relative. None waits for ever, 0 only looks.
        deadline : float, seconds, optional
            Absolute, on `clock`; instead of `timeout`.
        clock : int, optional
            CLOCK_MONOTONIC or CLOCK_REALTIME.

        Returns
        -------
        WaitResult
            WOKEN; or TIMEOUT, and it is still queued.

        Raises
        ------
        RuntimeError
            It is not queued, was cancelled (now or meanwhile), or another thread sleeps on it.
        ValueError, OverflowError, TypeError
            `timeout` or `deadline` negative, too large, both given, or no number.

        Notes
        -----
        Releases the GIL while it sleeps, and runs signal handlers.
        """
        cdef Deadline until
        as_deadline(timeout, deadline, clock, &until)
        return waiter_sleep(self, until, True)

    def cancel(self):
        """Take it out of the queue, wherever a requeue may have moved it.

        Returns
        -------
        bool
            True: it was queued and is no more; nobody will wake it. False: it was not, or a waker was faster: look at
            `state` and `result`.
        """
        return bool(waiter_leave(self))

    def fileno(self):
        """A descriptor that becomes readable when this waiter is woken, for select, poll and epoll.

        It is made at the first call, stays the same, and is closed with the waiter. Do not read from it or close it.

        Returns
        -------
        int

        Raises
        ------
        OSError
            EMFILE, ENFILE: out of descriptors. Many waiters are better served by one `CompletionQueue`.
        """
        cdef int fd
        waiter_phase(self)      # after a fork it is not queued, nor taken, and its epoch may change
        if self.c.fd >= 0:
            adopt_after_fork(self)
            return self.c.fd
        fd = bell_new()
        if fd < 0:
            PyErr_SetFromErrno(OSError)
        if notify_through(self, fd, self.c.queue) == TAKEN:
            # Not queued, so nobody but us looks at it; or taken by a waker who may still read the old value: then wait
            # until it is done, and tell ourselves what it did not know how to tell.
            if load_acquire_u32(&self.c.phase) == WOKEN:
                if not is_marked(&self.c):
                    with nogil:
                        await_mark(&self.c)
                bell_ring(fd)
            self.c.fd = fd
        return fd

    def _call_on_wake(self):
        # For CompletionQueue.run and pyfutex.aio.
        run_callback(self)

    def _complete_into(self, CompletionQueue queue not None, on_cancel):
        # For pyfutex.aio: have this waiter, if it is still queued, complete into an event loop's queue. Whether it was.
        if self.queue is not None:
            raise RuntimeError("the waiter completes into a queue, or is awaited already")
        # Before it is sure to complete there: whoever cancels it from then on has to say so.
        self.on_cancel = on_cancel
        if waiter_phase(self) != QUEUED or notify_through(self, self.c.fd, &queue.c) != OK:
            self.on_cancel = None
            return False
        self.queue = queue
        return True

    def _tell_when_cancelled(self, on_cancel):
        # For pyfutex.aio, before it is queued: `on_cancel` is called with this waiter by who takes it out, on any thread.
        self.on_cancel = on_cancel

    def _complete_alone(self):
        # For pyfutex.aio, once the waiter is not queued any more and out of the event loop's queue.
        self.on_cancel = None
        self.queue = None
        self.c.queue = NULL

    def _wake_another(self):
        # For pyfutex.aio: this waiter was woken and nobody takes note; wake the next one of its key instead.
        self.manager._wake_key_of(self)

    def __await__(self):
        """Wait in the running asyncio event loop; the result is a WaitResult.

        Cancelling the await cancels the waiter. If it was already taken, one wake for the same key is given on.
        """
        from pyfutex.aio import woken

        return woken(self).__await__()

    def __reduce__(self):
        raise TypeError("a Waiter belongs to a queue of this process and cannot be pickled")

    def __repr__(self):
        return f"<Waiter {self.state.name}{'' if self.tag is None else f' {self.tag!r}'}>"
