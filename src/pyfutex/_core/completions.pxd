"""Taken waiters on their way to whoever drains them: a stack that any thread pushes to, and a descriptor as its bell."""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.atomic cimport (
    cas_u32,
    cas_u64,
    exchange_u64,
    fetch_add_u32,
    fetch_sub_release_u32,
    load_acquire_u32,
    load_acquire_u64,
    load_relaxed_u32,
    load_relaxed_u64,
    load_u32,
    load_u64,
    store_relaxed_u64,
    store_release_u32,
)
from pyfutex._core.region cimport give_way
from pyfutex._core.waiter cimport DRAINED, Waiter


cdef extern from "completions.h" nogil:
    int bell_new "pf_bell_new" ()
    void bell_free "close" (int fd)
    void bell_renew "pf_bell_renew" (int fd)
    void bell_ring "pf_bell_ring" (int fd)
    void bell_silence "pf_bell_silence" (int fd)
    int bell_wait "pf_bell_wait" (int fd, int timeout_ms)


cdef struct Completions:
    uint64_t newest     # atomic. The waiter pushed last, linked through Waiter.next; 0: none
    uint64_t ready      # atomic, relaxed. Taken off and not yet handed out, oldest first, linked likewise; the one reader's
    uint32_t bell       # atomic. An eventfd, rung whenever `newest` stops being 0; 0: nobody has asked for it yet
    uint32_t epoch      # atomic. Fork epoch in which the bell was this process's own
    uint32_t pushers    # atomic. Threads that are inside completions_push


cdef inline bint completions_wait(const Completions *c) noexcept nogil:
    """Whether there are any to be handed out."""
    return load_relaxed_u64(&c.ready) != 0 or load_u64(&c.newest) != 0


cdef inline const Waiter *completions_first(const Completions *c, bint is_ready) noexcept nogil:
    """The first of those that are ready to be handed out, or of those that were pushed since; the others follow it through
    their links. Requires: nobody takes any meanwhile."""
    return <const Waiter *> load_relaxed_u64(&c.ready) if is_ready else <const Waiter *> load_acquire_u64(&c.newest)


cdef inline void completions_after_fork(Completions *c, uint32_t epoch) noexcept nogil:
    # Before the first use in a child: ring no bell that the parent listens to.
    cdef uint32_t then = load_relaxed_u32(&c.epoch)
    if then != epoch and cas_u32(&c.epoch, then, epoch):
        store_release_u32(&c.pushers, 0)
        if load_u32(&c.bell) == 0:
            return
        bell_renew(<int> c.bell)
        if completions_wait(c):
            bell_ring(<int> c.bell)


cdef inline int completions_bell(Completions *c) noexcept nogil:
    """The bell, made when it is first asked for; or -1 with errno."""
    cdef int made
    if load_u32(&c.bell) == 0:
        made = bell_new()
        if made < 0:
            return -1
        if not cas_u32(&c.bell, 0, <uint32_t> made):
            bell_free(made)
        # Either we see what was pushed before, or who pushes sees the bell: each writes, then reads, in the one order of
        # all sequentially consistent accesses.
        elif completions_wait(c):
            bell_ring(made)
    return <int> load_u32(&c.bell)


cdef inline void completions_push(Completions *c, Waiter *w) noexcept nogil:
    # Requires: w is marked, and `undrained`, so that nobody queues it anew while its link is ours. Until w is pushed it
    # keeps the queue alive; from then on somebody may take it off and free both, so `pushers` holds the queue.
    cdef uint64_t newest
    fetch_add_u32(&c.pushers, 1)
    while True:
        newest = load_relaxed_u64(&c.newest)
        w.next = <Waiter *> newest
        if cas_u64(&c.newest, newest, <uint64_t> w):
            break
    if newest == 0 and load_u32(&c.bell):
        bell_ring(<int> c.bell)
    # Release: the last access.
    fetch_sub_release_u32(&c.pushers, 1)


cdef inline void completions_settle(Completions *c, uint32_t epoch) noexcept nogil:
    """Before its memory goes: let those be done who have pushed what was taken off already. They need no lock, nor the GIL.
    After a fork there are none."""
    cdef uint32_t times = 0
    while load_relaxed_u32(&c.epoch) == epoch and load_acquire_u32(&c.pushers) != 0:
        give_way(times)
        times += 1


cdef inline void completions_end(Completions *c) noexcept nogil:
    # Requires: settled.
    if load_u32(&c.bell):
        bell_free(<int> load_u32(&c.bell))


cdef inline Waiter *completions_take(Completions *c) noexcept nogil:
    # All that were pushed, in the order in which they were, linked through Waiter.next.
    cdef Waiter *w = <Waiter *> exchange_u64(&c.newest, 0)
    cdef Waiter *in_order = NULL
    cdef Waiter *older
    while w != NULL:
        older = w.next
        w.next = in_order
        in_order = w
        w = older
    return in_order


cdef inline void completions_hush(Completions *c) noexcept nogil:
    # Nothing is left: no ringing for nothing; but somebody may have pushed since.
    if load_u32(&c.bell) != 0:
        bell_silence(<int> load_u32(&c.bell))
        if load_u64(&c.newest) != 0:
            bell_ring(<int> load_u32(&c.bell))


cdef inline Waiter *completions_pop(Completions *c, uint32_t epoch) noexcept nogil:
    """The oldest, which may be queued again, or NULL. One thread at a time."""
    cdef Waiter *w
    completions_after_fork(c, epoch)
    w = <Waiter *> load_relaxed_u64(&c.ready)
    if w == NULL:
        w = completions_take(c)
    if w == NULL:
        completions_hush(c)     # a late ring for what is gone
        return NULL
    store_relaxed_u64(&c.ready, <uint64_t> w.next)
    if not completions_wait(c):
        completions_hush(c)
    # Release: the link is free, whoever finds it so may queue the waiter again.
    store_release_u32(&w.undrained, DRAINED)
    return w
