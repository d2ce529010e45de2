"""CompletionQueue: where a scheduler finds out which of its guests go on, without sleeping and without a callback."""

cimport cython

from cpython.exc cimport PyErr_CheckSignals, PyErr_SetFromErrno
from cpython.object cimport PyObject, PyTypeObject, traverseproc, visitproc
from cpython.ref cimport Py_DECREF
from libc.errno cimport EINTR, errno
from libc.stdint cimport int64_t, uint32_t

from pyfutex._arguments cimport as_count, convert_deadline
from pyfutex._core.clock cimport CLOCK_MONOTONIC, Deadline, NEVER, now_ns
from pyfutex._core.completions cimport (
    bell_wait,
    completions_after_fork,
    completions_bell,
    completions_end,
    completions_first,
    completions_pop,
    completions_settle,
    completions_wait,
)
from pyfutex._core.family cimport current_epoch

from _queue import Empty  # that of queue, without the time that importing queue takes


cdef int bell_of(CompletionQueue queue) except -1:
    cdef int bell = completions_bell(&queue.c)
    if bell < 0:
        PyErr_SetFromErrno(OSError)
    return bell


@cython.final
cdef class CompletionQueue:
    """CompletionQueue()\n--\n\n\
    Waiters that were taken by a waker, in the order of the wakes.

    A `Waiter` made with `queue=` is put here when it is woken. Any number of threads may fill it, with or without the
    GIL, and any number may take from it. A waiter cannot be queued anew before it was taken from here.

    Notes
    -----
    Thread safety: any thread, at any time. No call but `get` blocks.
    """

    def __cinit__(self):
        self.c.epoch = current_epoch()

    def __init__(self):
        pass        # takes no arguments: without this, any would be ignored

    def __dealloc__(self):
        # Waiters that are still here were dropped with us, by the collector, which may have cleared what refers to us first.
        cdef CWaiter *w
        completions_settle(&self.c, current_epoch())
        while True:
            w = completions_pop(&self.c, current_epoch())
            if w == NULL:
                break
            Py_DECREF(<object> w.owner)
        completions_end(&self.c)

    def fileno(self):
        """A descriptor that is readable while the queue is not empty, for select, poll, epoll and event loops.

        It is made at the first call of this or of `get`. It may be readable once for nothing. Do not read from it or close
        it.

        Raises
        ------
        OSError
            There is no descriptor to be had.
        """
        completions_after_fork(&self.c, current_epoch())
        return bell_of(self)

    @cython.critical_section
    cdef object pop(self):
        # The oldest waiter, or None. The reference that the manager's queue held comes with it.
        cdef CWaiter *w = completions_pop(&self.c, current_epoch())
        cdef object waiter
        if w == NULL:
            return None
        waiter = <object> w.owner
        Py_DECREF(waiter)
        return waiter

    def empty(self):
        """Whether nothing is here now."""
        return not completions_wait(&self.c)

    def get(self, timeout=None):
        """Take the oldest waiter, sleeping until there is one.

        Parameters
        ----------
        timeout : float, seconds, optional
            None waits for ever, 0 only looks.

        Returns
        -------
        Waiter
            Its `on_wake` was not called.

        Raises
        ------
        queue.Empty
            `timeout` seconds passed first.
        ValueError, OverflowError
            Negative or not a number; too large.
        """
        cdef Deadline deadline
        cdef int64_t left
        cdef int milliseconds, rings, error, bell
        convert_deadline(timeout, None, CLOCK_MONOTONIC, &deadline)
        while True:
            waiter = self.pop()
            if waiter is not None:
                return waiter
            milliseconds = -1
            if deadline.ns != NEVER:
                left = deadline.ns - now_ns(CLOCK_MONOTONIC)
                if left <= 0:
                    raise Empty
                milliseconds = <int> min(left // 1000000 + 1, 1000000)
            bell = bell_of(self)
            with nogil:
                rings = bell_wait(bell, milliseconds)
                error = errno
            if rings < 0:
                if error != EINTR:
                    PyErr_SetFromErrno(OSError)
                PyErr_CheckSignals()

    def drain(self, limit=0x7FFFFFFF):
        """Take what is here, up to `limit` waiters, oldest first. Never blocks.

        Returns
        -------
        list of Waiter
            Their `on_wake` was not called.
        """
        cdef list taken = []
        cdef uint32_t most
        as_count(limit, &most)
        while <size_t> len(taken) < most:
            waiter = self.pop()
            if waiter is None:
                break
            taken.append(waiter)
        return taken

    def run(self, limit=0x7FFFFFFF):
        """Take what is here, up to `limit` waiters, and call each one's `on_wake`.

        An exception of a callback goes to `sys.unraisablehook`; the others are called all the same.

        Returns
        -------
        int
            How many were taken.
        """
        cdef list taken = self.drain(limit)
        for waiter in taken:
            waiter._call_on_wake()
        return len(taken)

    def __reduce__(self):
        raise TypeError("a CompletionQueue belongs to this process and cannot be pickled")


# --- garbage collection ---

# A waiter has a reference to its queue and is in it with a reference of its own, so that nobody but the collector can
# free a queue that is dropped with waiters in it. Those references are no fields, which Cython would find by itself. The
# collector breaks the circle by taking their queue from the waiters.

cdef PyTypeObject *TYPE = <PyTypeObject *> CompletionQueue
cdef traverseproc visit_fields = TYPE.tp_traverse


cdef int visit_waiters(PyObject *self, visitproc visit, void *arg) except -1:
    # Nobody takes a waiter off meanwhile: that needs the GIL, or that the world goes on. One that is pushed meanwhile is
    # somebody's still for this collection, and with it the queue.
    cdef int answer = visit_fields(self, visit, arg)
    cdef const CWaiter *w
    cdef int which
    for which in range(2):
        w = completions_first(&(<CompletionQueue> self).c, which)
        while w != NULL and answer == 0:
            answer = visit(<PyObject *> w.owner, arg)
            w = w.next
    return answer


TYPE.tp_traverse = visit_waiters
