"""Managers and their families: what is global in the process, and the life of a manager.

Managers that were forked from one another are a family: each has a table of its own for private keys, all share one for
the keys of mappables. Tables live until the last manager of the family dies, so a waiter that a requeue moved into
another member's table is found there whatever becomes of that member.
"""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.atomic cimport load_acquire_u32, load_relaxed_u32
from pyfutex._core.key cimport HashSeed, Key, SHARED_MAPPABLE, key_kind
from pyfutex._core.pistate cimport PIDirectory
from pyfutex._core.status cimport Status
from pyfutex._core.table cimport Table


cdef struct Family:
    Table shared            # the keys of mappables
    uint32_t n_alive        # registry lock
    uint32_t epoch          # registry lock. Fork epoch in which `shared` was set up
    uint32_t pi_lock        # a word lock that is always LIVE, outside every bucket lock
    uint32_t deaths         # atomic, written under pi_lock. How often the words of a dead owner have been looked for in vain
    PIDirectory *pi         # pi_lock. NULL until a PI word had a waiter
    CManager *members       # registry lock. All that ever were, linked through CManager.sibling


ctypedef int (*OwnerAlive)(void *context, uint32_t tid) noexcept nogil

cdef struct CManager:
    Table private           # private keys, and shared keys of memory without a mappable
    Table *shared           # family.shared
    HashSeed seed           # read only, with all below but epoch
    const uint32_t *fork_epoch
    uint32_t epoch          # atomic. Fork epoch in which `private` was set up
    Family *family
    CManager *sibling       # registry lock
    void *completions       # of a Python Manager: its Completions for waiters without a queue of their own. Read only
    OwnerAlive owner_alive  # whom native callers ask about owners of PI words, or NULL. Read only, once m is used
    void *owner_alive_context


# A manager with a new family, or in the family of `parent`; NULL: no memory.
cdef CManager *manager_new(CManager *parent) noexcept nogil
# Requires: no call is inside, and none of its users has a waiter queued.
cdef void manager_free(CManager *m) noexcept nogil

# All members of m's family that ever were, m among them, linked through `sibling`; the list only grows at its head.
cdef CManager *family_members(CManager *m) noexcept nogil

# Never the same number twice in a process; not 0.
cdef uint64_t next_serial() noexcept nogil
# The table that a waiter's location names.
cdef Table *table_numbered(uint32_t number) noexcept nogil
# Start over with empty tables in the child of a fork. OK or NO_MEMORY.
cdef Status manager_renew(CManager *m) noexcept nogil
cdef uint32_t current_epoch() noexcept nogil
# Where it stands, for those who look at every call.
cdef const uint32_t *epoch_address() noexcept nogil
# pthread_self() of the thread that forked this process into its epoch.
cdef uint64_t last_forker() noexcept nogil


cdef inline Table *table_of(CManager *m, const Key *key) noexcept nogil:
    return m.shared if key_kind(key) == SHARED_MAPPABLE else &m.private


cdef inline bint is_stale(CManager *m) noexcept nogil:
    # Set up before a fork of this process: nothing that its tables hold concerns us.
    return load_relaxed_u32(m.fork_epoch) != load_acquire_u32(&m.epoch)
