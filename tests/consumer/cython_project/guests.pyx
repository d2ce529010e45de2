"""Guests that no thread sleeps for: resumed by callbacks, from a queue that one thread drains, and many words at a time."""

from crew cimport MOST_MEMBERS, run_crew
from libc.stdint cimport uint32_t, uint64_t
from words cimport at, cell_add, cell_load, cell_store

cimport pyfutex.cyfutex as futexes
from pyfutex.cyfutex cimport (
    pyfutex_counts,
    pyfutex_manager,
    pyfutex_place,
    pyfutex_queue,
    pyfutex_wake_item,
    pyfutex_waiter,
)

futexes.import_pyfutex()


cdef extern from "<poll.h>" nogil:
    struct pollfd:
        int fd
        short events
        short revents
    const short POLLIN
    int poll(pollfd *files, unsigned long n, int timeout_ms)

cdef extern from "<sched.h>" nogil:
    int sched_yield()

cdef enum:
    N_GUESTS = 200          # more than wakev takes in one step

cdef struct Guest:
    pyfutex_waiter waiter
    House *house
    uint32_t cell           # holds 0 for as long as the guest may wait
    uint32_t n_resumed

cdef struct House:
    pyfutex_manager *manager
    pyfutex_queue *queue
    Guest guests[N_GUESTS]
    uint32_t n_refused
    uint32_t n_wakes        # that each waker has to make
    uint64_t n_to_drain

cdef struct Member:
    House *house
    uint32_t number
    uint64_t n_woken        # by wakes of this thread; the drainer: what it found


cdef void suspend(Guest *guest) noexcept nogil:
    cdef pyfutex_place word = at(&guest.cell)
    if futexes.wait_prepare(guest.house.manager, &guest.waiter, &word, 0, futexes.ANY, 0) != futexes.QUEUED:
        cell_add(&guest.house.n_refused, 1)


cdef void resume(void *context, int result) noexcept nogil:
    """The callback. Once it has queued its guest again, another thread may wake that: it is touched no more."""
    cdef Guest *guest = <Guest *> context
    cell_add(&guest.n_resumed, 1)
    if result != 0:
        cell_add(&guest.house.n_refused, 1)
    elif cell_load(&guest.cell) == 0:
        suspend(guest)


cdef void *wake_one_by_one(void *argument) noexcept nogil:
    cdef Member *me = <Member *> argument
    cdef House *house = me.house
    cdef uint32_t at_random = me.number + 1
    cdef pyfutex_place word
    cdef int woken
    while me.n_woken < house.n_wakes:
        at_random = at_random * 1664525 + 1013904223
        word = at(&house.guests[(at_random >> 16) % N_GUESTS].cell)
        woken = futexes.wake(house.manager, &word, 1, futexes.ANY)
        if woken > 0:
            me.n_woken += woken
        else:
            sched_yield()
    return NULL


cdef void *wake_move_or_call_off(void *argument) noexcept nogil:
    """Guests are moved from word to word, and taken out and queued anew, while others wake them."""
    cdef Member *me = <Member *> argument
    cdef House *house = me.house
    cdef uint32_t at_random = me.number + 1
    cdef pyfutex_place word, word2
    cdef pyfutex_counts counts
    cdef Guest *guest
    cdef int answer
    while me.n_woken < house.n_wakes:
        at_random = at_random * 1664525 + 1013904223
        guest = &house.guests[(at_random >> 16) % N_GUESTS]
        word = at(&guest.cell)
        word2 = at(&house.guests[(at_random >> 8) % N_GUESTS].cell)
        if at_random >> 30 == 0:
            if futexes.waiter_cancel(&guest.waiter):
                suspend(guest)
            continue
        if at_random >> 30 == 1:
            answer = futexes.requeue(house.manager, &word, &word2, 1, 2, &counts)
            me.n_woken += counts.woken
        else:
            answer = futexes.wake(house.manager, &word, 2, futexes.ANY)
            me.n_woken += answer if answer > 0 else 0
        if answer < 0:
            cell_add(&house.n_refused, 1)
            return NULL
    return NULL


cdef void *wake_all(void *argument) noexcept nogil:
    cdef Member *me = <Member *> argument
    cdef House *house = me.house
    cdef pyfutex_wake_item items[N_GUESTS]
    cdef int i
    while me.n_woken < house.n_wakes:
        for i in range(N_GUESTS):
            items[i].place = at(&house.guests[i].cell)
            items[i].n = futexes.ALL
            items[i].bitset = futexes.ANY
        if futexes.wakev(house.manager, items, N_GUESTS) != 0:
            cell_add(&house.n_refused, 1)
            return NULL
        for i in range(N_GUESTS):
            if items[i].result < 0:
                cell_add(&house.n_refused, 1)
                return NULL
            me.n_woken += items[i].result
    return NULL


cdef void drain(Member *me) noexcept nogil:
    cdef House *house = me.house
    cdef pyfutex_waiter *waiter
    cdef pollfd file
    file.fd = futexes.queue_fileno(house.queue)
    file.events = POLLIN
    while me.n_woken < house.n_to_drain:
        waiter = futexes.queue_pop(house.queue)
        if waiter == NULL:
            poll(&file, 1, -1)
            continue
        me.n_woken += 1
        resume(futexes.waiter_context(waiter), futexes.waiter_result(waiter))


cdef void *wake_or_drain(void *argument) noexcept nogil:
    if (<Member *> argument).number == 0:
        drain(<Member *> argument)
        return NULL
    return wake_one_by_one(argument)


cdef object serve(void *(*body)(void *) noexcept nogil, House *house, int n_members):
    """Let the crew work, then send all guests home: how many wakes each thread made, how many guests went on, how many were
    queued in the end, and how often something was refused."""
    cdef Member members[MOST_MEMBERS]
    cdef int i, error, cancelled = 0
    cdef uint64_t n_resumed = 0
    house.manager = futexes.manager_new(NULL)
    if house.manager == NULL:
        raise MemoryError
    house.n_refused = 0
    for i in range(N_GUESTS):
        house.guests[i].house = house
        house.guests[i].n_resumed = 0
        cell_store(&house.guests[i].cell, 0)
        if house.queue != NULL:
            futexes.waiter_init_queue(&house.guests[i].waiter, house.queue, &house.guests[i])
        else:
            futexes.waiter_init(&house.guests[i].waiter, resume, &house.guests[i])
    for i in range(n_members):
        members[i].house = house
        members[i].number = i
        members[i].n_woken = 0
    with nogil:
        for i in range(N_GUESTS):
            suspend(&house.guests[i])
        error = run_crew(body, members, sizeof(Member), n_members)
        for i in range(N_GUESTS):
            cancelled += futexes.waiter_cancel(&house.guests[i].waiter)
            n_resumed += house.guests[i].n_resumed
    if error != 0 or futexes.manager_free(house.manager) != 0:
        raise OSError(error, "no thread, or a waiter is left")
    return [members[i].n_woken for i in range(n_members)], n_resumed, cancelled, house.n_refused


cdef object without_a_queue(void *(*body)(void *) noexcept nogil, int n_wakers, uint32_t n_wakes):
    cdef House house
    house.queue = NULL
    house.n_wakes = n_wakes
    house.n_to_drain = 0
    return serve(body, &house, n_wakers)


def by_callbacks(n_wakers, n_wakes):
    return without_a_queue(wake_one_by_one, n_wakers, n_wakes)


def by_callbacks_of_many(n_wakers, n_wakes):
    return without_a_queue(wake_all, n_wakers, n_wakes)


def by_callbacks_wherever_they_are(n_wakers, n_wakes):
    return without_a_queue(wake_move_or_call_off, n_wakers, n_wakes)


def from_a_queue(n_wakers, n_wakes):
    """The first thread drains."""
    cdef House house
    house.queue = futexes.queue_new()
    if house.queue == NULL:
        raise MemoryError
    house.n_wakes = n_wakes
    house.n_to_drain = n_wakers * n_wakes
    try:
        return serve(wake_or_drain, &house, n_wakers + 1)
    finally:
        futexes.queue_free(house.queue)
