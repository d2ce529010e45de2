"""Taken waiters on their way to whoever drains them: a stack that any thread pushes to, and a descriptor as its bell."""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.atomic cimport cas_u32, cas_u64, exchange_u64, load_relaxed_u32, load_relaxed_u64
from pyfutex._core.waiter cimport Waiter


cdef extern from "completions.h" nogil:
    int bell_new "pf_bell_new" ()
    void bell_renew "pf_bell_renew" (int fd)
    void bell_ring "pf_bell_ring" (int fd)
    void bell_silence "pf_bell_silence" (int fd)
    int bell_wait "pf_bell_wait" (int fd, int timeout_ms)


cdef struct Completions:
    uint64_t newest     # atomic. The waiter pushed last, linked through Waiter.next; 0: none
    int bell            # eventfd. Rung whenever `newest` stops being 0. Read only
    uint32_t epoch      # atomic. Fork epoch in which the bell was this process's own


cdef inline void completions_after_fork(Completions *c, uint32_t epoch) noexcept nogil:
    # Before the first use in a child: ring no bell that the parent listens to.
    cdef uint32_t then = load_relaxed_u32(&c.epoch)
    if then != epoch and cas_u32(&c.epoch, then, epoch):
        bell_renew(c.bell)
        if load_relaxed_u64(&c.newest) != 0:
            bell_ring(c.bell)


cdef inline void completions_push(Completions *c, Waiter *w) noexcept nogil:
    # Requires: w is marked, and `undrained`, so that nobody queues it anew while its link is ours.
    cdef uint64_t newest
    while True:
        newest = load_relaxed_u64(&c.newest)
        w.next = <Waiter *> newest
        if cas_u64(&c.newest, newest, <uint64_t> w):
            break
    if newest == 0:
        bell_ring(c.bell)


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
