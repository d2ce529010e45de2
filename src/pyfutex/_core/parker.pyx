"""The pool of parkers, and how a thread sleeps.

Invariant: a parker belongs to the pool or to one living thread. Parkers are allocated in pages and never freed.
"""

from libc.errno cimport EINTR, ETIMEDOUT
from libc.stdint cimport int64_t, uint64_t

from pyfutex._core.atomic cimport (
    cas_u32,
    cas_u64,
    exchange_u32,
    load_acquire_u64,
    pause,
    store_relaxed_i64,
    store_relaxed_u32,
    store_release_u32,
)
from pyfutex._core.checks cimport check_no_lock
from pyfutex._core.clock cimport CLOCK_MONOTONIC, Deadline, now_ns
from pyfutex._core.pages cimport map_pages
from pyfutex._core.parking cimport cells_init
from pyfutex._core.status cimport BUSY, INTERRUPTED, Status, TAKEN, TIMED_OUT


cdef extern from "thread_parker.h" nogil:
    int parker_key_init "pf_parker_key_init" (void (*give_back)(void *) noexcept nogil)
    void set_thread_parker "pf_set_thread_parker" (void *parker)
    void *get_thread_parker "pf_get_thread_parker" ()
    void forget_thread_parker "pf_forget_thread_parker" ()


cdef extern from "pthread.h" nogil:
    int pthread_atfork(void (*prepare)() noexcept nogil, void (*parent)() noexcept nogil,
                       void (*child)() noexcept nogil)


cdef enum:
    PARKERS_A_PAGE = 64     # 4096 bytes / 64

cdef Parker *pool = NULL            # under pool_lock
cdef uint32_t pool_lock = 0         # spin lock over a handful of instructions; taken once in a thread's life, twice at most


cdef void lock_pool() noexcept nogil:
    while not cas_u32(&pool_lock, 0, 1):
        pause()


cdef void unlock_pool() noexcept nogil:
    store_release_u32(&pool_lock, 0)


cdef void give_back(void *parker) noexcept nogil:
    # Should the thread sleep once more, in the destructor of some other key, it takes another one.
    cdef Parker *p = <Parker *> parker
    forget_thread_parker()
    lock_pool()
    p.next = pool
    pool_push(p)
    unlock_pool()


cdef void pool_push(Parker *p) noexcept nogil:
    # Requires: pool_lock held.
    global pool
    pool = p


cdef void fill_pool() noexcept nogil:
    # Requires: pool_lock held.
    cdef Parker *page = <Parker *> map_pages(PARKERS_A_PAGE * sizeof(Parker))
    cdef int i
    if page == NULL:
        return
    for i in range(PARKERS_A_PAGE):
        page[i].next = pool
        pool_push(&page[i])


cdef Parker *parker_self() noexcept nogil:
    cdef Parker *p = <Parker *> get_thread_parker()
    if p != NULL:
        return p
    lock_pool()
    if pool == NULL:
        fill_pool()
    p = pool
    if p != NULL:
        pool_push(p.next)
    unlock_pool()
    if p != NULL:
        p.score = 0
        p.woke_at = 0
        set_thread_parker(p)
    return p


cdef Status park(Parker *p, uint64_t *mark, Deadline deadline) noexcept nogil:
    cdef int why
    cdef int64_t now = now_ns(CLOCK_MONOTONIC)
    check_no_lock()
    parker_sleeps(p, now)
    store_relaxed_i64(&p.since, now)
    store_relaxed_u32(&p.word, ASLEEP)
    if not cas_u64(mark, UNMARKED, <uint64_t> p):
        return BUSY if load_acquire_u64(mark) > WITHDRAWN else TAKEN
    while True:
        why = word_wait(&p.word, ASLEEP, 0xFFFFFFFF, deadline)
        if load_acquire_u64(mark) != <uint64_t> p:
            return TAKEN
        if why == ETIMEDOUT or why == EINTR:
            # Withdraw. If that fails somebody has just set the mark, and is about to wake a parker that no longer
            # sleeps: the next user of this parker takes that for a spurious wake-up.
            if not cas_u64(mark, <uint64_t> p, UNMARKED):
                return TAKEN
            return TIMED_OUT if why == ETIMEDOUT else INTERRUPTED
        # Spurious: a wake meant for an earlier sleep on this parker. The exchange, then the look at the mark: whoever
        # set the mark before it stored AWAKE, so a wake that this exchange overwrote has its mark visible now.
        exchange_u32(&p.word, ASLEEP)
        if load_acquire_u64(mark) != <uint64_t> p:
            return TAKEN


cdef void child_after_fork() noexcept nogil:
    # The thread that held the lock may not exist in the child; parkers of its other threads stay lost, a page in 64.
    store_relaxed_u32(&pool_lock, 0)
    cells_init(&cells)


cells_init(&cells)
parker_key_init(give_back)
pthread_atfork(NULL, NULL, child_after_fork)
