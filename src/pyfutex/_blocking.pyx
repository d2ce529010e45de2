"""The operations that put the calling thread to sleep. The rules are in _blocking.pxd."""

from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EAGAIN, EINTR, ETIMEDOUT
from libc.stdint cimport uint32_t, uint64_t

from pyfutex._calledtarget cimport called_prepare
from pyfutex._core.bucket cimport Taken, taken_init
from pyfutex._core.clock cimport Deadline
from pyfutex._core.engine cimport deliver_threads, engine_prepare, engine_sleep, engine_wake
from pyfutex._core.family cimport CManager
from pyfutex._core.key cimport Key as CKey
from pyfutex._core.status cimport (
    ATTACHED,
    CONTENDED,
    DETACHED,
    INTERRUPTED,
    MISMATCH,
    OK,
    Status,
    TAKEN,
    TIMED_OUT,
)
from pyfutex._core.target cimport READ, word_close
from pyfutex._core.waiter cimport PLAIN, THREAD, Waiter as CWaiter, waiter_init
from pyfutex._core.word cimport Word, word_compare
from pyfutex._delivery cimport deliver
from pyfutex._errors cimport raise_status
from pyfutex._immortal cimport make_immortal
from pyfutex._recording cimport WORD_OF_MANAGER, note_end, note_taken, note_wait
from pyfutex._vectors cimport queue_vector
from pyfutex._words cimport find_key, open_word
from pyfutex.target cimport Target, is_called
from pyfutex.waiter cimport Waiter, waiter_cancel, waiter_index, waiter_settle, waiter_sleep

from pyfutex.results import WaiterState, WaitResult, WakeWait

# What every wait returns.
cdef object given
for given in (*WaitResult, *WaiterState):
    make_immortal(given)

cdef object TIMEOUT = WaitResult.TIMEOUT
cdef object WOKEN = WaitResult.WOKEN
cdef object DIFFERED = WaitResult.MISMATCH

cdef object NOBODY_WOKEN = WakeWait(0, WOKEN)
cdef object ONE_WOKEN = WakeWait(1, WOKEN)
cdef object new_tuple = tuple.__new__


cdef long recorded_answer(Status status) noexcept nogil:
    """As the kernel would put it."""
    if status == TAKEN:
        return 0
    if status == TIMED_OUT:
        return -ETIMEDOUT
    return -EINTR if status == INTERRUPTED else -EAGAIN


cdef object wake_wait_result(uint32_t woken, object result):
    # The usual two are made once: the constructor of a named tuple is Python code, and costs as much as a wake.
    if result is WOKEN and woken <= 1:
        return ONE_WOKEN if woken else NOBODY_WOKEN
    return new_tuple(WakeWait, (woken, result))


cdef Waiter sleeper():
    # An object, not a C stack: Python code runs while it is queued.
    cdef Waiter w = Waiter()
    w.c.is_slept_on = 1
    return w


cdef object sleep_on(Waiter w, Deadline until):
    """Sleep on a queued object waiter and leave the queue in any case: WOKEN, TIMEOUT, or None after a signal."""
    cdef uint64_t asleep = note_wait(WORD_OF_MANAGER, 0, 0, <uint64_t> &w.c, 0)
    try:
        result = waiter_sleep(w, until, False)
    except BaseException:
        if not waiter_cancel(w):
            waiter_settle(w)
        note_end(asleep, -EINTR)
        raise
    if result is WOKEN or not waiter_cancel(w):
        waiter_settle(w)
        result = WOKEN
    note_end(asleep, 0 if result is WOKEN else -EINTR if result is None else -ETIMEDOUT)
    return result


cdef object wait_called(object manager, CManager *m, Target mem, object addr, uint64_t val, uint32_t bitset,
                        Deadline until, int sharing, uint32_t log2_size):
    cdef Waiter w = sleeper()
    cdef CKey key
    cdef Status status
    while True:
        status = find_key(mem, addr, log2_size, sharing, READ, &key)
        if status == OK:
            status = called_prepare(manager, m, w, mem, addr, &key, val, bitset, 0)
        if status == MISMATCH:
            return DIFFERED
        if status != OK:
            raise_status(status)
        result = sleep_on(w, until)
        if result is not None:
            return result
        PyErr_CheckSignals()


cdef object block_wait(object manager, CManager *m, Target mem, object addr, uint64_t val, uint32_t bitset,
                       Deadline until, int sharing, uint32_t log2_size):
    cdef CWaiter w
    cdef Word word
    cdef uint64_t asleep
    cdef Status status
    if is_called(mem):
        return wait_called(manager, m, mem, addr, val, bitset, until, sharing, log2_size)
    while True:
        status = open_word(mem, addr, log2_size, sharing, READ, &word)
        if status != OK:
            raise_status(status)
        status = word_compare(&word, val)
        if status == MISMATCH:
            word_close(&word)
            return DIFFERED
        asleep = note_wait(WORD_OF_MANAGER, word.key.space, word.key.offset, <uint64_t> &w, 0)
        with nogil:
            waiter_init(&w, PLAIN, THREAD, bitset, 0)
            status = engine_prepare(m, &w, &word.key, &word, val, DETACHED)
            word_close(&word)
            if status == OK:
                status = engine_sleep(&w, until)
        note_end(asleep, recorded_answer(status))
        if status == TAKEN:
            return WOKEN
        if status == TIMED_OUT:
            return TIMEOUT
        if status == MISMATCH:
            return DIFFERED
        if status != INTERRUPTED:
            raise_status(status)
        PyErr_CheckSignals()


cdef object block_waitv(object manager, CManager *m, object items, Deadline until):
    # On an object, whatever the targets: too much for a C stack, and only Python can tell it its result.
    cdef Waiter w = sleeper()
    cdef tuple words = tuple(items)
    cdef Status status
    while True:
        status = queue_vector(manager, m, w, words, 0)
        if status == MISMATCH:
            return -2
        if status != OK:
            raise_status(status)
        result = sleep_on(w, until)
        if result is WOKEN:
            return waiter_index(w)
        if result is not None:
            return -1
        PyErr_CheckSignals()


cdef object block_wake_wait(object manager, CManager *m, Target mem, object wake_addr, uint32_t n, Target mem2,
                            object wait_addr, uint64_t val, Deadline until, int sharing, uint32_t log2_size):
    cdef CKey wake_key
    cdef Taken taken
    cdef CWaiter w
    cdef Word word
    cdef Status status = find_key(mem, wake_addr, log2_size, sharing, READ, &wake_key)
    cdef Status woke = OK
    cdef uint64_t asleep
    cdef uint32_t woken
    if status != OK:
        raise_status(status)
    # Whatever is wrong with the second address is found out before anybody is woken.
    status = find_key(mem2, wait_addr, log2_size, sharing, READ, &word.key)
    if status != OK:
        raise_status(status)
    taken_init(&taken)
    woke = engine_wake(m, &wake_key, n, 0xFFFFFFFF, &taken, ATTACHED)
    if woke == CONTENDED:
        with nogil:
            woke = engine_wake(m, &wake_key, n, 0xFFFFFFFF, &taken, DETACHED)
    woken = taken.n
    if woke != OK or taken.n_objects or taken.natives != NULL or taken.entries != NULL or is_called(mem2):
        # Python has to run before we may sleep.
        deliver(&taken)
        if woke != OK:
            raise_status(woke, woken)
        return wake_wait_result(woken, block_wait(manager, m, mem2, wait_addr, val, 0xFFFFFFFF, until, sharing,
                                                  log2_size))
    status = open_word(mem2, wait_addr, log2_size, sharing, READ, &word)
    note_taken(&taken)
    asleep = note_wait(WORD_OF_MANAGER, word.key.space, word.key.offset, <uint64_t> &w, 0) if status == OK else 0
    with nogil:
        # Queue first, then wake: whoever is woken finds us queued. A refused wait wakes all the same.
        if status == OK:
            waiter_init(&w, PLAIN, THREAD, 0xFFFFFFFF, 0)
            status = engine_prepare(m, &w, &word.key, &word, val, DETACHED)
            word_close(&word)
        deliver_threads(&taken)
        if status == OK:
            status = engine_sleep(&w, until)
    note_end(asleep, recorded_answer(status))
    if status == INTERRUPTED:
        PyErr_CheckSignals()
        return wake_wait_result(woken, block_wait(manager, m, mem2, wait_addr, val, 0xFFFFFFFF, until, sharing,
                                                  log2_size))
    if status == TAKEN:
        return wake_wait_result(woken, WOKEN)
    if status == TIMED_OUT:
        return wake_wait_result(woken, TIMEOUT)
    if status != MISMATCH:
        raise_status(status, woken)
    return wake_wait_result(woken, DIFFERED)
