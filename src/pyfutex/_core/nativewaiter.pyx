"""Waiters of C code, and delivery without the GIL. Contracts and phases are in nativewaiter.pxd."""

from libc.stdint cimport uint32_t

from pyfutex._core.atomic cimport (
    cas_u32,
    load_acquire_u32,
    store_relaxed_u64,
    store_release_u32,
)
from pyfutex._core.checks cimport check_no_lock
from pyfutex._core.completions cimport bell_ring, completions_after_fork, completions_push
from pyfutex._core.engine cimport await_mark, deliver_threads, engine_complete
from pyfutex._core.family cimport CManager, current_epoch
from pyfutex._core.parker cimport MARKED, Parker, UNMARKED, WITHDRAWN, park, parker_self
from pyfutex._core.pistate cimport wait_of
from pyfutex._core.status cimport DETACHED, MISFIT, NO_MEMORY, NOT_OWNER, OK, BUSY, TAKEN
from pyfutex._core.vector cimport Vector
from pyfutex._core.waiter cimport (
    CANCELLED,
    DRAINED,
    IDLE,
    IN_QUEUE,
    LEAVING,
    NATIVE,
    PI,
    PLAIN,
    PREPARING,
    QUEUED,
    VECTOR,
    WITH_REFERENCE,
    WOKEN,
    WOKEN_EARLY,
    is_marked,
    mark_waiter,
    waiter_init,
)
from pyfutex._core.waitv cimport settle_entries, vector_call_off, vector_unlink


cdef extern from "native_depth.h" nogil:
    int depth "pf_native_depth"
    void *put_off "pf_native_put_off"
    void *put_off_last "pf_native_put_off_last"

cdef enum:
    MAX_DEPTH = 16
    PORTION = 32        # waiters that are marked before the first of them is called

cdef struct Call:
    NativeCallback callback
    void *context
    int result


cdef void native_init(NativeWaiter *w, NativeCallback callback, Completions *queue, void *context) noexcept nogil:
    waiter_init(&w.c, PLAIN, NATIVE, 0, 0)
    w.c.epoch = current_epoch()
    w.c.queue = queue
    w.callback = callback
    w.context = context


cdef uint32_t native_phase(NativeWaiter *w) noexcept nogil:
    cdef uint32_t phase = load_acquire_u32(&w.c.phase)
    if w.c.epoch != current_epoch():
        # In the child of a fork nobody will take it, nor mark it where a thread of the parent had just taken it.
        if phase == QUEUED:
            native_cancel(w)
        elif (phase == LEAVING or (phase == WOKEN and not is_marked(&w.c))) and cas_u32(&w.c.phase, phase, CANCELLED):
            mark_waiter(&w.c, WITHDRAWN)
        phase = load_acquire_u32(&w.c.phase)
    # A vector that is being prepared or taken out is so to everybody, whatever its wakers see.
    if phase == WOKEN_EARLY:
        return PREPARING
    return QUEUED if phase == LEAVING else phase


cdef Status native_claim(NativeWaiter *w, WaiterKind kind, uint32_t bitset, uint8_t priority) noexcept nogil:
    cdef uint32_t phase = native_phase(w)
    if phase == PREPARING or phase == QUEUED or load_acquire_u32(&w.c.undrained) != DRAINED:
        return BUSY
    if not cas_u32(&w.c.phase, phase, PREPARING):
        return BUSY
    if phase == WOKEN and not is_marked(&w.c):
        await_mark(&w.c)
    store_relaxed_u64(&w.c.mark, UNMARKED)
    w.c.kind = kind
    w.c.bitset = bitset
    w.c.priority = priority
    if w.c.queue != NULL:
        completions_after_fork(<Completions *> w.c.queue, current_epoch())
    return OK


cdef void native_refuse(NativeWaiter *w) noexcept nogil:
    store_release_u32(&w.c.phase, IDLE)


cdef bint native_cancel(NativeWaiter *w) noexcept nogil:
    if load_acquire_u32(&w.c.phase) != QUEUED:
        return False
    if w.c.kind == VECTOR:
        if not vector_call_off(&w.c):
            return False
        vector_unlink(<Vector *> w.c.part, DETACHED)
    elif engine_complete(&w.c, DETACHED) != OK:
        return False
    # Ours alone, but for a thread that may sleep on it. Release: whoever finds it CANCELLED finds the mark.
    mark_waiter(&w.c, WITHDRAWN)
    store_release_u32(&w.c.phase, CANCELLED)
    return True


cdef Status native_sleep(NativeWaiter *w, Deadline until) noexcept nogil:
    cdef uint32_t phase = native_phase(w)
    cdef Parker *p
    cdef Status status
    if phase == CANCELLED:
        return NOT_OWNER
    if phase != QUEUED and phase != WOKEN:
        return MISFIT
    p = parker_self()
    if p == NULL:
        return NO_MEMORY
    status = park(p, &w.c.mark, until)
    if status == TAKEN:
        return TAKEN if is_marked(&w.c) else NOT_OWNER
    if status != BUSY and load_acquire_u32(&w.c.phase) == WOKEN:
        await_mark(&w.c)        # taken at the last moment: that wins
        return TAKEN
    return status


cdef int native_result(const NativeWaiter *w) noexcept nogil:
    if w.c.kind == VECTOR:
        await_mark(<Waiter *> &w.c)
        return <int> w.c.bitset
    return -wait_of(&w.c).error if w.c.kind >= PI else 0


# --- delivery -------------------------------------------------------------------------------------------------------

cdef inline Waiter *mark_native(Waiter *w, Call *call) noexcept nogil:
    """Mark one; what is to be called goes to `call`, NULL for nothing. Returns the next one taken."""
    cdef Waiter *next = w.next
    cdef Completions *queue = <Completions *> w.queue
    call.callback = (<NativeWaiter *> w).callback
    if queue != NULL:
        # Marked before it is pushed: whoever pops it may queue it anew. `undrained` keeps others from that until then.
        store_release_u32(&w.undrained, IN_QUEUE)
        mark_waiter(w, MARKED)
        completions_push(queue, w)
        call.callback = NULL
        return next
    if call.callback != NULL:
        call.context = (<NativeWaiter *> w).context
        # A vector was finished before it came here: its mark, for which native_result waits, is ours to give.
        call.result = <int> w.bitset if w.kind == VECTOR else -wait_of(w).error if w.kind >= PI else 0
    mark_waiter(w, MARKED)
    return next


cdef void call_all(Waiter *w) noexcept nogil:
    cdef Call calls[PORTION]
    cdef int n, i
    while w != NULL:
        n = 0
        while w != NULL and n < PORTION:
            w = mark_native(w, &calls[n])
            n += calls[n].callback != NULL
        for i in range(n):
            calls[i].callback(calls[i].context, calls[i].result)


cdef void deliver_natives(Taken *taken) noexcept nogil:
    global depth, put_off, put_off_last
    cdef Waiter *w = taken.natives
    cdef Waiter *last
    check_no_lock()
    if w == NULL:
        return
    taken.natives = NULL
    taken.natives_end = &taken.natives
    if depth >= MAX_DEPTH:
        last = w
        while last.next != NULL:
            last = last.next
        if put_off == NULL:
            put_off = w
        else:
            (<Waiter *> put_off_last).next = w
        put_off_last = last
        return
    depth += 1
    call_all(w)
    if depth == 1:
        while put_off != NULL:
            w = <Waiter *> put_off
            put_off = NULL
            call_all(w)
    depth -= 1


cdef void pass_on_objects(Taken *taken) noexcept nogil:
    """Python waiters to whoever drains their queue; the reference that the manager's queue held goes with each."""
    cdef Waiter *w = taken.objects
    cdef Waiter *next
    cdef Completions *queue
    check_no_lock()
    taken.objects = NULL
    taken.objects_end = &taken.objects
    taken.n_objects = 0
    while w != NULL:
        next = w.next
        queue = <Completions *> w.queue
        # The descriptor before the mark: after it, it may be closed and its number be somebody else's.
        if w.fd >= 0:
            bell_ring(w.fd)
        if w.is_slept_on:
            store_release_u32(&w.undrained, WITH_REFERENCE)
            mark_waiter(w, MARKED)
        else:
            if queue == NULL:
                queue = <Completions *> (<CManager *> w.manager).completions
            store_release_u32(&w.undrained, IN_QUEUE)
            mark_waiter(w, MARKED)
            completions_push(queue, w)
        w = next


cdef void deliver_detached(Taken *taken) noexcept nogil:
    if taken.entries != NULL:
        settle_entries(taken, DETACHED)
    if taken.threads != NULL:
        deliver_threads(taken)
    if taken.natives != NULL:
        deliver_natives(taken)
    if taken.objects != NULL:
        pass_on_objects(taken)
