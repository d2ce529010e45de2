"""The waiter: one entry of the queue. Its layout, and who may touch which field when.

A waiter passes through four states:

    idle      only its owner touches it; no synchronisation.
    queued    `location` is not 0. Links, `key` and `location` belong to the holder of the lock of the bucket that
              `location` names; `bitset` and `kind` are frozen; `mark` may be exchanged by a thread that goes to
              sleep on the waiter; `fd`, `queue` and `priority` change under the bucket lock alone.
    taken     `location` is 0, `mark` is not MARKED. A waker unlinked it under the bucket lock and owns all of it, until
    marked    `mark` is MARKED. The exchange that put it there was the waker's last access: the memory may be gone.

Queued -> taken happens under the bucket lock alone; taken -> marked is done once, by the taker. A taken waiter was woken:
neither a timeout nor a signal nor a cancel can say otherwise. Only idle or marked memory may be reused.
"""

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

from pyfutex._core.atomic cimport exchange_u64, load_acquire_u64
from pyfutex._core.key cimport HASH_SHIFT_LOCATION, Key
from pyfutex._core.parker cimport MARKED, Parker, UNMARKED, WITHDRAWN, unpark


cdef enum WaiterKind:
    PLAIN = 0
    PLACEHOLDER = 1     # holds a place in the queue while a requeue asks a Python target; nobody takes it
    VECTOR = 2          # stands for the entries of a vector, and is not queued itself; see vector.pxd
    PI = 3              # queued by lock_pi; only unlock_pi and the death of the owner take it
    REQUEUE_PI = 4      # queued by wait_requeue_pi; only cmp_requeue_pi moves it, or takes it


cdef enum Notify:
    THREAD = 0          # its thread sleeps, or is about to, on the parker in `mark`
    OBJECT = 1          # `owner` is a Python Waiter of which the queue holds a reference
    ENTRY = 2           # of a vector: whoever takes it settles with the vector in `part`; see vector.pxd
    NATIVE = 3          # the head of a NativeWaiter, whose owner is C code; see nativewaiter.pxd
    TOLD = 1            # the bit that OBJECT and NATIVE have in common: their owner learns by `phase`

cdef enum Phase:
    # What the owner of an OBJECT or NATIVE waiter sees. QUEUED and WOKEN are written under the bucket lock; CANCELLED by who
    # took it out, after the mark, so that nobody queues it anew while a mark is still to come.
    IDLE = 0
    PREPARING = 1       # claimed by the one thread that is about to queue it
    QUEUED = 2
    WOKEN = 3
    CANCELLED = 4
    # Of a VECTOR alone.
    WOKEN_EARLY = 5     # as PREPARING, but an entry was taken already
    LEAVING = 6         # as QUEUED_MANY, but its entries are being taken out, and no waker gets one any more
    QUEUED_MANY = 7     # as QUEUED. A number of its own, so that calling it off meets no later life as another kind

cdef enum Undrained:
    DRAINED = 0
    IN_QUEUE = 1        # from before the mark until it is out of its completion queue, which uses `next`
    WITH_REFERENCE = 2  # OBJECT: the taker was not attached. The queue's reference goes to the thread that sleeps on it

cdef struct Waiter:
    # The first line of 64 bytes is all that wake and requeue touch of a sleeping thread's waiter.
    Waiter *next        # ring of the waiters of one key, oldest first; when taken: the next of those taken with it
    Waiter *prev        # the head's prev is the tail
    Waiter *chain       # of the head of a key: the head of the bucket's next key
    Key key             # rewritten by requeue
    uint64_t location   # atomic. hash bits 63..24 | table number; 0: not queued. ONE word, because wait_complete reads it
                        #   without a lock, then confirms it under the lock that it names (a requeue may move us in between)
    uint64_t mark       # atomic. UNMARKED, MARKED, WITHDRAWN, or the Parker of the thread that sleeps on this waiter
    uint32_t bitset     # of a VECTOR that was woken: the index of the entry
    uint8_t kind        # WaiterKind
    uint8_t notify      # Notify
    uint8_t is_slept_on  # OBJECT: it stands for a thread that sleeps in a call, and is not handed out. Set once
    uint8_t priority    # 0: normal, first come first served; 1 to 99: real time, the higher first
    void *manager       # the CManager through which it was queued; it outlives the waiter
    void *owner         # OBJECT: the Python Waiter
    void *queue         # OBJECT, NATIVE: the Completions that hears of it, or NULL
    void *part          # what belongs to its kind. PI, REQUEUE_PI: its PIWait. VECTOR, and an ENTRY of one: the Vector
    int32_t fd          # OBJECT: an eventfd to be written before the mark, or -1
    uint32_t epoch      # fork epoch in which it was queued
    uint32_t phase      # atomic. Phase; of an ENTRY a Fate
    uint32_t undrained  # atomic. An Undrained


cdef extern from "checks.h" nogil:
    # Of a waiter that a walk meets: it is queued, it is not poison, and its neighbours know it. Requires: the bucket lock.
    void check_queued "PF_CHECK_QUEUED" (const Waiter *w)


cdef inline void waiter_init(Waiter *w, WaiterKind kind, Notify notify, uint32_t bitset, uint8_t priority) noexcept nogil:
    w.location = 0
    w.mark = UNMARKED
    w.bitset = bitset
    w.kind = kind
    w.notify = notify
    w.is_slept_on = 0
    w.priority = priority
    w.manager = NULL
    w.owner = NULL
    w.queue = NULL
    w.part = NULL
    w.fd = -1
    w.phase = IDLE
    w.undrained = 0


cdef inline bint is_marked(const Waiter *w) noexcept nogil:
    # Acquire: pairs with the exchange in mark_waiter. What the waker did before it is visible.
    return load_acquire_u64(&w.mark) == MARKED


cdef inline void mark_waiter(Waiter *w, uint64_t mark) noexcept nogil:
    # The taker's (or canceller's) last access of *w. Whoever sleeps on it is told through its parker, which is never freed.
    cdef uint64_t sleeper = exchange_u64(&w.mark, mark)
    if sleeper > WITHDRAWN:
        unpark(<Parker *> sleeper)


cdef inline uint64_t make_location(uint64_t hash, uint32_t table) noexcept nogil:
    return (hash >> HASH_SHIFT_LOCATION << HASH_SHIFT_LOCATION) | table


cdef inline uint64_t location_hash(uint64_t location) noexcept nogil:
    return location >> HASH_SHIFT_LOCATION << HASH_SHIFT_LOCATION


cdef inline uint32_t location_table(uint64_t location) noexcept nogil:
    return <uint32_t> (location & ((1 << HASH_SHIFT_LOCATION) - 1))
