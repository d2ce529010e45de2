"""Waiters of C code, and delivery without the GIL. Contracts and phases are in nativewaiter.pxd."""

from libc.stdint cimport uint32_t
from libc.stdlib cimport free, malloc

from pyfutex._core.atomic cimport (
    cas_u32,
    load_acquire_u32,
    store_relaxed_u64,
    store_release_u32,
)
from pyfutex._core.checks cimport check_no_lock
from pyfutex._core.completions cimport bell_ring, completions_after_fork, completions_push
from pyfutex._core.engine cimport await_mark, deliver_threads, engine_complete
from pyfutex._core.family cimport CManager, epoch_address
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
    QUEUED_MANY,
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
    AT_ONCE = 32        # waiters that are marked before the first of them is called

cdef struct Call:
    NativeCallback callback
    void *context
    int result

cdef struct Portion:
    Call calls[AT_ONCE]
    int n
    Portion *next       # of those that are put off


cdef const uint32_t *EPOCH = epoch_address()


cdef inline uint32_t current_epoch() noexcept nogil:
    return load_acquire_u32(EPOCH)


cdef void native_init(NativeWaiter *w, NativeCallback callback, Completions *queue, void *context) noexcept nogil:
    waiter_init(&w.c, PLAIN, NATIVE, 0, 0)
    w.c.epoch = current_epoch()
    w.c.queue = queue
    w.callback = callback
    w.context = context


cdef inline bint is_in_hand(const NativeWaiter *w, uint32_t phase) noexcept nogil:
    # Some thread is in the middle of something with it.
    if phase == WOKEN:
        return not is_marked(&w.c)
    return phase == PREPARING or phase == WOKEN_EARLY or phase == LEAVING


cdef uint32_t native_phase(NativeWaiter *w) noexcept nogil:
    cdef uint32_t phase = load_acquire_u32(&w.c.phase)
    if w.c.epoch != current_epoch():
        # In the child of a fork nobody will take it, nor go on where a thread of the parent was about to queue it, to take
        # it out, or to mark it.
        if phase == QUEUED or phase == QUEUED_MANY:
            native_cancel(w)
        elif is_in_hand(w, phase) and cas_u32(&w.c.phase, phase, CANCELLED):
            mark_waiter(&w.c, WITHDRAWN)
        phase = load_acquire_u32(&w.c.phase)
    if phase == WOKEN and not is_marked(&w.c):
        return QUEUED       # its taker is not done with it, and may be this very thread, in a callback
    # A vector that is being prepared or taken out is so to everybody, whatever its wakers see.
    if phase == WOKEN_EARLY:
        return PREPARING
    return QUEUED if phase == LEAVING or phase == QUEUED_MANY else phase


cdef Status native_claim(NativeWaiter *w, WaiterKind kind, uint32_t bitset, uint8_t priority) noexcept nogil:
    cdef uint32_t phase = native_phase(w)
    if phase == PREPARING or phase == QUEUED or load_acquire_u32(&w.c.undrained) != DRAINED:
        return BUSY
    # Before the phase, which releases it: one that is PREPARING in an epoch before this was left so by a fork.
    if w.c.epoch != current_epoch():
        w.c.epoch = current_epoch()
    if not cas_u32(&w.c.phase, phase, PREPARING):
        return BUSY
    if phase == WOKEN and (not is_marked(&w.c) or load_acquire_u32(&w.c.undrained) != DRAINED):
        store_release_u32(&w.c.phase, WOKEN)    # it had another life meanwhile, and its taker is not done with that
        return BUSY
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
    cdef uint32_t phase = load_acquire_u32(&w.c.phase)
    if phase == QUEUED_MANY:
        if not vector_call_off(&w.c):
            return False
        vector_unlink(<Vector *> w.c.part, DETACHED)
    elif phase != QUEUED or engine_complete(&w.c, DETACHED) != OK:
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
    # A PIWait is its owner's again once the waiter was marked: mark_native has kept its error.
    if w.c.kind == VECTOR:
        return <int> w.c.bitset
    return -<int> w.c.bitset if w.c.kind >= PI else 0


# --- delivery -------------------------------------------------------------------------------------------------------

cdef inline Waiter *mark_native(Waiter *w, Call *call) noexcept nogil:
    """Mark one; what is to be called goes to `call`, NULL for nothing. Returns the next one taken."""
    cdef Waiter *next = w.next
    cdef Completions *queue = <Completions *> w.queue
    call.callback = (<NativeWaiter *> w).callback
    if w.kind >= PI:
        w.bitset = <uint32_t> wait_of(w).error
    if queue != NULL:
        # Marked before it is pushed: whoever pops it may queue it anew. `undrained` keeps others from that until then.
        store_release_u32(&w.undrained, IN_QUEUE)
        mark_waiter(w, MARKED)
        completions_push(queue, w)
        call.callback = NULL
        return next
    if call.callback != NULL:
        call.context = (<NativeWaiter *> w).context
        call.result = native_result(<NativeWaiter *> w)
    mark_waiter(w, MARKED)
    return next


cdef Waiter *mark_portion(Waiter *w, Portion *portion) noexcept nogil:
    portion.n = 0
    while w != NULL and portion.n < AT_ONCE:
        w = mark_native(w, &portion.calls[portion.n])
        portion.n += portion.calls[portion.n].callback != NULL
    return w


cdef void call_portion(const Portion *portion) noexcept nogil:
    cdef int i
    for i in range(portion.n):
        portion.calls[i].callback(portion.calls[i].context, portion.calls[i].result)


cdef Waiter *mark_all(Waiter *w, Portion **first, Portion **last) noexcept nogil:
    """Mark them, and append what is to be called to a list. Returns those for which there was no memory."""
    cdef Portion *portion
    while w != NULL:
        portion = <Portion *> malloc(sizeof(Portion))
        if portion == NULL:
            return w
        w = mark_portion(w, portion)
        portion.next = NULL
        if first[0] == NULL:
            first[0] = portion
        else:
            last[0].next = portion
        last[0] = portion
    return NULL


cdef void call_list(Portion **first) noexcept nogil:
    # A callback may append to it.
    cdef Portion *portion
    while first[0] != NULL:
        portion = first[0]
        first[0] = portion.next
        call_portion(portion)
        free(portion)


cdef void call_all(Waiter *w) noexcept nogil:
    """All are marked before the first is called: it may look at the others, or queue them anew."""
    cdef Portion portion
    cdef Portion *rest = NULL
    cdef Portion *last = NULL
    w = mark_portion(w, &portion)
    if w != NULL:
        w = mark_all(w, &rest, &last)
    call_portion(&portion)
    call_list(&rest)
    while w != NULL:
        w = mark_portion(w, &portion)
        call_portion(&portion)


cdef void deliver_natives(Taken *taken) noexcept nogil:
    global depth
    cdef Waiter *w = taken.natives
    check_no_lock()
    taken.natives = NULL
    taken.natives_end = &taken.natives
    if depth >= MAX_DEPTH:
        w = mark_all(w, <Portion **> &put_off, <Portion **> &put_off_last)
    if w == NULL:
        return
    depth += 1
    call_all(w)
    if depth == 1:
        call_list(<Portion **> &put_off)
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
