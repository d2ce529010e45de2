"""Writing records, and handing them over. Contracts are in _recording.pxd."""

from cpython.ref cimport Py_XDECREF, PyObject
from libc.errno cimport EBUSY
from libc.stdint cimport int64_t, uint32_t, uint64_t

from pyfutex._core.atomic cimport (
    cas_u32,
    fetch_add_u32,
    fetch_add_u64,
    fetch_sub_u32,
    load_relaxed_u64,
    load_u32,
    store_relaxed_u32,
    store_relaxed_u64,
    store_u32,
)
from pyfutex._core.clock cimport CLOCK_MONOTONIC, now_ns
from pyfutex._core.pages cimport map_pages, unmap_pages
from pyfutex._core.waiter cimport VECTOR, Waiter
from pyfutex._errors cimport raise_errno


cdef extern from "Python.h":
    ctypedef struct PyFrameObject
    PyFrameObject *PyEval_GetFrame()                    # borrowed; no exception
    int PyFrame_GetLineNumber(PyFrameObject *frame)

cdef extern from "pthread.h" nogil:
    int pthread_atfork(void (*prepare)() noexcept nogil, void (*parent)() noexcept nogil,
                       void (*child)() noexcept nogil)

cdef extern from "sched.h" nogil:
    int sched_yield()

cdef extern from "_recording.h" nogil:
    PyObject *code_of "pf_code_of" (PyFrameObject *frame)
    bint gc_pause "pf_gc_pause" ()
    void gc_resume "pf_gc_resume" (bint was_enabled)
    uint32_t this_tid "pf_this_tid" ()


cdef enum:
    PLACE_BITS = 40         # of what begin_wait returns: 1 + the index of the record; above, the number of the recording

# Written by begin and end alone, while nobody is inside; read inside.
cdef Record *records = NULL
cdef uint64_t room = 0
cdef uint64_t number = 0

cdef uint32_t is_taken = 0      # atomic; whether there is a recording, or one is about to begin or being handed over
cdef uint64_t n_claimed = 0     # atomic; those that found no room, too
cdef uint32_t inside = 0        # atomic


cdef bint enter() noexcept nogil:
    fetch_add_u32(&inside, 1)
    if load_u32(&is_recording):
        return True
    leave()
    return False


cdef void leave() noexcept nogil:
    fetch_sub_u32(&inside, 1)


cdef Record *claim(uint64_t *at) noexcept nogil:
    # Requires: inside. NULL: there is no room.
    at[0] = fetch_add_u64(&n_claimed, 1)
    return &records[at[0]] if at[0] < room else NULL


cdef PyObject *caller(int *line) noexcept:
    """The code that the calling thread runs, of which the record gets a reference; NULL: none."""
    # Making a frame object must not begin a collection, whose finalizers are Python code.
    cdef bint was_enabled = gc_pause()
    cdef PyFrameObject *frame = PyEval_GetFrame()
    gc_resume(was_enabled)
    if frame == NULL:
        return NULL
    line[0] = PyFrame_GetLineNumber(frame)
    return code_of(frame)


cdef uint64_t begin_wait(int kind, uint64_t space, uint64_t word, uint64_t waiter, uint32_t owner) noexcept:
    cdef uint64_t at, noted = 0
    cdef int line = 0
    cdef PyObject *code = caller(&line)
    cdef Record *r
    if enter():
        r = claim(&at)
        if r != NULL:
            r.began = now_ns(CLOCK_MONOTONIC)
            r.space = space
            r.word = word
            r.other = waiter
            r.code = code
            r.line = line
            r.tid = this_tid()
            r.owner = owner
            r.what = WAIT
            r.kind = <uint16_t> kind
            noted = number << PLACE_BITS | at + 1
            code = NULL
        leave()
    Py_XDECREF(code)
    return noted


cdef void end_wait(uint64_t noted, int64_t answer) noexcept nogil:
    cdef Record *r
    if enter():
        if noted >> PLACE_BITS == number:
            r = &records[(noted & (<uint64_t> 1 << PLACE_BITS) - 1) - 1]
            r.answer = answer
            r.ended = now_ns(CLOCK_MONOTONIC)
        leave()


cdef void add(What what, int64_t began, uint64_t space, uint64_t word, uint64_t other, int64_t n) noexcept nogil:
    cdef uint64_t at
    cdef Record *r
    if enter():
        r = claim(&at)
        if r != NULL:
            r.began = began
            r.ended = now_ns(CLOCK_MONOTONIC)
            r.answer = n
            r.space = space
            r.word = word
            r.other = other
            r.tid = this_tid()
            r.what = what
        leave()


cdef void add_waiter(int64_t now, const Waiter *w) noexcept nogil:
    # A vector has no word of its own.
    if w.kind == VECTOR:
        add(WAKE, now, 0, 0, <uint64_t> w, 1)
    else:
        add(WAKE, now, w.key.space, w.key.offset, <uint64_t> w, 1)


cdef void add_taken(const Taken *taken) noexcept nogil:
    cdef int64_t now = now_ns(CLOCK_MONOTONIC)
    cdef const Waiter *w = taken.threads
    while w != NULL:
        add_waiter(now, w)
        w = w.next
    w = taken.objects
    while w != NULL:
        if w.is_slept_on:
            add_waiter(now, w)
        w = w.next


cdef void add_release(const uint32_t *word) noexcept nogil:
    cdef int64_t now = note_time()
    if now:
        add(WAKE, now, 0, <uint64_t> word, 0, UNKNOWN)


def begin(most, /):
    """Record from now on, `most` waits and wakes at most. OSError: there is a recording already (EBUSY), or no memory."""
    global records, room, number
    cdef uint64_t n = most
    if not cas_u32(&is_taken, 0, 1):
        raise_errno(EBUSY, "this process is recorded already")
    records = <Record *> map_pages(n * sizeof(Record))
    if records == NULL:
        store_u32(&is_taken, 0)
        raise MemoryError
    room = n
    number += 1
    store_relaxed_u64(&n_claimed, 0)
    store_u32(&is_recording, 1)


cdef tuple told(const Record *r):
    code = None
    if r.code != NULL:
        code = <object> r.code
        Py_XDECREF(r.code)
    return (r.what, r.kind, r.tid, r.began, r.ended, r.answer, r.space, r.word, r.other, r.owner, code, r.line)


def end():
    """End the recording: a list of tuples, in the order of `Record`, oldest first; and how many found no room. RuntimeError:
    there is none."""
    global records
    cdef uint64_t n, n_lost, n_told, i
    cdef list all_told
    if not cas_u32(&is_recording, 1, 0):
        raise RuntimeError("this process is not recorded")
    while load_u32(&inside):
        sched_yield()
    n = load_relaxed_u64(&n_claimed)
    n_lost = n - room if n > room else 0
    n_told = n - n_lost
    try:
        all_told = [told(&records[i]) for i in range(n_told)]
    finally:
        unmap_pages(records, room * sizeof(Record))
        records = NULL
        store_u32(&is_taken, 0)
    return all_told, n_lost


cdef void child_after_fork() noexcept nogil:
    # What is recorded is the parent's. Whoever was inside is not here.
    global records
    store_relaxed_u32(&inside, 0)
    store_u32(&is_recording, 0)
    if records != NULL:
        unmap_pages(records, room * sizeof(Record))
        records = NULL
    store_u32(&is_taken, 0)


pthread_atfork(NULL, NULL, child_after_fork)
