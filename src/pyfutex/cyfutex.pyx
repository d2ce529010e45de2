"""The functions of pyfutex.h, from Cython: each hands its arguments on to the core. Contracts are in pyfutex.h."""

from pyfutex._core.completions cimport Completions
from pyfutex._core.family cimport CManager, manager_new as core_manager_new, next_serial
from pyfutex._core.nativecalls cimport (
    call_prefetch,
    call_requeue,
    call_wait,
    call_wait_prepare,
    call_waiter_cancel,
    call_waiter_result,
    call_waiter_wait,
    call_waitv,
    call_waitv_prepare,
    call_wake,
    call_wake_op,
    call_wake_wait,
    call_wakev,
)
from pyfutex._core.nativelife cimport (
    Stats,
    life_host_target,
    life_key_of,
    life_manager_free,
    life_manager_stats,
    life_manager_waiters,
    life_now,
    life_queue_fileno,
    life_queue_free,
    life_queue_new,
    life_queue_pop,
    life_target_free,
    life_target_new,
)
from pyfutex._core.nativepi cimport (
    call_cmp_requeue_pi,
    call_lock_pi,
    call_lock_pi_prepare,
    call_owner_exit,
    call_trylock_pi,
    call_unlock_pi,
    call_wait_requeue_pi,
    call_wait_requeue_pi_prepare,
)
from pyfutex._core.nativewaiter cimport NativeCallback, NativeWaiter, native_init
from pyfutex._core.pistate cimport PIWait
from pyfutex._core.place cimport CallDeadline, CallItem, Counts, Place, WakeItem
from pyfutex._core.target cimport CALLED, CTarget
from pyfutex._core.vector cimport Vector
from pyfutex._core.waiter cimport Waiter
from pyfutex._core.word cimport TargetFunctions
from pyfutex.key cimport Mappable
from pyfutex.manager cimport Manager
from pyfutex.target cimport Target


cdef int check_sizes() except -1:
    # What callers reserve for us is frozen in pyfutex.h; what we put there is not.
    if (sizeof(NativeWaiter) > sizeof(pyfutex_waiter) or sizeof(Waiter) > sizeof(pyfutex_waiter)
            or sizeof(PIWait) > sizeof(pyfutex_pi_wait) or sizeof(Vector) > sizeof(pyfutex_vector)):
        raise ImportError("pyfutex was built with structs that do not fit into those of pyfutex.h")
    return 0


check_sizes()


cdef uint32_t abi() noexcept nogil:
    return PYFUTEX_ABI


cdef uint32_t n_slots() noexcept nogil:
    return PYFUTEX_SLOTS


# --- managers -------------------------------------------------------------------------------------------------------

cdef pyfutex_manager *manager_new(pyfutex_manager *parent) noexcept nogil:
    return <pyfutex_manager *> core_manager_new(<CManager *> parent)


cdef int manager_free(pyfutex_manager *m) noexcept nogil:
    return life_manager_free(<CManager *> m)


cdef pyfutex_manager *manager_of(object manager) except NULL:
    if type(manager) is not Manager:
        raise TypeError(f"a pyfutex.Manager is needed, not {type(manager).__name__}")
    return <pyfutex_manager *> (<Manager> manager).m


cdef int manager_stats(pyfutex_manager *m, pyfutex_stats *stats) noexcept nogil:
    return life_manager_stats(<CManager *> m, <Stats *> stats)


cdef uint64_t manager_waiters(pyfutex_manager *m) noexcept nogil:
    return life_manager_waiters(<CManager *> m)


cdef void manager_owner_alive(pyfutex_manager *m, pyfutex_owner_alive alive, void *context) noexcept nogil:
    if m != NULL:
        (<CManager *> m).owner_alive_context = context
        (<CManager *> m).owner_alive = alive


# --- targets --------------------------------------------------------------------------------------------------------

cdef const pyfutex_target *host_target() noexcept nogil:
    return <const pyfutex_target *> life_host_target()


cdef pyfutex_target *target_new(const pyfutex_target_functions *functions, void *context) noexcept nogil:
    return <pyfutex_target *> life_target_new(<const TargetFunctions *> functions, context)


cdef void target_free(pyfutex_target *target) noexcept nogil:
    life_target_free(<CTarget *> target)


cdef const pyfutex_target *target_of(object target) except NULL:
    if not isinstance(target, Target) or (<Target> target).c.kind == CALLED:
        raise TypeError(f"a Memory, an AddressSpace or a NativeTarget is needed, not {type(target).__name__}")
    return <const pyfutex_target *> &(<Target> target).c


cdef uint64_t mappable_new() noexcept nogil:
    return next_serial()


cdef uint64_t mappable_of(object mappable) except 0:
    if type(mappable) is not Mappable:
        raise TypeError(f"a pyfutex.Mappable is needed, not {type(mappable).__name__}")
    return (<Mappable> mappable).serial


cdef int key_of(const pyfutex_place *word, uint64_t *space, uint64_t *offset) noexcept nogil:
    return life_key_of(<const Place *> word, space, offset)


cdef int64_t now(int32_t clock) noexcept nogil:
    return life_now(clock)


cdef void prefetch(pyfutex_manager *m, const pyfutex_place *word, const pyfutex_waiter *w) noexcept nogil:
    call_prefetch(<CManager *> m, <const Place *> word, <const NativeWaiter *> w)


# --- waking ---------------------------------------------------------------------------------------------------------

cdef int wake(pyfutex_manager *m, const pyfutex_place *word, uint32_t n, uint32_t bitset) noexcept nogil:
    return call_wake(<CManager *> m, <const Place *> word, n, bitset)


cdef int wakev(pyfutex_manager *m, pyfutex_wake_item *items, size_t n) noexcept nogil:
    return call_wakev(<CManager *> m, <WakeItem *> items, n)


cdef int requeue(pyfutex_manager *m, const pyfutex_place *word, const pyfutex_place *word2, uint32_t n_wake,
                 uint32_t n_requeue, pyfutex_counts *counts) noexcept nogil:
    return call_requeue(<CManager *> m, <const Place *> word, <const Place *> word2, False, 0, n_wake, n_requeue,
                        <Counts *> counts)


cdef int cmp_requeue(pyfutex_manager *m, const pyfutex_place *word, const pyfutex_place *word2, uint64_t value,
                     uint32_t n_wake, uint32_t n_requeue, pyfutex_counts *counts) noexcept nogil:
    return call_requeue(<CManager *> m, <const Place *> word, <const Place *> word2, True, value, n_wake, n_requeue,
                        <Counts *> counts)


cdef int wake_op(pyfutex_manager *m, const pyfutex_place *word, const pyfutex_place *word2, uint32_t op, uint32_t n,
                 uint32_t n2) noexcept nogil:
    return call_wake_op(<CManager *> m, <const Place *> word, <const Place *> word2, op, n, n2)


# --- sleeping -------------------------------------------------------------------------------------------------------

cdef int wait(pyfutex_manager *m, const pyfutex_place *word, uint64_t value, uint32_t bitset,
              const pyfutex_deadline *deadline) noexcept nogil:
    return call_wait(<CManager *> m, <const Place *> word, value, bitset, <const CallDeadline *> deadline)


cdef int wake_wait(pyfutex_manager *m, const pyfutex_place *word, uint32_t n, const pyfutex_place *word2, uint64_t value,
                   const pyfutex_deadline *deadline, uint32_t *woken) noexcept nogil:
    return call_wake_wait(<CManager *> m, <const Place *> word, n, <const Place *> word2, value,
                          <const CallDeadline *> deadline, woken)


cdef int waitv(pyfutex_manager *m, const pyfutex_item *items, uint32_t n, const pyfutex_deadline *deadline) noexcept nogil:
    return call_waitv(<CManager *> m, <const CallItem *> items, n, <const CallDeadline *> deadline)


# --- waiters that nobody sleeps in ----------------------------------------------------------------------------------

cdef void waiter_init(pyfutex_waiter *w, pyfutex_callback callback, void *context) noexcept nogil:
    if w != NULL:
        native_init(<NativeWaiter *> w, <NativeCallback> callback, NULL, context)


cdef void waiter_init_queue(pyfutex_waiter *w, pyfutex_queue *queue, void *context) noexcept nogil:
    # Without a queue it is waited for, or polled.
    if w != NULL:
        native_init(<NativeWaiter *> w, NULL, <Completions *> queue, context)


cdef int wait_prepare(pyfutex_manager *m, pyfutex_waiter *w, const pyfutex_place *word, uint64_t value, uint32_t bitset,
                      uint32_t priority) noexcept nogil:
    return call_wait_prepare(<CManager *> m, <NativeWaiter *> w, <const Place *> word, value, bitset, priority)


cdef int waitv_prepare(pyfutex_manager *m, pyfutex_waiter *w, pyfutex_vector *v, pyfutex_waiter *entries,
                       const pyfutex_item *items, uint32_t n) noexcept nogil:
    return call_waitv_prepare(<CManager *> m, <NativeWaiter *> w, <Vector *> v, <Waiter *> entries,
                              <const CallItem *> items, n)


cdef int waiter_cancel(pyfutex_waiter *w) noexcept nogil:
    return call_waiter_cancel(<NativeWaiter *> w)


cdef int waiter_wait(pyfutex_waiter *w, const pyfutex_deadline *deadline) noexcept nogil:
    return call_waiter_wait(<NativeWaiter *> w, <const CallDeadline *> deadline)


cdef int waiter_result(const pyfutex_waiter *w) noexcept nogil:
    return call_waiter_result(<const NativeWaiter *> w)


cdef void *waiter_context(const pyfutex_waiter *w) noexcept nogil:
    return NULL if w == NULL else (<const NativeWaiter *> w).context


# --- queues ---------------------------------------------------------------------------------------------------------

cdef pyfutex_queue *queue_new() noexcept nogil:
    return <pyfutex_queue *> life_queue_new()


cdef void queue_free(pyfutex_queue *q) noexcept nogil:
    life_queue_free(<Completions *> q)


cdef int queue_fileno(pyfutex_queue *q) noexcept nogil:
    return life_queue_fileno(<Completions *> q)


cdef pyfutex_waiter *queue_pop(pyfutex_queue *q) noexcept nogil:
    return <pyfutex_waiter *> life_queue_pop(<Completions *> q)


# --- PI words -------------------------------------------------------------------------------------------------------

cdef int lock_pi(pyfutex_manager *m, const pyfutex_place *word, uint32_t tid,
                 const pyfutex_deadline *deadline) noexcept nogil:
    return call_lock_pi(<CManager *> m, <const Place *> word, tid, <const CallDeadline *> deadline)


cdef int trylock_pi(pyfutex_manager *m, const pyfutex_place *word, uint32_t tid) noexcept nogil:
    return call_trylock_pi(<CManager *> m, <const Place *> word, tid)


cdef int unlock_pi(pyfutex_manager *m, const pyfutex_place *word, uint32_t tid) noexcept nogil:
    return call_unlock_pi(<CManager *> m, <const Place *> word, tid)


cdef int lock_pi_prepare(pyfutex_manager *m, pyfutex_waiter *w, pyfutex_pi_wait *wait, const pyfutex_place *word,
                         uint32_t tid, uint32_t priority) noexcept nogil:
    return call_lock_pi_prepare(<CManager *> m, <NativeWaiter *> w, <PIWait *> wait, <const Place *> word, tid, priority)


cdef int wait_requeue_pi(pyfutex_manager *m, const pyfutex_place *word, const pyfutex_place *word2, uint64_t value,
                         uint32_t tid, const pyfutex_deadline *deadline) noexcept nogil:
    return call_wait_requeue_pi(<CManager *> m, <const Place *> word, <const Place *> word2, value, tid,
                                <const CallDeadline *> deadline)


cdef int wait_requeue_pi_prepare(pyfutex_manager *m, pyfutex_waiter *w, pyfutex_pi_wait *wait, const pyfutex_place *word,
                                 const pyfutex_place *word2, uint64_t value, uint32_t tid,
                                 uint32_t priority) noexcept nogil:
    return call_wait_requeue_pi_prepare(<CManager *> m, <NativeWaiter *> w, <PIWait *> wait, <const Place *> word,
                                        <const Place *> word2, value, tid, priority)


cdef int cmp_requeue_pi(pyfutex_manager *m, const pyfutex_place *word, const pyfutex_place *word2, uint64_t value,
                        uint32_t n_requeue, pyfutex_counts *counts) noexcept nogil:
    return call_cmp_requeue_pi(<CManager *> m, <const Place *> word, <const Place *> word2, value, n_requeue,
                               <Counts *> counts)


cdef int owner_exit(pyfutex_manager *m, uint32_t tid) noexcept nogil:
    return call_owner_exit(<CManager *> m, tid)
