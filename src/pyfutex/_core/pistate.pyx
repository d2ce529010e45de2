"""Owners and waits of a family. What they are for is in pistate.pxd."""

from libc.stdint cimport uint8_t, uint32_t

from pyfutex._core.checks cimport check, check_holds_pi


cdef void state_hold(PIDirectory *d, PIState *state, uint32_t owner) noexcept nogil:
    cdef PIState **link = &d.held[owner % THREAD_CHAINS]
    state.owner = owner
    state.next = link[0]
    state.link = link
    if state.next != NULL:
        state.next.link = &state.next
    link[0] = state


cdef void state_let_go(PIState *state) noexcept nogil:
    state.link[0] = state.next
    if state.next != NULL:
        state.next.link = state.link


cdef PIState *state_new(PIDirectory *d, void *manager, const Key *key, uint32_t owner) noexcept nogil:
    cdef PIState *state = d.free
    check_holds_pi()
    d.free = state.next
    state.key = key[0]
    state.manager = manager
    state.n_waiters = 0
    state.top_priority = 0
    state.is_reordered = 0
    state_hold(d, state, owner)
    return state


cdef void state_free(PIDirectory *d, PIState *state) noexcept nogil:
    check_holds_pi()
    check(state.n_waiters == 0, "a state that is given up although somebody waits")
    state_let_go(state)
    state.next = d.free
    d.free = state


cdef void state_set_owner(PIDirectory *d, PIState *state, uint32_t owner) noexcept nogil:
    check_holds_pi()
    state_let_go(state)
    state_hold(d, state, owner)


cdef Waiter *highest_ranked(Waiter **link, Waiter *first) noexcept nogil:
    cdef PIWait *highest = wait_of(first)
    cdef PIWait *wait
    cdef Waiter *w = first.next
    while w != link[0]:
        check_queued(w)
        if state_of(w) != NULL:
            wait = wait_of(w)
            if wait.rank > highest.rank or (wait.rank == highest.rank and wait.turn < highest.turn):
                highest = wait
        w = w.next
    return highest.waiter


cdef void give_turn(PIDirectory *d, PIWait *wait, uint8_t rank) noexcept nogil:
    wait.rank = rank
    wait.turn = d.turns
    d.turns += 1


cdef void wait_rank(PIDirectory *d, PIWait *wait, uint8_t rank) noexcept nogil:
    check_holds_pi()
    give_turn(d, wait, rank)
    wait.state.is_reordered = 1


cdef void state_add(PIDirectory *d, PIState *state, PIWait *wait, uint8_t rank) noexcept nogil:
    cdef PIWait **link = &d.blocked[wait.tid % THREAD_CHAINS]
    check_holds_pi()
    give_turn(d, wait, rank)
    if rank != wait.priority:
        state.is_reordered = 1
    if rank > state.top_priority:
        state.top_priority = rank
    state.n_waiters += 1
    wait.state = state
    wait.next = link[0]
    wait.link = link
    if wait.next != NULL:
        wait.next.link = &wait.next
    link[0] = wait


cdef void state_remove(PIDirectory *d, PIWait *wait) noexcept nogil:
    check_holds_pi()
    wait.state.n_waiters -= 1
    wait.state = NULL
    wait.link[0] = wait.next
    if wait.next != NULL:
        wait.next.link = wait.link


cdef PIState *state_held(PIDirectory *d, uint32_t tid) noexcept nogil:
    cdef PIState *state = d.held[tid % THREAD_CHAINS]
    check_holds_pi()
    while state != NULL and state.owner != tid:
        state = state.next
    return state


cdef PIWait *wait_blocked(PIDirectory *d, uint32_t tid) noexcept nogil:
    cdef PIWait *wait = d.blocked[tid % THREAD_CHAINS]
    check_holds_pi()
    while wait != NULL and wait.tid != tid:
        wait = wait.next
    return wait


cdef bint chain_leads_to(PIDirectory *d, uint32_t owner, uint32_t tid) noexcept nogil:
    cdef PIWait *wait
    cdef int _step
    for _step in range(LONGEST_CHAIN):
        if owner == tid:
            return True
        wait = wait_blocked(d, owner)
        if wait == NULL:
            return False
        owner = wait.state.owner
    return True


cdef uint8_t priority_lent(PIDirectory *d, uint32_t tid) noexcept nogil:
    cdef PIState *state = d.held[tid % THREAD_CHAINS]
    cdef uint8_t highest = 0
    check_holds_pi()
    while state != NULL:
        if state.owner == tid and state.top_priority > highest:
            highest = state.top_priority
        state = state.next
    return highest
