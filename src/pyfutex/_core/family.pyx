"""What is global in the process: table numbers, serials, the hash seed, the fork epoch. And the life of a manager.

Lock order: the registry lock is outermost; it is never taken, nor held, with a bucket lock.
"""

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free, getenv, strtoull

from pyfutex._core.atomic cimport (
    cas_u32,
    fetch_add_u64,
    load_acquire_u32,
    load_relaxed_u32,
    load_relaxed_u64,
    pause,
    store_relaxed_u32,
    store_relaxed_u64,
    store_release_u32,
)
from pyfutex._core.checks cimport check_no_lock
from pyfutex._core.key cimport HashSeed, multiply_fold
from pyfutex._core.pistate cimport PIDirectory, PIState
from pyfutex._core.status cimport NO_MEMORY, OK, Status
from pyfutex._core.table cimport Table, table_free, table_init, table_renew
from pyfutex._core.wordlock cimport LIVE


cdef extern from "registry.h" nogil:
    uint64_t random_u64 "pf_random_u64" ()
    uint32_t fork_epoch "pf_fork_epoch.now"     # atomic. Bumped in the child of every fork
    int pthread_atfork(void (*prepare)() noexcept nogil, void (*parent)() noexcept nogil,
                       void (*child)() noexcept nogil)
    uint64_t pthread_self()


cdef extern from "line.h" nogil:
    void *calloc_line "pf_calloc_line" (size_t size)


# --- what is global -------------------------------------------------------------------------------------------------

cdef enum:
    NUMBERS_A_CHUNK = 4096
    CHUNKS = 4096           # 2**24 tables alive at once, as many as a location can name

cdef uint64_t forker = 0            # atomic. The thread that forked last, in the child: the only one that lived on
cdef uint64_t last_serial = 0       # atomic
cdef HashSeed process_seed

cdef uint32_t registry_lock = 0     # spin lock over a handful of instructions, never under a bucket lock
cdef Table **registry[CHUNKS]       # written under registry_lock; an entry is read by those who keep its table alive
cdef uint32_t n_numbers = 1         # registry_lock. 0 is no table: a location of 0 means "not queued"
cdef uint32_t *free_numbers = NULL  # registry_lock. Stack of numbers to be used again
cdef uint32_t n_free = 0
cdef uint32_t free_room = 0


cdef void lock_registry() noexcept nogil:
    check_no_lock()
    while not cas_u32(&registry_lock, 0, 1):
        pause()


cdef void unlock_registry() noexcept nogil:
    store_release_u32(&registry_lock, 0)


cdef void child_after_fork() noexcept nogil:
    # Whoever held the registry lock may not exist here. The half-done work it protects is at worst a number lost.
    store_relaxed_u32(&registry_lock, 0)
    store_relaxed_u64(&forker, pthread_self())
    store_release_u32(&fork_epoch, fork_epoch + 1)


cdef uint32_t current_epoch() noexcept nogil:
    return load_acquire_u32(&fork_epoch)


cdef const uint32_t *epoch_address() noexcept nogil:
    return &fork_epoch


cdef uint64_t last_forker() noexcept nogil:
    return load_relaxed_u64(&forker)


cdef uint64_t next_serial() noexcept nogil:
    return fetch_add_u64(&last_serial, 1) + 1


cdef Table *table_numbered(uint32_t number) noexcept nogil:
    return registry[number // NUMBERS_A_CHUNK][number % NUMBERS_A_CHUNK]


cdef uint32_t register_table(Table *t) noexcept nogil:
    """A number for t, or 0 when there is none left. Requires: registry lock."""
    global n_numbers, n_free
    cdef uint32_t number
    if n_free:
        n_free -= 1
        number = free_numbers[n_free]
    elif n_numbers < CHUNKS * NUMBERS_A_CHUNK:
        number = n_numbers
        if registry[number // NUMBERS_A_CHUNK] == NULL:
            registry[number // NUMBERS_A_CHUNK] = <Table **> calloc(NUMBERS_A_CHUNK, sizeof(Table *))
            if registry[number // NUMBERS_A_CHUNK] == NULL:
                return 0
        n_numbers += 1
    else:
        return 0
    registry[number // NUMBERS_A_CHUNK][number % NUMBERS_A_CHUNK] = t
    return number


cdef void unregister_table(Table *t) noexcept nogil:
    # Requires: registry lock. Without memory to remember it the number is lost, nothing else.
    global free_numbers, n_free, free_room
    cdef uint32_t *room
    cdef uint32_t i
    if n_free == free_room:
        room = <uint32_t *> calloc(2 * free_room + 64, sizeof(uint32_t))
        if room == NULL:
            return
        for i in range(n_free):
            room[i] = free_numbers[i]
        free(free_numbers)
        free_numbers = room
        free_room = 2 * free_room + 64
    free_numbers[n_free] = t.number
    n_free += 1


# --- the life of a manager ------------------------------------------------------------------------------------------

cdef Status table_new(Table *t) noexcept nogil:
    # Requires: registry lock.
    cdef uint32_t number = register_table(t)
    if number == 0:
        return NO_MEMORY
    if table_init(t, number) != OK:
        t.number = number
        unregister_table(t)
        return NO_MEMORY
    return OK


cdef Family *family_new() noexcept nogil:
    # Requires: registry lock.
    cdef Family *family = <Family *> calloc_line(sizeof(Family))
    if family == NULL:
        return NULL
    family.epoch = current_epoch()
    family.pi_lock = LIVE
    if table_new(&family.shared) != OK:
        free(family)
        return NULL
    return family


cdef void free_directory(PIDirectory *d) noexcept nogil:
    # Nobody waits, so that all states are among the free ones.
    cdef PIState *state
    if d == NULL:
        return
    while d.free != NULL:
        state = d.free
        d.free = state.next
        free(state)
    free(d)


cdef void family_free(Family *family) noexcept nogil:
    # Requires: registry lock; no member alive.
    cdef CManager *m
    while family.members != NULL:
        m = family.members
        family.members = m.sibling
        unregister_table(&m.private)
        table_free(&m.private)
        free(m)
    unregister_table(&family.shared)
    table_free(&family.shared)
    free_directory(family.pi)
    free(family)


cdef CManager *manager_new(CManager *parent) noexcept nogil:
    cdef CManager *m = <CManager *> calloc_line(sizeof(CManager))
    if m == NULL:
        return NULL
    m.seed = process_seed
    m.fork_epoch = &fork_epoch
    if parent != NULL and is_stale(parent) and manager_renew(parent) != OK:
        free(m)
        return NULL
    m.epoch = current_epoch()
    lock_registry()
    m.family = family_new() if parent == NULL else parent.family
    if m.family != NULL and table_new(&m.private) == OK:
        m.shared = &m.family.shared
        m.sibling = m.family.members
        m.family.members = m
        m.family.n_alive += 1
        unlock_registry()
        return m
    if m.family != NULL and parent == NULL:
        family_free(m.family)
    unlock_registry()
    free(m)
    return NULL


cdef void manager_free(CManager *m) noexcept nogil:
    cdef Family *family = m.family
    lock_registry()
    family.n_alive -= 1
    if family.n_alive == 0:
        family_free(family)
    unlock_registry()


cdef CManager *family_members(CManager *m) noexcept nogil:
    cdef CManager *members
    lock_registry()
    members = m.family.members
    unlock_registry()
    return members


cdef Status manager_renew(CManager *m) noexcept nogil:
    # In the child of a fork, by the first operation that would look at what the parent left: a table caught in the
    # middle of anything is not repaired but replaced.
    cdef Status status = OK
    cdef uint32_t epoch
    lock_registry()
    epoch = current_epoch()
    if m.family.epoch != epoch:
        status = table_renew(&m.family.shared)
        if status == OK:
            # The states of the parent's waiters are lost with the directory, a few dozen bytes each.
            m.family.pi_lock = LIVE
            m.family.pi = NULL
            m.family.epoch = epoch
    if status == OK and load_relaxed_u32(&m.epoch) != epoch:
        status = table_renew(&m.private)
        if status == OK:
            # Release: who finds the epoch current (is_stale) finds the new table.
            store_release_u32(&m.epoch, epoch)
    unlock_registry()
    return status


# --- at import ------------------------------------------------------------------------------------------------------

cdef void seed_process() noexcept nogil:
    # PYFUTEX_HASH_SEED makes the hash, and so the instruction counts of a profile, the same from run to run.
    cdef const char *given = getenv(b"PYFUTEX_HASH_SEED")
    cdef uint64_t number
    if given == NULL:
        process_seed.space = random_u64()
        process_seed.offset = random_u64()
        return
    number = strtoull(given, NULL, 0)
    process_seed.space = multiply_fold(number ^ <uint64_t> 0x243F6A8885A308D3, <uint64_t> 0x9E3779B97F4A7C15)
    process_seed.offset = multiply_fold(number ^ <uint64_t> 0x13198A2E03707344, <uint64_t> 0xD1B54A32D192ED03)


seed_process()
pthread_atfork(NULL, NULL, child_after_fork)
