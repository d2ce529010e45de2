"""pyfutex for Cython: the futex manager in user space, without the GIL.

    cimport pyfutex.cyfutex as futexes

    futexes.import_pyfutex()                # once, when your module is loaded

Functions, and structs whose members are either all here or none of your concern: what they do, require and answer is in
pyfutex.h, where the same functions stand in a table for C. Signatures are frozen: one that changes gets another name, and a
module that was built with the old one is refused when it is loaded. Compile with `pyfutex.get_include()` among the include
directories. All but those that take an object are to be called with the GIL released.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t


cdef extern from "pyfutex.h" nogil:
    enum:
        PYFUTEX_ABI
        PYFUTEX_SLOTS
        QUEUED "PYFUTEX_QUEUED"             # what a prepare answers when it queued its waiter
        BY_MEMORY "PYFUTEX_BY_MEMORY"       # pyfutex_place.sharing
        PRIVATE "PYFUTEX_PRIVATE"
        SHARED "PYFUTEX_SHARED"
    const uint32_t ANY "PYFUTEX_ANY"        # every bit of a bitset
    const uint32_t ALL "PYFUTEX_ALL"        # as many as there are

    ctypedef struct pyfutex_manager:
        pass
    ctypedef struct pyfutex_target:
        pass
    ctypedef struct pyfutex_queue:
        pass

    ctypedef struct pyfutex_place:
        const pyfutex_target *target
        uint64_t addr
        uint32_t size
        uint32_t sharing

    ctypedef struct pyfutex_deadline:
        int64_t ns
        int32_t clock
        int32_t reserved

    ctypedef struct pyfutex_waiter:
        uint64_t opaque[16]
    ctypedef struct pyfutex_pi_wait:
        uint64_t opaque[16]
    ctypedef struct pyfutex_vector:
        uint64_t opaque[8]

    ctypedef void (*pyfutex_callback)(void *context, int result) noexcept nogil
    ctypedef int (*pyfutex_owner_alive)(void *context, uint32_t tid) noexcept nogil

    ctypedef struct pyfutex_item:
        pyfutex_place place
        uint64_t value

    ctypedef struct pyfutex_wake_item:
        pyfutex_place place
        uint32_t n
        uint32_t bitset
        int32_t result
        uint32_t reserved

    ctypedef struct pyfutex_counts:
        uint32_t woken
        uint32_t requeued

    ctypedef struct pyfutex_stats:
        uint64_t waiters
        uint64_t keys
        uint64_t buckets
        uint64_t longest_chain
        uint64_t growths
        uint64_t table_bytes

    ctypedef struct pyfutex_target_functions:
        int (*load)(void *context, uint64_t addr, unsigned int size, uint64_t *value) noexcept nogil
        int (*swap)(void *context, uint64_t addr, unsigned int size, uint64_t desired, uint64_t *previous) noexcept nogil
        int (*compare_and_swap)(void *context, uint64_t addr, unsigned int size, uint64_t expected, uint64_t desired,
                                uint64_t *previous) noexcept nogil
        int (*shared_key)(void *context, uint64_t addr, uint64_t *mappable, uint64_t *offset) noexcept nogil


# PYFUTEX_ABI and PYFUTEX_SLOTS of the pyfutex that is installed.
cdef uint32_t abi() noexcept nogil
cdef uint32_t n_slots() noexcept nogil


cdef inline int import_pyfutex() except -1:
    """ImportError, saying what to do, where the installed pyfutex is not one that this module was built for."""
    if abi() == PYFUTEX_ABI and n_slots() >= PYFUTEX_SLOTS:
        return 0
    raise ImportError(f"built for interface {PYFUTEX_ABI} of pyfutex with {PYFUTEX_SLOTS} functions; the pyfutex that is "
                      f"installed has interface {abi()} with {n_slots()} functions: "
                      + ("build this module again" if abi() > PYFUTEX_ABI else "install a newer pyfutex"))


cdef pyfutex_manager *manager_new(pyfutex_manager *parent) noexcept nogil
cdef int manager_free(pyfutex_manager *m) noexcept nogil
cdef pyfutex_manager *manager_of(object manager) except NULL
cdef int manager_stats(pyfutex_manager *m, pyfutex_stats *stats) noexcept nogil
cdef uint64_t manager_waiters(pyfutex_manager *m) noexcept nogil
cdef void manager_owner_alive(pyfutex_manager *m, pyfutex_owner_alive alive, void *context) noexcept nogil

cdef const pyfutex_target *host_target() noexcept nogil
cdef pyfutex_target *target_new(const pyfutex_target_functions *functions, void *context) noexcept nogil
cdef void target_free(pyfutex_target *target) noexcept nogil
cdef const pyfutex_target *target_of(object target) except NULL
cdef uint64_t mappable_new() noexcept nogil
cdef uint64_t mappable_of(object mappable) except 0
cdef int key_of(const pyfutex_place *word, uint64_t *space, uint64_t *offset) noexcept nogil
cdef int64_t now(int32_t clock) noexcept nogil

cdef void prefetch(pyfutex_manager *m, const pyfutex_place *word, const pyfutex_waiter *w) noexcept nogil

cdef int wake(pyfutex_manager *m, const pyfutex_place *word, uint32_t n, uint32_t bitset) noexcept nogil
cdef int wakev(pyfutex_manager *m, pyfutex_wake_item *items, size_t n) noexcept nogil
cdef int requeue(pyfutex_manager *m, const pyfutex_place *word, const pyfutex_place *word2, uint32_t n_wake,
                 uint32_t n_requeue, pyfutex_counts *counts) noexcept nogil
cdef int cmp_requeue(pyfutex_manager *m, const pyfutex_place *word, const pyfutex_place *word2, uint64_t value,
                     uint32_t n_wake, uint32_t n_requeue, pyfutex_counts *counts) noexcept nogil
cdef int wake_op(pyfutex_manager *m, const pyfutex_place *word, const pyfutex_place *word2, uint32_t op, uint32_t n,
                 uint32_t n2) noexcept nogil

cdef int wait(pyfutex_manager *m, const pyfutex_place *word, uint64_t value, uint32_t bitset,
              const pyfutex_deadline *deadline) noexcept nogil
cdef int wake_wait(pyfutex_manager *m, const pyfutex_place *word, uint32_t n, const pyfutex_place *word2, uint64_t value,
                   const pyfutex_deadline *deadline, uint32_t *woken) noexcept nogil
cdef int waitv(pyfutex_manager *m, const pyfutex_item *items, uint32_t n, const pyfutex_deadline *deadline) noexcept nogil

cdef void waiter_init(pyfutex_waiter *w, pyfutex_callback callback, void *context) noexcept nogil
cdef void waiter_init_queue(pyfutex_waiter *w, pyfutex_queue *queue, void *context) noexcept nogil
cdef int wait_prepare(pyfutex_manager *m, pyfutex_waiter *w, const pyfutex_place *word, uint64_t value, uint32_t bitset,
                      uint32_t priority) noexcept nogil
cdef int waitv_prepare(pyfutex_manager *m, pyfutex_waiter *w, pyfutex_vector *v, pyfutex_waiter *entries,
                       const pyfutex_item *items, uint32_t n) noexcept nogil
cdef int waiter_cancel(pyfutex_waiter *w) noexcept nogil
cdef int waiter_wait(pyfutex_waiter *w, const pyfutex_deadline *deadline) noexcept nogil
cdef int waiter_result(const pyfutex_waiter *w) noexcept nogil
cdef void *waiter_context(const pyfutex_waiter *w) noexcept nogil

cdef pyfutex_queue *queue_new() noexcept nogil
cdef void queue_free(pyfutex_queue *q) noexcept nogil
cdef int queue_fileno(pyfutex_queue *q) noexcept nogil
cdef pyfutex_waiter *queue_pop(pyfutex_queue *q) noexcept nogil

cdef int lock_pi(pyfutex_manager *m, const pyfutex_place *word, uint32_t tid,
                 const pyfutex_deadline *deadline) noexcept nogil
cdef int trylock_pi(pyfutex_manager *m, const pyfutex_place *word, uint32_t tid) noexcept nogil
cdef int unlock_pi(pyfutex_manager *m, const pyfutex_place *word, uint32_t tid) noexcept nogil
cdef int lock_pi_prepare(pyfutex_manager *m, pyfutex_waiter *w, pyfutex_pi_wait *wait, const pyfutex_place *word,
                         uint32_t tid, uint32_t priority) noexcept nogil
cdef int wait_requeue_pi(pyfutex_manager *m, const pyfutex_place *word, const pyfutex_place *word2, uint64_t value,
                         uint32_t tid, const pyfutex_deadline *deadline) noexcept nogil
cdef int wait_requeue_pi_prepare(pyfutex_manager *m, pyfutex_waiter *w, pyfutex_pi_wait *wait, const pyfutex_place *word,
                                 const pyfutex_place *word2, uint64_t value, uint32_t tid,
                                 uint32_t priority) noexcept nogil
cdef int cmp_requeue_pi(pyfutex_manager *m, const pyfutex_place *word, const pyfutex_place *word2, uint64_t value,
                        uint32_t n_requeue, pyfutex_counts *counts) noexcept nogil
cdef int owner_exit(pyfutex_manager *m, uint32_t tid) noexcept nogil
