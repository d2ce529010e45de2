"""One consumer asleep on many channels at once, each with a producer that sleeps while it is full."""

from crew cimport MOST_MEMBERS, run_crew
from libc.errno cimport EAGAIN
from libc.stdint cimport uint32_t, uint64_t
from words cimport at, cell_load, cell_store

cimport pyfutex.cyfutex as futexes
from pyfutex.cyfutex cimport pyfutex_item, pyfutex_manager, pyfutex_place

futexes.import_pyfutex()

cdef enum:
    CAPACITY = 4

cdef struct Channel:
    uint32_t filled         # written by the producer
    uint32_t drained        # written by the consumer
    uint32_t items[CAPACITY]

cdef struct Hall:
    pyfutex_manager *manager
    Channel channels[MOST_MEMBERS]
    uint32_t n_channels
    uint32_t n_items        # through each channel
    uint64_t total          # of what the consumer took out
    uint64_t n_out_of_order

cdef struct Member:
    Hall *hall
    uint32_t number         # n_channels: the consumer
    int refused


cdef void produce(Member *me, Channel *channel) noexcept nogil:
    cdef Hall *hall = me.hall
    cdef pyfutex_place filled = at(&channel.filled), drained = at(&channel.drained)
    cdef uint32_t made, seen
    cdef int answer
    for made in range(hall.n_items):
        while True:
            seen = cell_load(&channel.drained)
            if made - seen < CAPACITY:
                break
            answer = futexes.wait(hall.manager, &drained, seen, futexes.ANY, NULL)
            if answer != 0 and answer != -EAGAIN:
                me.refused = answer
        channel.items[made % CAPACITY] = made + 1
        cell_store(&channel.filled, made + 1)
        if futexes.wake(hall.manager, &filled, 1, futexes.ANY) < 0:
            me.refused = 1


cdef bint drain(Hall *hall, Channel *channel) noexcept nogil:
    """Take everything out; whether there was anything."""
    cdef pyfutex_place drained = at(&channel.drained)
    cdef uint32_t filled = cell_load(&channel.filled), taken = channel.drained
    if taken == filled:
        return False
    while taken != filled:
        hall.n_out_of_order += channel.items[taken % CAPACITY] != taken + 1
        hall.total += channel.items[taken % CAPACITY]
        taken += 1
    cell_store(&channel.drained, taken)
    futexes.wake(hall.manager, &drained, 1, futexes.ANY)
    return True


cdef void consume(Member *me) noexcept nogil:
    cdef Hall *hall = me.hall
    cdef pyfutex_item items[MOST_MEMBERS]
    cdef uint32_t i
    cdef uint64_t left = <uint64_t> hall.n_channels * hall.n_items
    cdef bint found
    cdef int answer
    while left:
        found = False
        left = 0
        for i in range(hall.n_channels):
            found |= drain(hall, &hall.channels[i])
            left += hall.n_items - hall.channels[i].drained
            items[i].place = at(&hall.channels[i].filled)
            items[i].value = hall.channels[i].drained
        if left and not found:
            answer = futexes.waitv(hall.manager, items, hall.n_channels, NULL)
            if answer != -EAGAIN and not 0 <= answer < <int> hall.n_channels:
                me.refused = answer


cdef void *work(void *argument) noexcept nogil:
    cdef Member *me = <Member *> argument
    if me.number < me.hall.n_channels:
        produce(me, &me.hall.channels[me.number])
    else:
        consume(me)
    return NULL


def through_channels(n_channels, n_items):
    """The sum of what came out, how much was out of order, who is queued still, and the refusals."""
    cdef Hall hall
    cdef Member members[MOST_MEMBERS]
    cdef uint32_t i, n_members = n_channels + 1
    cdef int error
    hall.manager = futexes.manager_new(NULL)
    if hall.manager == NULL:
        raise MemoryError
    hall.n_channels = n_channels
    hall.n_items = n_items
    hall.total = hall.n_out_of_order = 0
    for i in range(n_members):
        hall.channels[i].filled = hall.channels[i].drained = 0
        members[i].hall = &hall
        members[i].number = i
        members[i].refused = 0
    with nogil:
        error = run_crew(work, members, sizeof(Member), <int> n_members)
    n_queued = futexes.manager_waiters(hall.manager)
    refused = [members[i].refused for i in range(n_members) if members[i].refused != 0]
    if error != 0 or futexes.manager_free(hall.manager) != 0:
        raise OSError(error, "no thread, or a waiter is left")
    return hall.total, hall.n_out_of_order, n_queued, refused
