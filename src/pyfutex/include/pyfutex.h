/* pyfutex for C, C++, and whatever calls C: a futex manager in user space, without the GIL.
 *
 *     #include <Python.h>
 *     #include "pyfutex.h"                            // pyfutex.get_include() says where
 *
 *     static const pyfutex_api *futexes;              // in the module's initialisation:
 *     if ((futexes = pyfutex_import()) == NULL) return NULL;
 *
 *     pyfutex_place word = {futexes->host_target(), (uintptr_t)&cell, 4, 0};
 *     futexes->wait(manager, &word, 0, PYFUTEX_ANY, NULL);
 *
 * There is nothing to link to: the functions stand in a table that the capsule "pyfutex._c_api" holds. New ones are added at
 * its end; none moves, goes or changes its meaning while PYFUTEX_ABI stays the same.
 *
 * Answers. At least 0: a result, as it says below; below 0: a negative errno. -EAGAIN: a word held another value. -EINVAL:
 * misaligned, no such size, bitset 0, or a waiter of another kind was met. -EFAULT: nothing is mapped there. -EINTR: a signal
 * came, or without Linux's futexes may have; nothing is queued any more. -ENOMEM. What others there are is said where they occur.
 *
 * Threads. Any thread may call any function at any time, but for what is said about freeing. Call them with the GIL
 * released, or from threads that Python knows nothing of: they sleep for a moment where a lock inside is held, and
 * those with a deadline until they are woken. Only the functions that take a PyObject need an attached thread.
 *
 * NULL where a pointer is needed, and a place whose target is NULL, are -EINVAL, or nothing is done.
 *
 * Memory. What a place points to, and every waiter that is queued, has to stay where it is until it is not queued any more.
 */
#ifndef PYFUTEX_H
#define PYFUTEX_H

#include <stddef.h>
#include <stdint.h>

#ifndef PYFUTEX_ABI
#define PYFUTEX_ABI 1
#endif
/* The functions that this header knows. */
#ifndef PYFUTEX_SLOTS
#define PYFUTEX_SLOTS 43
#endif

#ifdef __cplusplus
extern "C" {
#endif

#ifndef Py_PYTHON_H
typedef struct _object PyObject;
#endif

#define PYFUTEX_ANY 0xFFFFFFFFu     /* every bit of a bitset */
#define PYFUTEX_ALL 0x7FFFFFFFu     /* as many as there are */
#define PYFUTEX_QUEUED 0x40000000   /* what a prepare answers when it queued its waiter */

typedef struct pyfutex_manager pyfutex_manager;
typedef struct pyfutex_target pyfutex_target;
typedef struct pyfutex_queue pyfutex_queue;

/* Where a futex word is. Whole, and zeroed where nothing else is wanted. */
typedef struct pyfutex_place {
    const pyfutex_target *target;   /* the memory */
    uint64_t addr;                  /* in it, a multiple of `size` */
    uint32_t size;                  /* bytes: 1, 2, 4 or 8 */
    uint32_t sharing;               /* PYFUTEX_BY_MEMORY, PYFUTEX_PRIVATE or PYFUTEX_SHARED */
} pyfutex_place;

enum {
    PYFUTEX_BY_MEMORY = 0,          /* shared where the memory has a mappable */
    PYFUTEX_PRIVATE = 1,            /* with those who use the same target privately */
    PYFUTEX_SHARED = 2              /* with all who map the same mappable */
};

/* When a wait ends: an absolute time on CLOCK_MONOTONIC (1) or CLOCK_REALTIME (0). NULL in its place: never. */
typedef struct pyfutex_deadline {
    int64_t ns;
    int32_t clock;
    int32_t reserved;               /* 0 */
} pyfutex_deadline;

/* A waiter, on the caller's stack or wherever it is stable. Its size and alignment are frozen. */
typedef struct pyfutex_waiter {
    uint64_t opaque[16];
} pyfutex_waiter;

/* What a waiter for a PI word needs besides. */
typedef struct pyfutex_pi_wait {
    uint64_t opaque[16];
} pyfutex_pi_wait;

/* What a wait on several words needs besides, with one pyfutex_waiter for each word. */
typedef struct pyfutex_vector {
    uint64_t opaque[8];
} pyfutex_vector;

/* Called for a waiter that was woken, by the thread that woke it, after all locks were let go, in the order of the wakes, the
 * sleeping threads first. The waiter is the callback's: it may be queued again or freed in there. The callback may call
 * everything here that does not sleep; it may not touch Python, since that thread may or may not be attached. `result` is
 * what pyfutex_waiter_result would say. */
typedef void (*pyfutex_callback)(void *context, int result);

typedef struct pyfutex_item {
    pyfutex_place place;
    uint64_t value;                 /* what the word has to hold */
} pyfutex_item;

typedef struct pyfutex_wake_item {
    pyfutex_place place;
    uint32_t n;
    uint32_t bitset;
    int32_t result;                 /* set: how many were woken, or a negative errno */
    uint32_t reserved;              /* 0 */
} pyfutex_wake_item;

typedef struct pyfutex_counts {
    uint32_t woken;
    uint32_t requeued;
} pyfutex_counts;

/* Figures of a manager: of its own table and of the one that its family shares. */
typedef struct pyfutex_stats {
    uint64_t waiters;
    uint64_t keys;
    uint64_t buckets;
    uint64_t longest_chain;
    uint64_t growths;
    uint64_t table_bytes;
    uint64_t reserved[2];
} pyfutex_stats;

/* Guest memory that only the embedder can reach: a software MMU, a device.
 *
 * Each function answers 0, or an errno: EFAULT where nothing is mapped. `size` is 1, 2, 4 or 8 and `addr` a multiple of it.
 * They are called with locks of pyfutex held, on any thread, attached or not: they may not sleep, call pyfutex or touch
 * Python. The accesses are atomic and sequentially consistent. */
typedef struct pyfutex_target_functions {
    int (*load)(void *context, uint64_t addr, unsigned size, uint64_t *value);
    int (*swap)(void *context, uint64_t addr, unsigned size, uint64_t desired, uint64_t *previous);
    /* What was there, in `previous`: equal to `expected` when `desired` was stored. */
    int (*compare_and_swap)(void *context, uint64_t addr, unsigned size, uint64_t expected, uint64_t desired,
                            uint64_t *previous);
    /* The mappable behind the address, and where in it: what makes words of different targets one futex. NULL, or a
     * mappable of 0: none. */
    int (*shared_key)(void *context, uint64_t addr, uint64_t *mappable, uint64_t *offset);
} pyfutex_target_functions;

/* Whether a thread lives that a PI word names. Called with no lock held. */
typedef int (*pyfutex_owner_alive)(void *context, uint32_t tid);

typedef struct pyfutex_api {
    uint32_t abi;                   /* PYFUTEX_ABI of the pyfutex that is installed */
    uint32_t n_slots;               /* how many functions it has */

    /* --- managers --- */

    /* 0. A manager; with a parent, of its family: both meet in the keys of mappables. NULL: no memory. */
    pyfutex_manager *(*manager_new)(pyfutex_manager *parent);
    /* 1. 0; -EBUSY: a waiter is queued, nothing was freed. Nobody may be inside a call, or use it again. */
    int (*manager_free)(pyfutex_manager *m);
    /* 2. That of a pyfutex.Manager, as long as that lives. Attached. NULL with a TypeError. What its owner_alive says is for
     * Python callers alone. */
    pyfutex_manager *(*manager_of)(PyObject *manager);
    /* 3. 0. Looks at one bucket after the other. */
    int (*manager_stats)(pyfutex_manager *m, pyfutex_stats *stats);
    /* 4. Whom lock_pi asks about an owner before it waits for it. NULL: every owner is believed in. Set it before the
     * manager is used. */
    void (*manager_owner_alive)(pyfutex_manager *m, pyfutex_owner_alive alive, void *context);

    /* --- targets --- */

    /* 5. The memory of this process, at its own addresses: the private futexes of pyfutex.Memory(buffer). */
    const pyfutex_target *(*host_target)(void);
    /* 6. Memory behind functions, which are not copied. NULL: no memory, or a function is missing. */
    pyfutex_target *(*target_new)(const pyfutex_target_functions *functions, void *context);
    /* 7. Nobody may be queued there, or use it again. */
    void (*target_free)(pyfutex_target *target);
    /* 8. That of a Memory, an AddressSpace or a NativeTarget, as long as that lives. Attached. NULL with a TypeError, also
     * for a Target written in Python. */
    const pyfutex_target *(*target_of)(PyObject *target);
    /* 9. The number of a new mappable, which is never used again. */
    uint64_t (*mappable_new)(void);
    /* 10. That of a pyfutex.Mappable. Attached. 0 with a TypeError. */
    uint64_t (*mappable_of)(PyObject *mappable);

    /* --- waking --- */

    /* 11. Wake the oldest n waiters whose bitset meets `bitset`: how many. */
    int (*wake)(pyfutex_manager *m, const pyfutex_place *word, uint32_t n, uint32_t bitset);
    /* 12. The same on many words in one pass, which hides what each waits for memory: up to 64 of them are one atomic step.
     * 0, and each item's `result`; or -ENOMEM, in the child of a fork, and the results so far. */
    int (*wakev)(pyfutex_manager *m, pyfutex_wake_item *items, size_t n);
    /* 13. Wake n_wake waiters of one word and move the next n_requeue to another: 0. `counts`, also where that was cut short
     * by an error, may be NULL. */
    int (*requeue)(pyfutex_manager *m, const pyfutex_place *word, const pyfutex_place *word2, uint32_t n_wake,
                   uint32_t n_requeue, pyfutex_counts *counts);
    /* 14. The same, if the first word holds `value`; in one step. */
    int (*cmp_requeue)(pyfutex_manager *m, const pyfutex_place *word, const pyfutex_place *word2, uint64_t value,
                       uint32_t n_wake, uint32_t n_requeue, pyfutex_counts *counts);
    /* 15. Change the second word, wake n of the first and, if the comparison holds, n2 of the second: how many. `op` as
     * FUTEX_OP has it. -ENOSYS: no such operation, or no such comparison. */
    int (*wake_op)(pyfutex_manager *m, const pyfutex_place *word, const pyfutex_place *word2, uint32_t op, uint32_t n,
                   uint32_t n2);

    /* --- sleeping --- */

    /* 16. Sleep until woken, if the word holds `value`: 0. -ETIMEDOUT. Who was counted by a wake is woken, whatever else
     * happens meanwhile. */
    int (*wait)(pyfutex_manager *m, const pyfutex_place *word, uint64_t value, uint32_t bitset,
                const pyfutex_deadline *deadline);
    /* 17. Wake n of the first word, then wait on the second, as wait does; `woken`: how many, may be NULL. A wait that is
     * refused wakes all the same. */
    int (*wake_wait)(pyfutex_manager *m, const pyfutex_place *word, uint32_t n, const pyfutex_place *word2, uint64_t value,
                     const pyfutex_deadline *deadline, uint32_t *woken);
    /* 18. Sleep until woken on one of several words: its index; of several, the last one's. */
    int (*waitv)(pyfutex_manager *m, const pyfutex_item *items, uint32_t n, const pyfutex_deadline *deadline);

    /* --- waiters that nobody sleeps in --- */

    /* 19. Before its first use. `callback` NULL: the waiter is waited for, or polled. Not while it is queued. */
    void (*waiter_init)(pyfutex_waiter *w, pyfutex_callback callback, void *context);
    /* 20. The same for one that goes to a queue when it is woken. */
    void (*waiter_init_queue)(pyfutex_waiter *w, pyfutex_queue *queue, void *context);
    /* 21. Queue it, if the word holds `value`: PYFUTEX_QUEUED. `priority` 0, or 1 to 99: woken before all lower ones. -EBUSY: it
     * is queued already, in its queue still, or its waker is not done with it (waiter_result says PYFUTEX_QUEUED so long). */
    int (*wait_prepare)(pyfutex_manager *m, pyfutex_waiter *w, const pyfutex_place *word, uint64_t value, uint32_t bitset,
                        uint32_t priority);
    /* 22. The same on n words; `v` and n `entries` are the waiter's until it has ended. */
    int (*waitv_prepare)(pyfutex_manager *m, pyfutex_waiter *w, pyfutex_vector *v, pyfutex_waiter *entries,
                         const pyfutex_item *items, uint32_t n);
    /* 23. 1: it was queued, and is no more: it will not be called. 0: it was not queued; or a waker was faster, and it was or
     * will be called, and its memory is not the caller's until then. With neither callback nor queue: until waiter_result says
     * otherwise, or waiter_wait, which returns at once or nearly so. */
    int (*waiter_cancel)(pyfutex_waiter *w);
    /* 24. Sleep until it is woken: 0. -ETIMEDOUT, -EINTR: it is still queued. -ECANCELED: it was taken out meanwhile. -EBUSY:
     * another thread sleeps on it. -EINVAL: it is not queued. */
    int (*waiter_wait)(pyfutex_waiter *w, const pyfutex_deadline *deadline);
    /* 25. What the call would have returned: 0, an index, or a negative errno; PYFUTEX_QUEUED while it is queued; -ECANCELED:
     * it was taken out, or never queued. */
    int (*waiter_result)(const pyfutex_waiter *w);
    /* 26. What waiter_init was given. */
    void *(*waiter_context)(const pyfutex_waiter *w);

    /* --- queues of woken waiters --- */

    /* 27. NULL: no memory or no descriptor. */
    pyfutex_queue *(*queue_new)(void);
    /* 28. No waiter that names it may be queued. */
    void (*queue_free)(pyfutex_queue *q);
    /* 29. A descriptor that is readable while it is not empty; do not read from it. */
    int (*queue_fileno)(pyfutex_queue *q);
    /* 30. The oldest waiter, which may be queued again; NULL: none. One thread at a time. */
    pyfutex_waiter *(*queue_pop)(pyfutex_queue *q);

    /* --- PI words: 4 bytes, the owner's thread id (30 bits), WAITERS (bit 31), OWNER_DIED (bit 30) --- */

    /* 31. Acquire for `tid`, sleeping until the owner hands it over: 0. -ETIMEDOUT. -EDEADLK: `tid` owns it, or its owner waits,
     * perhaps along a chain, for a word of `tid`. -ESRCH: the owner is dead. */
    int (*lock_pi)(pyfutex_manager *m, const pyfutex_place *word, uint32_t tid, const pyfutex_deadline *deadline);
    /* 32. 0; -EBUSY: somebody holds it. */
    int (*trylock_pi)(pyfutex_manager *m, const pyfutex_place *word, uint32_t tid);
    /* 33. Hand it to the first waiter, or set it free: 0. -EPERM: `tid` does not own it. */
    int (*unlock_pi)(pyfutex_manager *m, const pyfutex_place *word, uint32_t tid);
    /* 34. Acquire, 0, or queue the waiter, PYFUTEX_QUEUED; `wait` is the waiter's until it has ended. */
    int (*lock_pi_prepare)(pyfutex_manager *m, pyfutex_waiter *w, pyfutex_pi_wait *wait, const pyfutex_place *word,
                           uint32_t tid, uint32_t priority);
    /* 35. Wait on a plain word, if it holds `value`, until cmp_requeue_pi has made `tid` the owner of the PI word: 0. -EAGAIN
     * also: a signal came after the requeue. */
    int (*wait_requeue_pi)(pyfutex_manager *m, const pyfutex_place *word, const pyfutex_place *word2, uint64_t value,
                           uint32_t tid, const pyfutex_deadline *deadline);
    /* 36. The same for a waiter. */
    int (*wait_requeue_pi_prepare)(pyfutex_manager *m, pyfutex_waiter *w, pyfutex_pi_wait *wait, const pyfutex_place *word,
                                   const pyfutex_place *word2, uint64_t value, uint32_t tid, uint32_t priority);
    /* 37. If the plain word holds `value`: make its first waiter the owner of the PI word, and queue the next n_requeue
     * behind it: 0. */
    int (*cmp_requeue_pi)(pyfutex_manager *m, const pyfutex_place *word, const pyfutex_place *word2, uint64_t value,
                          uint32_t n_requeue, pyfutex_counts *counts);
    /* 38. The owner died: every word of it that somebody waits for goes to the first waiter, with OWNER_DIED: how many.
     * -ENOTSUP: one of them is in memory that only Python can reach; pyfutex.Manager.owner_exit goes on. */
    int (*owner_exit)(pyfutex_manager *m, uint32_t tid);

    /* --- looking in --- */

    /* 39. How many are queued, as manager_stats finds it. */
    uint64_t (*manager_waiters)(pyfutex_manager *m);
    /* 40. Where `word` was found, for whoever makes keys of its own: 0, and its space (serial of the target or mappable,
     * kind and size packed) and offset. */
    int (*key_of)(const pyfutex_place *word, uint64_t *space, uint64_t *offset);
    /* 41. A clock of a deadline, in nanoseconds. */
    int64_t (*now)(int32_t clock);

    /* --- many, one by one --- */

    /* 42. Send for the memory that wait_prepare(m, w, word) or, with w NULL, wake(m, word) will look at. Whoever works through many
     * words calls it some eight words ahead. Changes nothing; a bad place is ignored. */
    void (*prefetch)(pyfutex_manager *m, const pyfutex_place *word, const pyfutex_waiter *w);
} pyfutex_api;

#ifdef Py_PYTHON_H
/* The table; or NULL with an ImportError that says what to do. Attached. */
static inline const pyfutex_api *pyfutex_import(void)
{
    const pyfutex_api *api = (const pyfutex_api *)PyCapsule_Import("pyfutex._c_api", 0);
    if (api == NULL)
        return NULL;
    if (api->abi == PYFUTEX_ABI && api->n_slots >= PYFUTEX_SLOTS)
        return api;
    PyErr_Format(PyExc_ImportError,
                 "built for interface %d of pyfutex with %d functions; the pyfutex that is installed has interface %u with %u "
                 "functions: %s",
                 PYFUTEX_ABI, PYFUTEX_SLOTS, (unsigned)api->abi, (unsigned)api->n_slots,
                 api->abi > PYFUTEX_ABI ? "build this module again" : "install a newer pyfutex");
    return NULL;
}
#endif

#ifdef __cplusplus
}
#endif

#endif
