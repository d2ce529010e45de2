"""Turns that threads hand to one another, with nothing but futexes to keep them apart."""

from crew cimport MOST_MEMBERS, run_crew
from libc.errno cimport EAGAIN
from libc.stdint cimport uint32_t
from words cimport at, cell_load, cell_store

cimport pyfutex.cyfutex as futexes
from pyfutex.cyfutex cimport pyfutex_manager, pyfutex_place

futexes.import_pyfutex()


cdef struct Game:
    pyfutex_manager *manager
    uint32_t cells[2]
    uint32_t rounds
    uint32_t n_turns        # of whoever has the turn

cdef struct Member:
    Game *game
    uint32_t number
    int refused             # the last answer that is none of a game


cdef void *take_turns(void *argument) noexcept nogil:
    """One cell says whose turn it is."""
    cdef Member *me = <Member *> argument
    cdef Game *game = me.game
    cdef pyfutex_place turn = at(&game.cells[0])
    cdef uint32_t other = 1 - me.number
    cdef int answer
    for _ in range(game.rounds):
        while cell_load(&game.cells[0]) != me.number:
            answer = futexes.wait(game.manager, &turn, other, futexes.ANY, NULL)
            if answer != 0 and answer != -EAGAIN:
                me.refused = answer
        game.n_turns += 1
        cell_store(&game.cells[0], other)
        answer = futexes.wake(game.manager, &turn, 1, futexes.ANY)
        if answer < 0:
            me.refused = answer
    return NULL


cdef void *hand_over(void *argument) noexcept nogil:
    """A cell for each says that it is its turn; the other is woken and slept for in one call."""
    cdef Member *me = <Member *> argument
    cdef Game *game = me.game
    cdef uint32_t *mine = &game.cells[me.number]
    cdef uint32_t *others = &game.cells[1 - me.number]
    cdef pyfutex_place place = at(mine), place2 = at(others)
    cdef int answer
    for _ in range(game.rounds):
        while cell_load(mine) == 0:
            answer = futexes.wait(game.manager, &place, 0, futexes.ANY, NULL)
            if answer != 0 and answer != -EAGAIN:
                me.refused = answer
        game.n_turns += 1
        cell_store(mine, 0)
        cell_store(others, 1)
        answer = futexes.wake_wait(game.manager, &place2, 1, &place, 0, NULL, NULL)
        if answer != 0 and answer != -EAGAIN:
            me.refused = answer
    # Whoever ends first must not leave the other asleep, nor sleep for it: its last wake_wait was answered by a turn.
    cell_store(others, 1)
    futexes.wake(game.manager, &place2, 1, futexes.ANY)
    return NULL


cdef void *inherit(void *argument) noexcept nogil:
    """A PI lock, which goes to whoever has waited longest."""
    cdef Member *me = <Member *> argument
    cdef Game *game = me.game
    cdef pyfutex_place lock = at(&game.cells[0])
    cdef int answer
    for _ in range(game.rounds):
        answer = futexes.lock_pi(game.manager, &lock, me.number + 1, NULL)
        if answer != 0:
            me.refused = answer
        game.n_turns += 1
        answer = futexes.unlock_pi(game.manager, &lock, me.number + 1)
        if answer != 0:
            me.refused = answer
    return NULL


cdef object play(void *(*body)(void *) noexcept nogil, uint32_t first, uint32_t n_members, uint32_t rounds):
    """How many turns there were, what the cells hold, who is queued still, and the refusals."""
    cdef Game game
    cdef Member members[MOST_MEMBERS]
    cdef uint32_t i
    cdef int error
    game.manager = futexes.manager_new(NULL)
    if game.manager == NULL:
        raise MemoryError
    game.cells[0] = first
    game.cells[1] = 0
    game.rounds = rounds
    game.n_turns = 0
    for i in range(n_members):
        members[i].game = &game
        members[i].number = i
        members[i].refused = 0
    with nogil:
        error = run_crew(body, members, sizeof(Member), <int> n_members)
    n_queued = futexes.manager_waiters(game.manager)
    refused = [members[i].refused for i in range(n_members) if members[i].refused != 0]
    if error != 0 or futexes.manager_free(game.manager) != 0:
        raise OSError(error, "no thread, or a waiter is left")
    return game.n_turns, game.cells[0], n_queued, refused


def by_turns(rounds):
    return play(take_turns, 0, 2, rounds)


def by_wake_wait(rounds):
    return play(hand_over, 1, 2, rounds)


def by_inheritance(n_members, rounds):
    return play(inherit, 0, n_members, rounds)
