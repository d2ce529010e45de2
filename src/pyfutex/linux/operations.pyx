"""The operations of futex(2) for a task. Contracts are in operations.pxd.

The order of the checks is Linux's: what is wrong with the counts and the bitset; for each address, alignment, whether it can
be a guest's, whether something is mapped; then the word.
"""

from libc.errno cimport EAGAIN, EINVAL, ENOSYS, ETIMEDOUT
from libc.stdint cimport int32_t, uint32_t, uint64_t

from pyfutex._calledtarget cimport called_cmp_requeue, called_load, called_queue, called_wake_op
from pyfutex._core.atomic cimport likely, load_acquire_u32, unlikely
from pyfutex._core.bucket cimport Taken, taken_init
from pyfutex._core.clock cimport NEVER
from pyfutex._core.engine cimport engine_prepare, engine_requeue, engine_wake_op, engine_wake_slow, nobody_for
from pyfutex._core.key cimport Key as CKey, LOG2_SIZE_U32
from pyfutex._core.status cimport ATTACHED, CONTENDED, DETACHED, FAULT, MISFIT, OK, Status
from pyfutex._core.target cimport Access, IS_PRIVATE, KEY, READ, Sharing, Word, WRITE, word_close, word_open
from pyfutex._core.wakeop cimport op_is_known
from pyfutex._delivery cimport deliver
from pyfutex._errors cimport status_errno
from pyfutex._words cimport find_key
from pyfutex.linux.task cimport Blocked, Task, task_block, task_now
from pyfutex.waiter cimport waiter_refuse


cdef tuple FAILURES = tuple([-number for number in range(134)])


cdef object failure(int error):
    if likely(0 < error < 134):
        return <object> FAILURES[error]
    return -error


cdef object failed(Status status):
    return failure(status_errno(status))


cdef inline Status find(Task task, uint64_t addr, Sharing sharing, Access access, Word *word) except? <Status> 255:
    """The word; of memory that Python code answers for, its key, and NULL for a host address. Then word_close is due."""
    if unlikely(addr >= task.limit):
        return MISFIT if addr & 3 else FAULT
    if unlikely(task.is_called):
        word.readers = NULL
        word.host = NULL
        return find_key(task.mem, addr, sharing, access, &word.key)
    return word_open(&task.mem.c, addr, LOG2_SIZE_U32, sharing, access, word)


cdef object delivered(Taken *taken, Status status, uint32_t moved):
    # What was done before an error stays done, and is not told.
    cdef uint32_t woken = taken.n
    if woken:
        deliver(taken)
    return woken + moved if status == OK else failed(status)


cdef object wake(Task task, uint64_t addr, int32_t n, uint32_t bitset, Sharing sharing):
    cdef Word word
    cdef Taken taken
    cdef uint64_t hash
    cdef Status status
    if bitset == 0:
        return failure(EINVAL)
    status = find(task, addr, sharing, KEY, &word)
    if status != OK:
        return failed(status)
    word_close(&word)
    if likely(nobody_for(task.m, &word.key, &hash)):
        return 0
    n = max(n, 1)       # the kernel counts whom it woke, then compares
    taken_init(&taken)
    status = engine_wake_slow(task.m, &word.key, hash, <uint32_t> n, bitset, &taken, ATTACHED)
    if status == CONTENDED:
        with nogil:
            status = engine_wake_slow(task.m, &word.key, hash, <uint32_t> n, bitset, &taken, DETACHED)
    return delivered(&taken, status, 0)


cdef object wait(Task task, const Blocked *call):
    cdef Word word
    cdef Status status
    cdef uint32_t seen
    if call.bitset == 0:
        return failure(EINVAL)
    status = find(task, call.addr, call.sharing, READ, &word)
    if status != OK:
        return failed(status)
    if unlikely(task.is_called):
        return wait_called(task, call, &word.key)
    seen = load_acquire_u32(<uint32_t *> word.host)
    word_close(&word)
    if seen != call.val:
        return failure(EAGAIN)
    if call.until.ns != NEVER and task_now(task, call.until.clock) >= call.until.ns:
        return failure(ETIMEDOUT)
    # No Python code may run between opening and closing a word. Claiming the waiter, which may wait for a waker's mark, and
    # the guest's clock come before.
    task_block(task, call)
    status = find(task, call.addr, call.sharing, READ, &word)
    if status == OK:
        status = engine_prepare(task.m, &task.waiter.c, &word.key, <uint32_t *> word.host, call.val, ATTACHED)
        if status == CONTENDED:
            with nogil:
                status = engine_prepare(task.m, &task.waiter.c, &word.key, <uint32_t *> word.host, call.val, DETACHED)
        word_close(&word)
    if status == OK:
        return None
    waiter_refuse(task.waiter)
    return failed(status)


cdef object wait_called(Task task, const Blocked *call, const CKey *key):
    cdef Status status
    if call.until.ns != NEVER and task_now(task, call.until.clock) >= call.until.ns:
        return failure(EAGAIN if called_load(task.mem, call.addr) != call.val else ETIMEDOUT)
    task_block(task, call)
    status = called_queue(task.m, task.waiter, task.mem, call.addr, key, call.val)
    return None if status == OK else failed(status)


cdef object requeue(Task task, uint64_t addr, uint64_t addr2, int32_t n_wake, int32_t n_requeue, bint compares,
                    uint32_t expected, Sharing sharing):
    cdef uint32_t moved = 0, wakes = <uint32_t> n_wake, moves = <uint32_t> n_requeue
    cdef uint32_t *host = NULL
    cdef Word word, word2
    cdef Taken taken
    cdef Status status
    if n_wake < 0 or n_requeue < 0:
        return failure(EINVAL)
    status = find(task, addr, sharing, KEY, &word)
    if status != OK:
        return failed(status)
    word_close(&word)
    status = find(task, addr2, sharing, KEY, &word2)
    if status != OK:
        return failed(status)
    word_close(&word2)
    taken_init(&taken)
    if compares and task.is_called:
        status = called_cmp_requeue(task.m, task.mem, addr, &word.key, &word2.key, expected, wakes, moves, &taken, &moved)
        return delivered(&taken, status, moved)
    if compares:
        status = find(task, addr, sharing, READ, &word)
        if status != OK:
            return failed(status)
        host = <uint32_t *> word.host
    status = engine_requeue(task.m, &word.key, &word2.key, host, expected, wakes, moves, NULL, &taken, &moved, ATTACHED)
    if status == CONTENDED:
        with nogil:
            status = engine_requeue(task.m, &word.key, &word2.key, host, expected, wakes, moves, NULL, &taken, &moved,
                                    DETACHED)
    if compares:
        word_close(&word)
    return delivered(&taken, status, moved)


cdef object wake_op(Task task, uint64_t addr, uint64_t addr2, uint32_t op, int32_t n, int32_t n2, Sharing sharing):
    cdef uint32_t *host = NULL
    cdef Word word, word2
    cdef Taken taken
    cdef Status status
    cdef bint held = False
    cdef uint32_t first = <uint32_t> max(n, 1), second = <uint32_t> max(n2, 1)
    status = find(task, addr, sharing, KEY, &word)
    if status != OK:
        return failed(status)
    word_close(&word)
    if not op_is_known(op):
        # Found out once both keys are, and before the second word is touched.
        status = find(task, addr2, sharing, KEY if sharing == IS_PRIVATE else WRITE, &word2)
        if status != OK:
            return failed(status)
        word_close(&word2)
        return failure(ENOSYS)
    status = find(task, addr2, sharing, WRITE, &word2)
    if status != OK:
        return failed(status)
    taken_init(&taken)
    if task.is_called:
        status = called_wake_op(task.mem, addr2, op, &held)
        if status != OK:
            return failed(status)
    else:
        host = <uint32_t *> word2.host
    status = engine_wake_op(task.m, &word.key, &word2.key, host, op, held, first, second, &taken, ATTACHED)
    if status == CONTENDED:
        with nogil:
            status = engine_wake_op(task.m, &word.key, &word2.key, host, op, held, first, second, &taken, DETACHED)
    word_close(&word2)
    return delivered(&taken, status, 0)
