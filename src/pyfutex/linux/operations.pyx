"""The operations of futex(2) for a task. Contracts are in operations.pxd.

The order of the checks is Linux's: what is wrong with the counts and the bitset; for each address, alignment, whether it can
be a guest's, whether something is mapped; then the word.
"""

from libc.errno cimport EAGAIN, EINVAL, ENOSYS, EPERM, ETIMEDOUT
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

from pyfutex._calledtarget cimport called_cmp_requeue, called_load, called_queue, called_wake_op
from pyfutex._claims cimport waiter_refuse
from pyfutex._core.atomic cimport likely, unlikely
from pyfutex._core.bucket cimport Taken, taken_init
from pyfutex._core.clock cimport NEVER
from pyfutex._core.engine cimport engine_prepare, engine_requeue, engine_wake_op, engine_wake_slow, nobody_for
from pyfutex._core.key cimport Key as CKey, key_equal, LOG2_SIZE_U32
from pyfutex._core.pi cimport TID_MASK
from pyfutex._core.requeuepi cimport engine_top_requeuer
from pyfutex._core.status cimport (
    ATTACHED,
    BUSY,
    CONTENDED,
    DEADLOCK,
    DETACHED,
    FAULT,
    MISFIT,
    OK,
    Status,
    WAITING,
    status_errno,
)
from pyfutex._core.target cimport Access, IS_PRIVATE, KEY, READ, WRITE, word_close, word_open
from pyfutex._core.wakeop cimport op_is_known
from pyfutex._core.word cimport Word, word_compare, word_load
from pyfutex._delivery cimport deliver
from pyfutex._pi cimport prepare_lock_pi, release_pi, try_lock_pi as try_to_lock
from pyfutex._pimanager cimport LINUX_7_2
from pyfutex._requeuepi cimport prepare_requeue_pi, requeue_pi_words
from pyfutex._vectors cimport Item, queue_items
from pyfutex._words cimport find_key
from pyfutex.linux.task cimport Blocked, Place, Task, task_block, task_blocks, task_may_block, task_now
from pyfutex.linux.usercopy cimport copy_in, copy_out


cdef enum:
    NO_NODE = -1        # FUTEX_NO_NODE

cdef tuple FAILURES = tuple([-number for number in range(134)])


cdef object failure(int error):
    if likely(0 < error < 134):
        return <object> FAILURES[error]
    return -error


cdef object failed(Status status):
    return failure(status_errno(status))


cdef int settle_node(Task task, uint64_t addr) except -1:
    """The node of a NUMA word, in the word behind it: this machine has node 0 alone. 0 or an errno."""
    cdef int32_t node
    cdef int error
    if addr & 7:
        return EINVAL
    error = copy_in(task.mem, addr + 4, task.limit, &node, sizeof(node))
    if error or node == 0:
        return error
    if node != NO_NODE:
        return EINVAL
    node = 0
    return copy_out(task.mem, addr + 4, task.limit, &node, sizeof(node))


cdef Status find_numa(Task task, const Place *place, Access access, Word *word) except? <Status> 255:
    cdef Place plain = place[0]
    cdef Status status
    cdef int error = settle_node(task, place.addr)
    if error:
        return MISFIT if error == EINVAL else FAULT
    plain.is_numa = False
    status = find(task, &plain, access, word)
    # A key of its own: no word lies at an odd address.
    word.key.offset |= 1
    return status


cdef inline Status find(Task task, const Place *place, Access access, Word *word) except? <Status> 255:
    """The word; of memory that Python code answers for, its key, and NULL for a host address. Then word_close is due."""
    if unlikely(place.is_numa):
        return find_numa(task, place, access, word)
    if unlikely(place.addr > task.limit):      # the kernel lets that very address pass
        return MISFIT if place.addr & 3 else FAULT
    if unlikely(task.is_called):
        word.readers = NULL
        word.host = NULL
        return find_key(task.mem, place.addr, LOG2_SIZE_U32, place.sharing, access, &word.key)
    return word_open(&task.mem.c, place.addr, LOG2_SIZE_U32, place.sharing, access, word)


cdef inline Status find_only_key(Task task, const Place *place, Access access, CKey *key) except? <Status> 255:
    cdef Word word
    cdef Status status = find(task, place, access, &word)
    if status == OK:
        key[0] = word.key
        word_close(&word)
    return status


cdef object delivered(Taken *taken, Status status, uint32_t moved):
    # What was done before an error stays done, and is not told.
    cdef uint32_t woken = taken.n
    if woken:
        deliver(taken)
    return woken + moved if status == OK else failed(status)


cdef object wake(Task task, const Place *place, int32_t n, uint32_t bitset, bint is_strict):
    cdef CKey key
    cdef Taken taken
    cdef uint64_t hash
    cdef Status status
    if bitset == 0 or (n < 0 and task.manager.profile >= LINUX_7_2):
        return failure(EINVAL)
    status = find_only_key(task, place, KEY, &key)
    if status != OK:
        return failed(status)
    if likely(nobody_for(task.m, &key, &hash)) or (is_strict and n == 0):
        return 0
    n = max(n, 1)       # the kernel counts whom it woke, then compares
    taken_init(&taken)
    status = engine_wake_slow(task.m, &key, hash, <uint32_t> n, bitset, &taken, ATTACHED)
    if status == CONTENDED:
        with nogil:
            status = engine_wake_slow(task.m, &key, hash, <uint32_t> n, bitset, &taken, DETACHED)
    return delivered(&taken, status, 0)


cdef inline bint deadline_has_passed(Task task, const Blocked *call) except? True:
    return call.until.ns != NEVER and task_now(task, call.until.clock) >= call.until.ns


cdef object wait(Task task, const Blocked *call):
    cdef Word word
    cdef Status status
    if call.bitset == 0:
        return failure(EINVAL)
    status = find(task, &call.place, READ, &word)
    if status != OK:
        return failed(status)
    if unlikely(task.is_called):
        return wait_called(task, call, &word.key)
    status = word_compare(&word, call.val)
    word_close(&word)
    if status != OK:
        return failed(status)
    if deadline_has_passed(task, call):
        return failure(ETIMEDOUT)
    # No Python code may run between opening and closing a word. Claiming the waiter, which may wait for a waker's mark, and
    # the guest's clock come before.
    task_block(task, call)
    status = find(task, &call.place, READ, &word)
    if status == OK:
        status = engine_prepare(task.m, &task.waiter.c, &word.key, &word, call.val, ATTACHED)
        if status == CONTENDED:
            with nogil:
                status = engine_prepare(task.m, &task.waiter.c, &word.key, &word, call.val, DETACHED)
        word_close(&word)
    if status == OK:
        return None
    waiter_refuse(task.waiter)
    return failed(status)


cdef object wait_called(Task task, const Blocked *call, const CKey *key):
    cdef Status status
    if deadline_has_passed(task, call):
        return failure(EAGAIN if called_load(task.mem, call.place.addr) != call.val else ETIMEDOUT)
    task_block(task, call)
    status = called_queue(task.m, task.waiter, task.mem, call.place.addr, key, call.val)
    return None if status == OK else failed(status)


cdef object queued(Task task, bint has_passed):
    # A call whose deadline has passed ends at once, unless it has already.
    return task.interrupt(ETIMEDOUT) if has_passed else None


cdef object wait_vector(Task task, const Place *places, const uint32_t *values, unsigned int n, const Blocked *call):
    cdef Item items[MOST_ENTRIES]
    cdef list addrs = []
    cdef Status status
    cdef bint has_passed
    cdef unsigned int i
    for i in range(n):
        # A private word that is not there is found out when its turn comes to be compared.
        status = find_only_key(task, &places[i], KEY if places[i].sharing == IS_PRIVATE else READ, &items[i].key)
        if status != OK:
            return failed(status)
        items[i].target = &task.mem.c
        items[i].addr = places[i].addr
        items[i].mark = 1 if places[i].is_numa else 0
        items[i].val = values[i]
        items[i].sharing = places[i].sharing
        items[i].is_called = task.is_called
        if task.is_called:
            addrs.append(places[i].addr)
    has_passed = deadline_has_passed(task, call)
    task_may_block(task)
    task_blocks(task, call)
    status = queue_items(task.manager, task.m, task.waiter, items, n, [task.mem] * n, addrs,
                         <uint8_t> task.level)
    return queued(task, has_passed) if status == OK else failed(status)


cdef object requeue(Task task, const Place *place, const Place *place2, int32_t n_wake, int32_t n_requeue, bint compares,
                    uint32_t expected):
    cdef uint32_t moved = 0, wakes = <uint32_t> n_wake, moves = <uint32_t> n_requeue
    cdef const Word *compared = NULL
    cdef CKey key, key2
    cdef Word word
    cdef Taken taken
    cdef Status status
    if n_wake < 0 or n_requeue < 0:
        return failure(EINVAL)
    status = find_only_key(task, place, KEY, &key)
    if status == OK:
        status = find_only_key(task, place2, KEY, &key2)
    if status != OK:
        return failed(status)
    taken_init(&taken)
    if compares and task.is_called:
        status = called_cmp_requeue(task.m, task.mem, place.addr, &key, &key2, expected, wakes, moves, &taken, &moved)
        return delivered(&taken, status, moved)
    word.readers = NULL
    if compares:
        status = find(task, place, READ, &word)
        if status != OK:
            return failed(status)
        compared = &word
    status = engine_requeue(task.m, &key, &key2, compared, expected, wakes, moves, NULL, &taken, &moved, ATTACHED)
    if status == CONTENDED:
        with nogil:
            status = engine_requeue(task.m, &key, &key2, compared, expected, wakes, moves, NULL, &taken, &moved,
                                    DETACHED)
    word_close(&word)
    return delivered(&taken, status, moved)


cdef object wake_op(Task task, const Place *place, const Place *place2, uint32_t op, int32_t n, int32_t n2):
    cdef uint32_t first = <uint32_t> max(n, 1), second = <uint32_t> max(n2, 1)
    cdef CKey key
    cdef Word word2
    cdef const Word *changed
    cdef Taken taken
    cdef Status status
    cdef bint held = False
    status = find_only_key(task, place, KEY, &key)
    if status == OK and not op_is_known(op):
        # Found out once both keys are, and before the second word is touched.
        status = find_only_key(task, place2, access_to(place2), &word2.key)
        if status == OK:
            return failure(ENOSYS)
    if status == OK:
        status = find(task, place2, WRITE, &word2)
    if status == OK and task.is_called:
        status = called_wake_op(task.mem, place2.addr, LOG2_SIZE_U32, op, &held)
    if status != OK:
        return failed(status)
    taken_init(&taken)
    changed = NULL if task.is_called else &word2
    status = engine_wake_op(task.m, &key, &word2.key, changed, op, held, first, second, &taken, ATTACHED)
    if status == CONTENDED:
        with nogil:
            status = engine_wake_op(task.m, &key, &word2.key, changed, op, held, first, second, &taken, DETACHED)
    word_close(&word2)
    return delivered(&taken, status, 0)


# --- PI -------------------------------------------------------------------------------------------------------------

cdef inline Access access_to(const Place *place) noexcept:
    # To a word that is going to be written, when its key is looked for.
    return KEY if place.sharing == IS_PRIVATE else WRITE


cdef object lock_pi(Task task, const Blocked *call):
    cdef CKey key
    cdef Status status = find_only_key(task, &call.place, access_to(&call.place), &key)
    cdef bint has_passed
    if status != OK:
        return failed(status)
    has_passed = deadline_has_passed(task, call)
    task_may_block(task)
    task_blocks(task, call)
    status = prepare_lock_pi(task.manager, task.m, task.waiter, task.mem, call.place.addr, task.tid,
                             <uint8_t> task.level, call.place.sharing, task.owner_alive)
    if status == OK:
        return 0
    return queued(task, has_passed) if status == WAITING else failed(status)


cdef object try_lock_pi(Task task, const Place *place):
    cdef CKey key
    cdef Status status = find_only_key(task, place, access_to(place), &key)
    if status == OK:
        status = try_to_lock(task.manager, task.m, task.mem, place.addr, task.tid, place.sharing, task.owner_alive)
        if status == OK:
            return 0
    return failure(EAGAIN) if status == BUSY else failed(status)


cdef object unlock_pi(Task task, const Place *place):
    cdef uint32_t word
    cdef Taken taken
    cdef Status status
    # The word is read before its address is looked at more closely.
    cdef int error = copy_in(task.mem, place.addr, task.limit, &word, sizeof(word))
    if error:
        return failure(error)
    if word & TID_MASK != task.tid:
        return failure(EPERM)
    taken_init(&taken)
    status = release_pi(task.m, task.mem, place.addr, task.tid, place.sharing, &taken)
    if taken.n:
        deliver(&taken)
    return 0 if status == OK else failed(status)


cdef object wait_requeue_pi(Task task, const Blocked *call, const Place *place2):
    cdef CKey key
    cdef Status status
    cdef bint has_passed
    if call.place.addr == place2.addr:
        return failure(EINVAL)
    status = find_only_key(task, place2, access_to(place2), &key)
    if status == OK:
        status = find_only_key(task, &call.place, KEY, &key)
    if status != OK:
        return failed(status)
    has_passed = deadline_has_passed(task, call)
    task_may_block(task)
    task_blocks(task, call)
    status = prepare_requeue_pi(task.manager, task.m, task.waiter, task.mem, call.place.addr, task.mem, place2.addr,
                                call.val, task.tid, <uint8_t> task.level, call.place.sharing, access_to(place2))
    return queued(task, has_passed) if status == OK else failed(status)


cdef Status check_lock(Task task, const Place *place, const Place *place2, const CKey *key, const CKey *key2,
                       uint32_t expected) except? <Status> 255:
    """What comes of a requeue to a private word that cannot be written, in the order in which Linux looks."""
    cdef Word word, word2
    cdef uint64_t held
    cdef uint32_t tid
    cdef Status status = find(task, place, READ, &word)
    if status == OK:
        status = word_compare(&word, expected)
        word_close(&word)
    if status == OK:
        status = find(task, place2, READ, &word2)
    if status != OK:
        return status
    status = word_load(&word2, &held)
    word_close(&word2)
    if status != OK:
        return status
    status = engine_top_requeuer(task.m, key, key2, &tid, ATTACHED)
    if status == CONTENDED:
        with nogil:
            status = engine_top_requeuer(task.m, key, key2, &tid, DETACHED)
    if status != OK or tid == 0:
        return status
    return DEADLOCK if held & TID_MASK == tid else FAULT


cdef object cmp_requeue_pi(Task task, const Place *place, const Place *place2, int32_t n_wake, int32_t n_requeue,
                           uint32_t expected):
    cdef uint32_t moved = 0
    cdef CKey key, key2
    cdef Taken taken
    cdef Status status
    if n_wake != 1 or n_requeue < 0 or place.addr == place2.addr:
        return failure(EINVAL)
    status = find_only_key(task, place, KEY, &key)
    if status == OK:
        status = find_only_key(task, place2, access_to(place2), &key2)
    if status == OK and key_equal(&key, &key2):
        status = MISFIT
    if status != OK:
        return failed(status)
    taken_init(&taken)
    status = requeue_pi_words(task.m, task.mem, place.addr, task.mem, place2.addr, expected, <uint32_t> n_requeue,
                              place.sharing, task.owner_alive, &taken, &moved)
    if task.is_called:
        if (status == OK or status == MISFIT) and taken.n + moved == 0:
            called_load(task.mem, place2.addr)      # Linux reads the lock before it looks for a waiter
    elif status == FAULT and place.sharing == IS_PRIVATE:
        status = check_lock(task, place, place2, &key, &key2, expected)
    return delivered(&taken, status, moved)
