"""Who holds which contended PI word, and who is blocked on one: what the PI operations of a family know beyond the words.

A PI word with waiters has a PIState, which says who its owner is; a waiter of a PI operation has a PIWait beside its
Waiter. From these two follow the three things that a word alone cannot tell: whether a wait would close a cycle, in which
order its waiters stand when owners lend each other their priority, and what goes on to whom when an owner dies.

                 blocked[tid]                held[tid]
    thread tid ------------> PIWait --state--> PIState --owner--> thread tid2, and so on: the chain

Everything here requires the family's PI lock. A PIState changes under the lock of its key's bucket as well, so that
whoever holds either may read it.
"""

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

from pyfutex._core.atomic cimport unlikely
from pyfutex._core.key cimport Key
from pyfutex._core.waiter cimport PI, PLACEHOLDER, Waiter, check_queued


cdef enum:
    THREAD_CHAINS = 256     # of the two hashes by thread id; ids are dense, so their low bits spread them
    LONGEST_CHAIN = 1024    # a chain of owners that is longer counts as a cycle, as in Linux


cdef struct PIState:
    Key key
    void *manager           # the CManager through which its first waiter came: whose table a private key is in
    uint32_t owner          # thread id
    uint32_t n_waiters      # not 0, but while the state is being made
    uint8_t top_priority    # of who gets the word next
    uint8_t is_reordered    # somebody's rank is, or was, not that of the place in the ring
    PIState *next           # the other states of one chain of `held`, or the free ones
    PIState **link          # where the pointer to this one is

cdef struct PIWait:
    # Written by its thread (or by whoever queues for it) while the waiter is idle, but for what says otherwise.
    Waiter *waiter
    uint32_t tid            # who gets the word
    uint8_t priority        # its own, by which it stands in the ring
    uint8_t rank            # that, or what is lent to it: who has the highest gets the word. PI lock, and the bucket lock
    uint8_t was_requeued    # REQUEUE_PI: it stands, or stood, at the second word. PI lock
    int32_t error           # an errno that ended the wait, although it was taken; 0: `tid` has the word. PI lock
    PIState *state          # the word on which it is blocked; NULL: on none (yet). PI lock, and the bucket lock
    uint64_t turn           # of two of one rank, the lower goes first. PI lock, and the bucket lock
    PIWait *next            # the other waits of one chain of `blocked`. PI lock
    PIWait **link
    Key target_key          # REQUEUE_PI: the word to which it may be requeued
    const void *target      # the CTarget and the address of the PI word; alive while the waiter is queued
    uint64_t addr

cdef struct PIDirectory:
    PIState *held[THREAD_CHAINS]        # by owner
    PIWait *blocked[THREAD_CHAINS]      # by tid, those with a state
    PIState *free
    uint64_t turns          # how many have been given


cdef inline void piwait_init(PIWait *wait, Waiter *w, uint32_t tid, uint8_t priority, const void *target,
                             uint64_t addr) noexcept nogil:
    wait.waiter = w
    wait.tid = tid
    wait.priority = priority
    wait.rank = priority
    wait.was_requeued = 0
    wait.error = 0
    wait.state = NULL
    wait.target = target
    wait.addr = addr
    w.part = wait
    w.priority = priority


cdef inline PIWait *wait_of(const Waiter *w) noexcept nogil:
    # Requires: a PI or REQUEUE_PI waiter.
    return <PIWait *> w.part


cdef inline PIState *state_of(const Waiter *w) noexcept nogil:
    # The state of the word on which `w` is blocked; NULL also where w is no waiter of a PI word.
    return (<PIWait *> w.part).state if w != NULL and w.kind >= PI else NULL


cdef inline uint32_t known_owner(const Waiter *top, uint32_t owner) noexcept nogil:
    # Whom the waiters of a word know as its owner; with nobody blocked there, `owner`, whom the word names.
    cdef PIState *state = state_of(top)
    return owner if state == NULL else state.owner


cdef inline Waiter *heir_of(Waiter **link) noexcept nogil:
    """Who gets the word of a key next, whoever else is queued there: the first who is blocked, if no rank was changed.

    As in Linux, whose queues of a word by place and of a lock by rank are two: what is lent to a waiter does not move it in
    front of those who wait for a wake.
    """
    cdef Waiter *w = link[0]
    if w == NULL:
        return NULL
    while state_of(w) == NULL:
        check_queued(w)
        w = w.next
        if w == link[0]:
            return NULL
    return highest_ranked(link, w) if unlikely(state_of(w).is_reordered) else w


# Of those who are blocked on the word of a key, from `first` on, the one with the highest rank.
cdef Waiter *highest_ranked(Waiter **link, Waiter *first) noexcept nogil

# A state for `key`, owned by `owner`, that nobody waits for yet. Requires: directory.free is not NULL.
cdef PIState *state_new(PIDirectory *d, void *manager, const Key *key, uint32_t owner) noexcept nogil
cdef void state_free(PIDirectory *d, PIState *state) noexcept nogil
cdef void state_set_owner(PIDirectory *d, PIState *state, uint32_t owner) noexcept nogil

# Block a wait on a state with this rank, and take it off again.
cdef void state_add(PIDirectory *d, PIState *state, PIWait *wait, uint8_t rank) noexcept nogil
# Give a wait another rank, or the last turn of the one that it has. Requires: the bucket lock, too.
cdef void wait_rank(PIDirectory *d, PIWait *wait, uint8_t rank) noexcept nogil
cdef void state_remove(PIDirectory *d, PIWait *wait) noexcept nogil

# One state that `tid` owns, or NULL. The wait with which `tid` is blocked, or NULL.
cdef PIState *state_held(PIDirectory *d, uint32_t tid) noexcept nogil
cdef PIWait *wait_blocked(PIDirectory *d, uint32_t tid) noexcept nogil

# Whether the chain of owners that starts with `owner` comes to `tid`: then tid must not wait for owner.
cdef bint chain_leads_to(PIDirectory *d, uint32_t owner, uint32_t tid) noexcept nogil

# The highest priority that the waiters of all words that `tid` holds lend it.
cdef uint8_t priority_lent(PIDirectory *d, uint32_t tid) noexcept nogil
