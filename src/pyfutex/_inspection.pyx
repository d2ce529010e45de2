"""Looking into a manager.

A waiter may sit in any table of the family, since a requeue through a forked sibling can take it to that sibling's own;
so all tables are looked at, and a waiter counts for the manager through which it was queued.

Buckets are visited attached, so that the queue's object waiters can be given a reference while the lock keeps them there.
"""

from cpython.ref cimport Py_DECREF, PyObject
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc

from pyfutex._core.atomic cimport load_acquire_u64, load_relaxed_i64
from pyfutex._core.clock cimport CLOCK_MONOTONIC, now_ns
from pyfutex._core.family cimport CManager, family_members, is_stale, manager_renew
from pyfutex._core.inspect cimport Survey, Visitor, table_bytes, visit_bucket
from pyfutex._core.key cimport Key as CKey, key_equal
from pyfutex._core.parker cimport Parker, WITHDRAWN
from pyfutex._core.pistate cimport state_of, wait_of
from pyfutex._core.status cimport ATTACHED, CONTENDED, DETACHED, OK, Status
from pyfutex._core.table cimport Table
from pyfutex._core.target cimport IS_PRIVATE, IS_SHARED, READ
from pyfutex._core.vector cimport Vector
from pyfutex._core.waiter cimport ENTRY, OBJECT, PI, PLAIN, REQUEUE_PI, Waiter as CWaiter
from pyfutex._errors cimport raise_status
from pyfutex._words cimport find_key
from pyfutex.key cimport key_object
from pyfutex.target cimport Target

from pyfutex.results import WaiterInfo


cdef dict KINDS = {<int> PLAIN: "PLAIN", <int> PI: "PI", <int> REQUEUE_PI: "REQUEUE_PI"}


cdef struct Seen:
    CKey key
    uint32_t bitset
    uint32_t tid
    uint8_t kind
    uint8_t notify
    uint8_t is_slept_on
    uint8_t rank        # PI: in which order they get the word
    uint64_t turn
    int64_t since       # CLOCK_MONOTONIC ns; 0: nobody sleeps on it
    PyObject *owner     # OBJECT: with a reference of ours


cdef struct Sightings:
    # What copy_waiter fills. Only waiters of `manager`, and with n_keys only those of the keys.
    CManager *manager
    CKey keys[2]
    int n_keys
    Seen *seen
    size_t n
    size_t room
    size_t missed       # there was no room for so many


cdef void pass_by(void *context, CWaiter *w) noexcept nogil:
    pass


cdef void copy_waiter(void *context, CWaiter *w) noexcept nogil:
    cdef Sightings *sightings = <Sightings *> context
    cdef Seen *seen
    cdef CWaiter *told = w      # who sleeps or is told: of an entry its vector's whole, there as long as it is queued
    cdef uint64_t sleeper
    cdef int i
    cdef bint is_wanted = sightings.n_keys == 0
    for i in range(sightings.n_keys):
        is_wanted |= key_equal(&w.key, &sightings.keys[i])
    if not is_wanted or w.manager != <void *> sightings.manager:
        return
    if sightings.n == sightings.room:
        sightings.missed += 1
        return
    seen = &sightings.seen[sightings.n]
    sightings.n += 1
    seen.key = w.key
    seen.bitset = w.bitset
    seen.tid = wait_of(w).tid if w.kind >= PI else 0
    seen.kind = w.kind
    if state_of(w) != NULL:
        seen.kind = PI
        seen.rank = wait_of(w).rank
        seen.turn = wait_of(w).turn
    if w.notify == ENTRY:
        told = (<Vector *> w.part).whole
    seen.notify = told.notify
    seen.is_slept_on = told.is_slept_on
    seen.owner = <PyObject *> told.owner
    # Parkers are never freed, so the one that we read here may be looked at, whatever becomes of its sleep.
    sleeper = load_acquire_u64(&told.mark)
    seen.since = load_relaxed_i64(&(<Parker *> sleeper).since) if sleeper > WITHDRAWN else 0
    if told.notify == OBJECT:
        keep(told.owner)


cdef extern from *:
    """
    /* A reference to a queued Waiter, taken under a bucket lock by an attached thread. Its count is not 0: the queue has
       one, and it stays as long as the lock is held. */
    static void pf_keep(void *owner) { Py_INCREF((PyObject *)owner); }
    """
    void keep "pf_keep" (void *owner) nogil


cdef Status visit_attached(Table *t, uint64_t *cursor, Visitor visit, void *context, Survey *survey) noexcept:
    cdef uint64_t same
    cdef Survey unused
    while visit_bucket(t, cursor, visit, context, survey, ATTACHED) == CONTENDED:
        # Let whoever holds the lock finish; then try again, attached.
        same = cursor[0]
        with nogil:
            visit_bucket(t, &same, pass_by, NULL, &unused, DETACHED)
    return OK


cdef void survey_table(Table *t, Survey *survey) noexcept:
    cdef uint64_t cursor = 0
    while True:
        visit_attached(t, &cursor, pass_by, NULL, survey)
        if cursor == 0:
            return


cdef int renew(CManager *m) except -1:
    cdef Status status = manager_renew(m) if is_stale(m) else OK
    if status != OK:
        raise_status(status)
    return 0


cdef int sight_table(Table *t, Sightings *sightings) except -1:
    cdef uint64_t cursor = 0, before
    cdef size_t n
    cdef Survey unused
    cdef void *more
    while True:
        before = cursor
        n = sightings.n
        sightings.missed = 0
        visit_attached(t, &cursor, copy_waiter, sightings, &unused)
        if sightings.missed:
            # Make room with no lock held, and visit this bucket again.
            drop(sightings, n)
            sightings.room += sightings.missed + 64
            more = realloc(sightings.seen, sightings.room * sizeof(Seen))
            if more == NULL:
                raise MemoryError
            sightings.seen = <Seen *> more
            cursor = before
        elif cursor == 0:
            return 0


cdef void drop(Sightings *sightings, size_t n) noexcept:
    # Forget all sightings but the first n.
    while sightings.n > n:
        sightings.n -= 1
        if sightings.seen[sightings.n].notify == OBJECT:
            Py_DECREF(<object> sightings.seen[sightings.n].owner)


cdef int sight_family(CManager *m, Sightings *sightings) except -1:
    cdef CManager *member = family_members(m)
    sightings.manager = m
    sightings.seen = NULL
    sightings.n = 0
    sightings.room = 0
    renew(m)
    sight_table(m.shared, sightings)
    while member != NULL:
        if not is_stale(member):
            sight_table(&member.private, sightings)
        member = member.sibling
    return 0


cdef object queued_count(CManager *m):
    cdef Sightings sightings
    cdef size_t n
    sightings.n_keys = 0
    try:
        sight_family(m, &sightings)
        n = sightings.n
    finally:
        drop(&sightings, 0)
        free(sightings.seen)
    return n


cdef list list_waiters(CManager *m, Target mem, object addr, uint32_t log2_size):
    cdef Sightings sightings
    cdef list infos = []
    cdef dict heirs = {}
    cdef int64_t now
    cdef size_t i
    cdef Seen *seen
    cdef Status status
    sightings.n_keys = 0
    sightings.seen = NULL
    sightings.n = 0
    if mem is not None:
        status = find_key(mem, addr, log2_size, IS_PRIVATE, READ, &sightings.keys[0])
        if status == OK:
            status = find_key(mem, addr, log2_size, IS_SHARED, READ, &sightings.keys[1])
        if status != OK:
            raise_status(status)
        sightings.n_keys = 2
    try:
        sight_family(m, &sightings)
        now = now_ns(CLOCK_MONOTONIC)
        for i in range(sightings.n):
            seen = &sightings.seen[i]
            infos.append(WaiterInfo(
                key_object(&seen.key), KINDS[seen.kind], seen.bitset, seen.tid,
                (now - seen.since) / 1e9 if seen.since else 0.0,
                <object> seen.owner if seen.notify == OBJECT and not seen.is_slept_on else None))
            if seen.kind == PI:
                heirs.setdefault(infos[i].key, []).append((-<int> seen.rank, seen.turn, i))
    finally:
        drop(&sightings, 0)
        free(sightings.seen)
    return in_line(infos, heirs)


cdef list in_line(list infos, dict heirs):
    """Where those stand who are blocked on one word, put them in the order in which they get it."""
    cdef list line = infos.copy()
    for blocked in heirs.values():
        for (_rank, _turn, place), (_rank, _turn, i) in zip(blocked, sorted(blocked), strict=True):
            line[place] = infos[i]
    return line


cdef int cancel_all(object manager, CManager *m) except -1:
    # One list for both halves: who came after it was made is not ours to judge.
    cdef list infos = list_waiters(m, None, None, 0)
    if any(info.waiter is None for info in infos):
        raise RuntimeError("a thread sleeps in a wait of this manager")
    for info in infos:
        info.waiter.cancel()
    return 0


cdef dict table_figures(CManager *m):
    cdef Survey own, shared
    renew(m)
    own.waiters = own.keys = own.buckets = own.longest_chain = 0
    shared = own
    survey_table(&m.private, &own)
    survey_table(m.shared, &shared)
    return {
        "waiters": own.waiters + shared.waiters,
        "keys": own.keys + shared.keys,
        "buckets": own.buckets,
        "shared_buckets": shared.buckets,
        "longest_chain": max(own.longest_chain, shared.longest_chain),
        "growths": load_acquire_u64(&m.private.growths) + load_acquire_u64(&m.shared.growths),
        "migrating": int(load_acquire_u64(&m.private.previous) != 0 or load_acquire_u64(&m.shared.previous) != 0),
        "table_bytes": table_bytes(&m.private) + table_bytes(m.shared),
    }
