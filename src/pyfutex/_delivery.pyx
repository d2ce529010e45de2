"""What a waker does after it let the bucket locks go.

Entries of vectors are settled before: a vector that is over with this is one more thread or object, behind the others.

Threads first: each is marked, which wakes it. Then the waiters of C code (_core/nativewaiter). Then those that are Python
objects: all of them are marked before the first callback runs, so a callback that cancels a sibling, or waits for one, finds
it done. Callbacks run in the order of the wakes. A callback that wakes others runs theirs inside it, to a depth of
MAX_DEPTH; beyond, they are put off until the outermost is back, so that a long chain of callbacks does not eat the stack.
"""

from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc

from pyfutex._core.atomic cimport store_release_u32, unlikely
from pyfutex._core.checks cimport check_no_lock
from pyfutex._core.completions cimport Completions, bell_ring, completions_push
from pyfutex._core.engine cimport deliver_threads
from pyfutex._core.nativewaiter cimport deliver_natives
from pyfutex._core.parker cimport MARKED, Parker, parker_self
from pyfutex._core.status cimport ATTACHED, CONTENDED, DETACHED
from pyfutex._core.waiter cimport IN_QUEUE, Waiter as CWaiter, mark_waiter
from pyfutex._core.waitv cimport settle_entries
from pyfutex._recording cimport note_taken
from pyfutex._wakerule cimport wake_begins, wake_ends
from pyfutex.waiter cimport Waiter, run_callback


cdef extern from "Python.h":
    # The plain macro. An object expression would count a reference up and down around it, and the one right after the
    # other stalls the processor: the counts are stored and loaded in different widths.
    void drop "Py_DECREF" (PyObject *o)

cdef extern from "_delivery.h":
    int callback_depth "pf_callback_depth"
    PyObject *put_off "pf_put_off"

cdef enum:
    MAX_DEPTH = 16
    ON_STACK = 32


cdef void deliver_adaptively(Taken *taken) noexcept:
    cdef Parker *p = parker_self()
    cdef int64_t began = wake_begins(p)
    if began:
        with nogil:
            deliver_threads(taken)
    else:
        deliver_threads(taken)
    wake_ends(p, began)


cdef void settle(Taken *taken) noexcept:
    if settle_entries(taken, ATTACHED) == CONTENDED:
        with nogil:
            settle_entries(taken, DETACHED)


cdef int deliver(Taken *taken) except -1:
    check_no_lock()
    if unlikely(taken.entries != NULL):
        settle(taken)
    note_taken(taken)
    if taken.threads != NULL:
        deliver_adaptively(taken)
    if unlikely(taken.natives != NULL):
        deliver_natives(taken)
    if taken.n_objects:
        deliver_objects(taken)
    return 0


cdef int deliver_objects(Taken *taken) except -1:
    """The references that the queue held come to us with the waiters; each is dropped after its callback."""
    cdef PyObject *on_stack[ON_STACK]
    cdef PyObject **owners = on_stack
    cdef unsigned int room = ON_STACK
    cdef CWaiter *w = taken.objects
    cdef unsigned int n
    if taken.n_objects > ON_STACK:
        owners = <PyObject **> malloc(taken.n_objects * sizeof(PyObject *))
        room = taken.n_objects
        if owners == NULL:
            # No memory: mark and call back in portions instead.
            owners = on_stack
            room = ON_STACK
    taken.objects = NULL
    taken.n_objects = 0
    while w != NULL:
        n = 0
        while w != NULL and n < room:
            w = mark_object(w, owners, &n)
        call_back(owners, n)
    if owners != on_stack:
        free(owners)
    return 0


cdef CWaiter *mark_object(CWaiter *w, PyObject **owners, unsigned int *n) noexcept:
    """Mark one object; its reference goes to `owners`, or to its completion queue. Returns the next one taken."""
    cdef CWaiter *next = w.next
    cdef Completions *queue = <Completions *> w.queue
    # The descriptor before the mark: after it, it may be closed and its number be somebody else's.
    if w.fd >= 0:
        bell_ring(w.fd)
    if queue == NULL:
        owners[n[0]] = <PyObject *> w.owner
        n[0] += 1
        mark_waiter(w, MARKED)
    else:
        # Marked before it is pushed: whoever pops it may queue it anew. `undrained` keeps others from that until then.
        store_release_u32(&w.undrained, IN_QUEUE)
        mark_waiter(w, MARKED)
        completions_push(queue, w)
    return next


cdef void call_back(PyObject **owners, unsigned int n) noexcept:
    global callback_depth
    cdef unsigned int i
    if n == 1 and (<Waiter> owners[0]).on_wake is None:
        drop(owners[0])
        return
    if callback_depth >= MAX_DEPTH:
        put_waiters_off(owners, n)
        return
    callback_depth += 1
    for i in range(n):
        run_callback(<Waiter> owners[i])
        drop(owners[i])
    callback_depth -= 1
    if callback_depth == 0 and put_off != NULL:
        run_put_off()


cdef void put_waiters_off(PyObject **owners, unsigned int n) noexcept:
    cdef unsigned int i
    for i in range(n):
        try:
            put_waiter_off(<object> owners[i])
        except MemoryError:
            # Now and too deep, rather than never.
            run_callback(<Waiter> owners[i])
        drop(owners[i])


cdef int put_waiter_off(object waiter) except -1:
    global put_off
    cdef list waiting
    if put_off == NULL:
        waiting = []
        Py_INCREF(waiting)
        put_off = <PyObject *> waiting
    (<list> put_off).append(waiter)
    return 0


cdef void run_put_off() noexcept:
    # They may put off more: then a new list is there, for the next round.
    global callback_depth, put_off
    cdef list waiting
    while put_off != NULL:
        waiting = <list> put_off
        Py_DECREF(waiting)
        put_off = NULL
        callback_depth += 1
        for w in waiting:
            run_callback(w)
        callback_depth -= 1
