"""The PI operations. Words and locks are in pi.pxd."""

from libc.errno cimport EFAULT
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc

from pyfutex._core.atomic cimport (
    load_relaxed_u32,
    store_release_u32,
    store_release_u64,
)
from pyfutex._core.bucket cimport (
    bucket_append,
    bucket_find,
    bucket_take,
    bucket_unlink,
    bucket_unlock,
    first_waiter,
)
from pyfutex._core.bucketlocks cimport lock_queued
from pyfutex._core.checks cimport PI_LOCK, check_no_bucket, note_rank
from pyfutex._core.family cimport is_stale, manager_renew, table_of
from pyfutex._core.key cimport key_hash, LOG2_SIZE_U32
from pyfutex._core.pilending cimport lend_in_vain, lend_priority, lend_to
from pyfutex._core.pistate cimport (
    PIDirectory,
    PIState,
    PIWait,
    chain_leads_to,
    heir_of,
    known_owner,
    priority_lent,
    state_add,
    state_free,
    state_held,
    state_new,
    state_of,
    state_remove,
    state_set_owner,
    wait_of,
)
from pyfutex._core.status cimport (
    ATTACHED,
    BUSY,
    CONTENDED,
    DETACHED,
    MISMATCH,
    NO_MEMORY,
    NO_OWNER,
    NOT_OWNER,
    OWNER_CHANGED,
    TRY_AGAIN,
)
from pyfutex._core.table cimport Table, table_added, table_lock
from pyfutex._core.target cimport CALLED, CTarget, IS_PRIVATE, word_close, word_open, WRITE
from pyfutex._core.waiter cimport make_location
from pyfutex._core.word cimport PATIENCE, word_cas, word_exchange, word_load
from pyfutex._core.wordlock cimport LOCK_TAKEN, ONE_KEY, word_count, word_lock, word_unlock


cdef inline Status load_pi(const Word *word, uint32_t *seen) noexcept nogil:
    cdef uint64_t value
    cdef Status status = word_load(word, &value)
    seen[0] = <uint32_t> value
    return status


# --- the directory --------------------------------------------------------------------------------------------------

cdef Status directory_lock(CManager *m, Mode mode) noexcept nogil:
    check_no_bucket()
    if word_lock(&m.family.pi_lock, 0, mode) != LOCK_TAKEN:
        return CONTENDED
    note_rank(&m.family.pi_lock, PI_LOCK)
    # As many states stay allocated as there ever were words with waiters at one time.
    if m.family.pi == NULL:
        m.family.pi = <PIDirectory *> calloc(1, sizeof(PIDirectory))
    if m.family.pi != NULL and m.family.pi.free == NULL:
        m.family.pi.free = <PIState *> calloc(1, sizeof(PIState))
    if m.family.pi != NULL and m.family.pi.free != NULL:
        return OK
    directory_unlock(m)
    return NO_MEMORY


cdef void directory_unlock(CManager *m) noexcept nogil:
    word_unlock(&m.family.pi_lock, 0)


cdef Waiter *top_of(Waiter **link) noexcept nogil:
    """The first waiter of a key; where that is blocked, who gets the word next."""
    cdef Waiter *first = NULL if link[0] == NULL else first_waiter(link[0])
    return first if state_of(first) == NULL else heir_of(link)


cdef void describe(const Waiter *top, TopWaiter *description) noexcept nogil:
    # Requires: the bucket lock.
    cdef PIState *state = state_of(top)
    description.exists = top != NULL
    description.is_blocked = state != NULL
    description.tid = wait_of(top).tid if state != NULL else 0
    description.owner = state.owner if state != NULL else 0


cdef Status block_locked(CManager *m, Waiter *w, const Waiter *top, const Key *key, uint32_t owner,
                         Owner asked) noexcept nogil:
    cdef PIDirectory *d = m.family.pi
    cdef PIWait *wait = wait_of(w)
    cdef PIState *state = state_of(top)
    cdef uint8_t lent
    if state == NULL:
        if top != NULL:
            return MISFIT
        if asked.tid != 0 and asked.deaths != load_relaxed_u32(&m.family.deaths):
            return OWNER_CHANGED
        if chain_leads_to(d, owner, wait.tid):
            return DEADLOCK
        state = state_new(d, m, key, owner)
    elif chain_leads_to(d, state.owner, wait.tid):
        return DEADLOCK
    lent = priority_lent(d, wait.tid)
    state_add(d, state, wait, lent if lent > wait.priority else wait.priority)
    return OK


cdef void unblock_locked(PIDirectory *d, Waiter **link, PIWait *wait) noexcept nogil:
    """Requires: both locks; the waiter has left the ring that `link` leads to."""
    cdef PIState *state = wait.state
    state_remove(d, wait)
    if state.n_waiters == 0:
        state_free(d, state)
        return
    state.top_priority = wait_of(heir_of(link)).rank


# --- acquiring ------------------------------------------------------------------------------------------------------

cdef Status acquire_locked(uint32_t tid, const Waiter *top, const Word *word, Owner asked, bint is_try, bint more,
                           uint32_t *owner) noexcept nogil:
    cdef TopWaiter first
    cdef uint32_t seen
    cdef Status status
    cdef int _try
    owner[0] = 0
    describe(top, &first)
    for _try in range(PATIENCE):
        status = load_pi(word, &seen)
        if status != OK:
            return status
        owner[0] = seen & TID_MASK
        status = pi_judge(seen, tid, &first)
        if status == OK:
            # OWNER_DIED is the next owner's to see.
            status = word_cas(word, seen, tid | (seen & OWNER_DIED) | (WAITERS if more else 0))
            if status != MISMATCH:
                return status
            continue
        if status == WAITING and not first.exists:
            if asked.tid != 0 and owner[0] != asked.tid:
                return OWNER_CHANGED
            if not seen & WAITERS:
                status = word_cas(word, seen, seen | WAITERS)
                if status == MISMATCH:
                    continue
                if status != OK:
                    return status
                status = WAITING
            if asked.tid != 0 and not asked.is_alive:
                return NO_OWNER
        return BUSY if status == WAITING and is_try else status
    return CONTENDED


cdef Status again_locked(const Waiter *top, const Word *word, bint is_try) noexcept nogil:
    """Requires: the bucket lock. Whoever the waiters know as the owner acquires a word that says, by a scribble, that its
    owner died. In Linux it has the lock, and the word stays; a try repairs the word, and fails."""
    cdef uint32_t seen
    cdef Status status = load_pi(word, &seen)
    if status == OK and seen & TID_MASK:
        return CONTENDED
    if status != OK or not is_try:
        return status
    status = word_cas(word, seen, state_of(top).owner | WAITERS | (seen & OWNER_DIED))
    if status == MISMATCH:
        return CONTENDED
    return BUSY if status == OK else status


cdef Status engine_lock_pi(CManager *m, Waiter *w, const Key *key, const Word *word, Owner asked, bint is_try,
                           Mode mode) noexcept nogil:
    cdef Table *t = table_of(m, key)
    cdef uint64_t hash
    cdef Bucket *b
    cdef Waiter **link
    cdef Waiter *top
    cdef uint32_t chain, owner
    cdef bint is_new = False, has_directory = False
    cdef Status status
    if is_stale(m) and manager_renew(m) != OK:
        return NO_MEMORY
    hash = key_hash(key, &m.seed)
    w.key = key[0]
    w.epoch = m.epoch
    w.manager = m
    while True:
        if table_lock(t, hash, ONE_KEY, mode, &b) != LOCK_TAKEN:
            status = CONTENDED
            break
        link = bucket_find(b, key)
        top = top_of(link)
        status = acquire_locked(wait_of(w).tid, top, word, asked, is_try, False, &owner)
        if owner == 0 and (status == WAITING or status == BUSY) and state_of(top).owner == wait_of(w).tid:
            status = again_locked(top, word, is_try)
        if status == WAITING and has_directory:
            owner = known_owner(top, owner)
            status = block_locked(m, w, top, key, owner, asked)
            if status == OK:
                is_new = bucket_append(b, link, w, make_location(hash, t.number))
                status = WAITING
        elif status == WAITING:
            # Now for the outer lock; the word may have a new owner when we are back.
            bucket_unlock(b, ONE_KEY)
            status = directory_lock(m, mode)
            if status != OK:
                return status
            has_directory = True
            if mode == ATTACHED and (wait_of(w).priority or priority_lent(m.family.pi, wait_of(w).tid)):
                status = CONTENDED      # priority is lent detached
                break
            continue
        chain = word_count(load_relaxed_u32(&b.word))
        bucket_unlock(b, 0 if is_new else ONE_KEY)
        if status == CONTENDED:
            continue
        if is_new:
            table_added(t, hash, chain, mode)
        if status == WAITING and wait_of(w).rank:
            lend_priority(m, w)
        elif status == DEADLOCK and has_directory:
            lend_in_vain(m.family.pi, owner, wait_of(w))
        break
    if has_directory:
        directory_unlock(m)
    return status


cdef Status engine_queue_pi(CManager *m, Waiter *w, const Key *key, uint32_t owner, Owner asked,
                            Mode mode) noexcept nogil:
    cdef Table *t = table_of(m, key)
    cdef uint64_t hash
    cdef Bucket *b
    cdef Waiter **link
    cdef uint32_t chain
    cdef bint is_new = False
    cdef Status status
    if is_stale(m) and manager_renew(m) != OK:
        return NO_MEMORY
    hash = key_hash(key, &m.seed)
    w.key = key[0]
    w.epoch = m.epoch
    w.manager = m
    status = directory_lock(m, mode)
    if status != OK:
        return status
    if mode == ATTACHED and (wait_of(w).priority or priority_lent(m.family.pi, wait_of(w).tid)):
        status = CONTENDED
    elif table_lock(t, hash, ONE_KEY, mode, &b) != LOCK_TAKEN:
        status = CONTENDED
    else:
        link = bucket_find(b, key)
        owner = known_owner(top_of(link), owner)
        status = block_locked(m, w, top_of(link), key, owner, asked)
        if status == OK:
            is_new = bucket_append(b, link, w, make_location(hash, t.number))
            status = WAITING
        chain = word_count(load_relaxed_u32(&b.word))
        bucket_unlock(b, 0 if is_new else ONE_KEY)
        if is_new:
            table_added(t, hash, chain, mode)
        if status == WAITING and wait_of(w).rank:
            lend_priority(m, w)
        elif status == DEADLOCK:
            lend_in_vain(m.family.pi, owner, wait_of(w))
    directory_unlock(m)
    return status


# --- giving up ------------------------------------------------------------------------------------------------------

cdef void hand_over(CManager *m, Waiter **link, Waiter *top, Taken *taken, uint32_t *lowered) noexcept nogil:
    """Requires: both locks; `top` is blocked and first. It is taken, and its thread owns the word for the others."""
    cdef PIDirectory *d = m.family.pi
    cdef PIWait *wait = wait_of(top)
    state_set_owner(d, wait.state, wait.tid)
    if bucket_take(link, top, taken):
        lowered[0] += ONE_KEY
    unblock_locked(d, link, wait)


cdef void give_up(CManager *m, Waiter **link, Waiter *top, int error, Taken *taken, uint32_t *lowered) noexcept nogil:
    """Requires: as hand_over. The memory of its word is gone: it hears of that, and the others have the same owner."""
    cdef PIWait *wait = wait_of(top)
    wait.error = error
    if bucket_take(link, top, taken):
        lowered[0] += ONE_KEY
    unblock_locked(m.family.pi, link, wait)


cdef Status release_locked(Waiter *top, const Word *word, uint32_t tid) noexcept nogil:
    """Requires: the bucket lock. Set the word free, or for `top`. As engine_unlock_pi; CONTENDED: out of patience."""
    cdef PIState *state = state_of(top)
    cdef uint32_t seen
    cdef int tries
    cdef Status status
    for tries in range(PATIENCE):
        status = load_pi(word, &seen)
        if status != OK:
            return status
        if seen & TID_MASK != tid:
            return NOT_OWNER if tries == 0 else MISFIT
        if top == NULL:
            status = word_cas(word, seen, 0)
            return TRY_AGAIN if status == MISMATCH else status
        if state == NULL or state.owner != tid:
            return MISFIT
        # WAITERS even for the last one, OWNER_DIED never: the new owner takes over from a living one.
        status = word_cas(word, seen, WAITERS | wait_of(top).tid)
        if status != MISMATCH:
            return status
    return CONTENDED


cdef Status engine_unlock_pi(CManager *m, const Key *key, const Word *word, uint32_t tid, Taken *taken,
                             Mode mode) noexcept nogil:
    cdef uint64_t hash
    cdef Bucket *b
    cdef Waiter **link
    cdef Waiter *top
    cdef uint32_t lowered = 0, seen
    cdef bint has_directory = False
    cdef Status status
    if is_stale(m) and manager_renew(m) != OK:
        return NO_MEMORY
    hash = key_hash(key, &m.seed)
    while True:
        if table_lock(table_of(m, key), hash, 0, mode, &b) != LOCK_TAKEN:
            status = CONTENDED
            break
        link = bucket_find(b, key)
        top = top_of(link)
        if top != NULL and not has_directory:
            # This one look decides: the word may change at any time, and handing it over takes the directory.
            status = load_pi(word, &seen)
            bucket_unlock(b, 0)
            if status == OK:
                status = directory_lock(m, mode) if seen & TID_MASK == tid else NOT_OWNER
            if status != OK:
                return status
            has_directory = True
            continue
        status = release_locked(top, word, tid)
        if status == OK and top != NULL:
            hand_over(m, link, top, taken, &lowered)
        bucket_unlock(b, lowered)
        if status != CONTENDED:
            break
    if has_directory:
        directory_unlock(m)
    return status


cdef Status engine_leave_pi(Waiter *w, Mode mode) noexcept nogil:
    cdef CManager *m = <CManager *> w.manager
    cdef PIWait *wait = wait_of(w)
    cdef Waiter **link
    cdef Bucket *b
    cdef uint32_t owner = 0
    cdef Status status
    cdef bint is_gone
    check_no_bucket()
    if word_lock(&m.family.pi_lock, 0, mode) != LOCK_TAKEN:
        return CONTENDED
    note_rank(&m.family.pi_lock, PI_LOCK)
    if mode == ATTACHED and wait.rank:
        status = CONTENDED      # priority that it lends is taken back detached
    else:
        status = lock_queued(w, mode, &b)
    if status == OK:
        link = bucket_find(b, &w.key)
        is_gone = bucket_unlink(link, w)
        store_release_u64(&w.location, 0)
        if wait.state != NULL:
            owner = wait.state.owner
            unblock_locked(m.family.pi, link, wait)
        bucket_unlock(b, ONE_KEY if is_gone else 0)
        if owner and wait.rank:
            lend_to(m.family.pi, owner)
    directory_unlock(m)
    return status


# --- when an owner dies ---------------------------------------------------------------------------------------------

cdef bint bequeath(Waiter *top, uint32_t word_value) noexcept nogil:
    """Write the heir into its word. Whether there is a word to write to."""
    cdef PIWait *wait = wait_of(top)
    cdef Word word
    cdef uint64_t previous
    cdef Status status
    status = word_open(<const CTarget *> wait.target, wait.addr, LOG2_SIZE_U32, IS_PRIVATE, WRITE, &word)
    if status == OK:
        status = word_exchange(&word, word_value, &previous)
        word_close(&word)
    return status == OK


cdef Status engine_inherit(CManager *m, uint32_t tid, Taken *taken, Heir *heir) noexcept nogil:
    cdef PIState *state
    cdef Waiter **link
    cdef Waiter *top
    cdef Bucket *b
    cdef uint32_t lowered = 0, value
    cdef Status status
    if is_stale(m) and manager_renew(m) != OK:
        return NO_MEMORY
    status = directory_lock(m, DETACHED)
    if status != OK:
        return status
    state = state_held(m.family.pi, tid)
    if state == NULL:
        # Release: pairs with the acquire of those who are about to ask whether `tid` lives.
        store_release_u32(&m.family.deaths, m.family.deaths + 1)
        directory_unlock(m)
        return NO_OWNER
    heir.key = state.key
    table_lock(table_of(<CManager *> state.manager, &heir.key), key_hash(&heir.key, &m.seed), 0, DETACHED, &b)
    link = bucket_find(b, &heir.key)
    top = heir_of(link)
    heir.target = wait_of(top).target
    heir.addr = wait_of(top).addr
    heir.tid = wait_of(top).tid
    if (<const CTarget *> heir.target).kind == CALLED:
        status = WAITING
    else:
        value = heir.tid | WAITERS | OWNER_DIED
        if not bequeath(top, value):
            give_up(m, link, top, EFAULT, taken, &lowered)
            status = TRY_AGAIN
        else:
            hand_over(m, link, top, taken, &lowered)
    bucket_unlock(b, lowered)
    directory_unlock(m)
    return status


cdef Status engine_top_waiter(CManager *m, const Key *key, TopWaiter *top, Mode mode) noexcept nogil:
    cdef Bucket *b
    if is_stale(m) and manager_renew(m) != OK:
        return NO_MEMORY
    if table_lock(table_of(m, key), key_hash(key, &m.seed), 0, mode, &b) != LOCK_TAKEN:
        return CONTENDED
    describe(top_of(bucket_find(b, key)), top)
    bucket_unlock(b, 0)
    return OK


cdef Status engine_succeed(CManager *m, const Key *key, uint32_t owner, uint32_t tid, int error, Taken *taken,
                           Mode mode) noexcept nogil:
    cdef Bucket *b
    cdef Waiter **link
    cdef Waiter *top
    cdef uint32_t lowered = 0
    cdef Status status = directory_lock(m, mode)
    if status != OK:
        return status
    if table_lock(table_of(m, key), key_hash(key, &m.seed), 0, mode, &b) != LOCK_TAKEN:
        status = CONTENDED
    else:
        link = bucket_find(b, key)
        top = heir_of(link)
        if top != NULL and state_of(top).owner == owner and wait_of(top).tid == tid:
            if error:
                give_up(m, link, top, error, taken, &lowered)
            else:
                hand_over(m, link, top, taken, &lowered)
        bucket_unlock(b, lowered)
    directory_unlock(m)
    return status
