"""A vector: one wait on several words, whose entries are queued each for itself.

    whole       the waiter that sleeps, or is told, and that has the result. It is in no queue
    entries     one queued waiter for each word: kind PLAIN, so that every walk takes or moves it as any other; notify ENTRY

The phase of the whole decides for all entries, in one atomic step each, between the wakers and the one who gives up:

    PREPARING -> QUEUED_MANY    all entries are queued (the preparer)
    PREPARING -> WOKEN_EARLY    an entry was taken meanwhile (its taker, under that entry's bucket lock)
    PREPARING -> LEAVING        a word differed, nobody was taken (the preparer)
    QUEUED_MANY -> WOKEN        an entry was taken (its taker, as above)
    QUEUED_MANY -> LEAVING      timeout, signal or cancel (whoever calls it off)
    WOKEN_EARLY -> WOKEN        the preparer is done

Once it is WOKEN or WOKEN_EARLY, entries that are still queued may be taken as well, and count: the vector ends as woken.
Once it is LEAVING, wakers pass its entries by. So a wake counts no entry of a vector that ends otherwise.

Somebody is in charge of the vector: the preparer; then the taker that made it WOKEN, or whoever made it LEAVING. It takes
the entries that are left out of their queues, and `n_queued`, `cursor` and `tokens` are its own. Nobody waits for it: each
party holds tokens, `pending` is their number, and who gives up the last ones finishes the vector. Then nobody but the
finisher looks at it any more, and the whole is marked.
"""

from libc.stdint cimport uint32_t

from pyfutex._core.atomic cimport cas_u32, load_relaxed_u32, store_relaxed_u32
from pyfutex._core.waiter cimport LEAVING, PREPARING, QUEUED_MANY, WOKEN, WOKEN_EARLY, Waiter


cdef enum Fate:
    # Of an entry, in its `phase`: written under its bucket lock, read by its taker and by the finisher.
    NOT_TAKEN = 0
    TAKEN_FIRST = 1     # its taker is in charge
    TAKEN_TOO = 2

cdef struct Vector:
    Waiter *whole
    Waiter *entries
    uint32_t n
    uint32_t pending    # atomic. One token for each entry that is or may be queued, or not settled; one for who is in charge
    uint32_t n_queued   # in charge. Entries that were queued
    uint32_t cursor     # in charge. Entries below it were taken out, or found taken
    uint32_t tokens     # in charge. Those of the entries that it took out


cdef inline bint vector_claim(Waiter *entry) noexcept nogil:
    """Whether a waker may take this entry. Requires: its bucket lock; it is queued; `True` obliges to take it.

    The lock makes visible what the preparer wrote before it queued the entry. From then on the phase only steps on as
    above, so one that is read late is caught by the compare-and-swap, or says the same as the newest one. The
    compare-and-swap also brings what the preparer wrote before it let go of the vector.
    """
    cdef uint32_t *phase = &(<Vector *> entry.part).whole.phase
    cdef uint32_t seen
    while True:
        seen = load_relaxed_u32(phase)
        if seen == LEAVING:
            return False
        if seen == QUEUED_MANY and cas_u32(phase, QUEUED_MANY, WOKEN):
            store_relaxed_u32(&entry.phase, TAKEN_FIRST)
            return True
        if seen == WOKEN or seen == WOKEN_EARLY or (seen == PREPARING and cas_u32(phase, PREPARING, WOKEN_EARLY)):
            store_relaxed_u32(&entry.phase, TAKEN_TOO)
            return True
