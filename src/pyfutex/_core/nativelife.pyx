"""What C code makes and frees. Contracts are in nativelife.pxd and pyfutex.h."""

from libc.errno cimport EBUSY, EINVAL, ENOMEM, errno
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from pyfutex._core.atomic cimport load_acquire_u64
from pyfutex._core.clock cimport CLOCK_MONOTONIC, CLOCK_REALTIME, now_ns
from pyfutex._core.completions cimport (
    completions_after_fork,
    completions_bell,
    completions_end,
    completions_settle,
    completions_pop,
)
from pyfutex._core.family cimport (
    current_epoch,
    family_members,
    is_stale,
    manager_free,
    manager_renew,
    next_serial,
)
from pyfutex._core.inspect cimport Survey, table_bytes, visit_bucket
from pyfutex._core.place cimport place_find
from pyfutex._core.status cimport DETACHED, OK, Status, status_errno
from pyfutex._core.table cimport Table
from pyfutex._core.target cimport FLAT, NATIVE, READ, word_close
from pyfutex._core.word cimport Word


cdef extern from "line.h" nogil:
    void *calloc_line "pf_calloc_line" (size_t size)


# --- managers -------------------------------------------------------------------------------------------------------

cdef struct Census:
    CManager *manager
    uint64_t n


cdef void count_own(void *context, Waiter *w) noexcept nogil:
    cdef Census *census = <Census *> context
    census.n += w.manager == <void *> census.manager


cdef void visit_table(Table *t, Census *census, Survey *survey) noexcept nogil:
    cdef uint64_t cursor = 0
    while True:
        visit_bucket(t, &cursor, count_own, census, survey, DETACHED)
        if cursor == 0:
            return


cdef uint64_t life_manager_waiters(CManager *m) noexcept nogil:
    # A requeue may have taken its waiters into any table of the family.
    cdef CManager *member
    cdef Census census
    cdef Survey survey
    census.manager = m
    census.n = 0
    if m == NULL or is_stale(m):
        return 0
    memset(&survey, 0, sizeof(Survey))
    visit_table(m.shared, &census, &survey)
    member = family_members(m)
    while member != NULL:
        if not is_stale(member):
            visit_table(&member.private, &census, &survey)
        member = member.sibling
    return census.n


cdef int life_manager_free(CManager *m) noexcept nogil:
    if m == NULL:
        return 0
    if life_manager_waiters(m):
        return -EBUSY
    manager_free(m)
    return 0


cdef int life_manager_stats(CManager *m, Stats *stats) noexcept nogil:
    cdef Census census
    cdef Survey survey
    if m == NULL or stats == NULL:
        return -EINVAL
    if is_stale(m) and manager_renew(m) != OK:
        return -ENOMEM
    census.manager = m
    memset(&survey, 0, sizeof(Survey))
    visit_table(&m.private, &census, &survey)
    visit_table(m.shared, &census, &survey)
    memset(stats, 0, sizeof(Stats))
    stats.waiters = survey.waiters
    stats.keys = survey.keys
    stats.buckets = survey.buckets
    stats.longest_chain = survey.longest_chain
    stats.growths = load_acquire_u64(&m.private.growths) + load_acquire_u64(&m.shared.growths)
    stats.table_bytes = table_bytes(&m.private) + table_bytes(m.shared)
    return 0


# --- targets --------------------------------------------------------------------------------------------------------

# Addresses are host addresses, and so are private keys: the space 0, in which Memory objects without a base lie.
# Nothing is mapped below the first page, so a null pointer is a fault, and no access to it.
cdef enum:
    FIRST_ADDRESS = 4096

cdef CTarget host
host.kind = FLAT
host.base = FIRST_ADDRESS
host.host = <char *> FIRST_ADDRESS
host.nbytes = <uint64_t> 0xFFFFFFFFFFFFFFFF - FIRST_ADDRESS


cdef const CTarget *life_host_target() noexcept nogil:
    return &host


cdef bint life_target_bind(CTarget *target, const TargetFunctions *functions, void *context) noexcept nogil:
    if functions == NULL or functions.load == NULL or functions.swap == NULL or functions.compare_and_swap == NULL:
        return False
    target.kind = NATIVE
    target.native.functions = functions
    target.native.context = context
    return True


cdef CTarget *life_target_new(const TargetFunctions *functions, void *context) noexcept nogil:
    cdef CTarget *target = <CTarget *> calloc(1, sizeof(CTarget))
    if target != NULL and not life_target_bind(target, functions, context):
        free(target)
        return NULL
    if target != NULL:
        target.serial = next_serial()
    return target


cdef void life_target_free(CTarget *target) noexcept nogil:
    free(target)


# --- queues ---------------------------------------------------------------------------------------------------------

cdef Completions *life_queue_new() noexcept nogil:
    cdef Completions *q = <Completions *> calloc_line(sizeof(Completions))
    if q != NULL:
        q.epoch = current_epoch()
    return q


cdef void life_queue_free(Completions *q) noexcept nogil:
    if q != NULL:
        completions_settle(q, current_epoch())
        completions_end(q)
    free(q)


cdef int life_queue_fileno(Completions *q) noexcept nogil:
    cdef int fd
    if q == NULL:
        return -EINVAL
    completions_after_fork(q, current_epoch())
    fd = completions_bell(q)
    return fd if fd >= 0 else -errno


cdef NativeWaiter *life_queue_pop(Completions *q) noexcept nogil:
    return NULL if q == NULL else <NativeWaiter *> completions_pop(q, current_epoch())


# --- looking in -----------------------------------------------------------------------------------------------------

cdef int life_key_of(const Place *word, uint64_t *space, uint64_t *offset) noexcept nogil:
    cdef Word found
    cdef Status status = place_find(word, READ, &found)
    if status != OK:
        return -status_errno(status)
    word_close(&found)
    space[0] = found.key.space
    offset[0] = found.key.offset
    return 0


cdef int64_t life_now(int32_t clock) noexcept nogil:
    if clock != CLOCK_MONOTONIC and clock != CLOCK_REALTIME:
        return -EINVAL
    return now_ns(clock)
