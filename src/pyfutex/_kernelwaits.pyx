"""The calls of the kernel that sleep. The rules are in _kernelwaits.pxd."""

from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EAGAIN, EINTR, ETIMEDOUT
from libc.stdint cimport uint32_t, uint64_t

from pyfutex._arguments cimport as_sharing, as_u32
from pyfutex._core.atomic cimport load_acquire_u32
from pyfutex._core.clock cimport Deadline
from pyfutex._core.kernelcalls cimport (
    flags2,
    kernel_lock_pi,
    kernel_trylock_pi,
    kernel_wait,
    kernel_wait2,
    kernel_wait_requeue_pi,
    kernel_waitv,
    kernel_wake,
    PRIVATE_FLAG,
    WAITV_MAX,
    WaitvItem,
)
from pyfutex._core.status cimport MISFIT
from pyfutex._core.target cimport IS_PRIVATE, READ, WRITE
from pyfutex._errors cimport raise_errno, raise_status
from pyfutex._realwords cimport real_address, real_hold, real_target
from pyfutex.target cimport Target

from pyfutex.results import WaitResult, WakeWait

cdef object TIMEOUT = WaitResult.TIMEOUT
cdef object WOKEN = WaitResult.WOKEN
cdef object DIFFERED = WaitResult.MISMATCH


cdef object wait_result(long answer):
    if answer == -EAGAIN:
        return DIFFERED
    if answer == 0:
        return WOKEN
    if answer == -ETIMEDOUT:
        return TIMEOUT
    if answer == -EINTR:
        return None
    raise_errno(-answer)


cdef object sleep_at(uint32_t *host, uint32_t val, uint32_t bitset, Deadline until, int flag, bint futex2):
    cdef long answer
    if load_acquire_u32(host) != val:
        return DIFFERED
    with nogil:
        if futex2:
            answer = kernel_wait2(host, val, bitset, until, flag)
        else:
            answer = kernel_wait(host, val, bitset, until, flag)
    return wait_result(answer)


cdef object sleep_on(Target mem, uint64_t addr, uint32_t val, uint32_t bitset, Deadline until, int flag, bint futex2):
    cdef uint32_t *host
    while True:
        _kept = real_hold(mem, addr, READ, &host)
        result = sleep_at(host, val, bitset, until, flag, futex2)
        if result is not None:
            return result
        PyErr_CheckSignals()


cdef object sleep_requeue_pi(Target mem, uint64_t addr, Target mem2, uint64_t addr2, uint32_t val, Deadline until,
                             int flag):
    cdef uint32_t *host
    cdef uint32_t *host2
    cdef long answer
    while True:
        _kept = real_hold(mem, addr, READ, &host)
        _kept2 = real_hold(mem2, addr2, WRITE, &host2)
        with nogil:
            answer = kernel_wait_requeue_pi(host, host2, val, until, flag)
        result = wait_result(answer)
        if result is not None:
            return result
        PyErr_CheckSignals()


cdef object wake_then_sleep(Target mem, uint64_t addr, uint32_t n, Target mem2, uint64_t addr2, uint32_t val,
                            Deadline until, int flag):
    cdef uint32_t *host
    cdef uint32_t *host2
    cdef long woken = 0, answer = 0
    # Whatever is wrong with the second address is found out before anybody is woken.
    _kept = real_hold(mem, addr, READ, &host)
    _kept2 = real_hold(mem2, addr2, READ, &host2)
    with nogil:
        if n:
            woken = kernel_wake(host, n, 0xFFFFFFFF, flag)
        if woken >= 0:
            answer = kernel_wait(host2, val, 0xFFFFFFFF, until, flag)
    if woken < 0:
        raise_errno(-woken)
    result = wait_result(answer)
    if result is None:
        PyErr_CheckSignals()
        result = sleep_on(mem2, addr2, val, 0xFFFFFFFF, until, flag, False)
    return WakeWait(woken, result)


cdef object sleep_lock_pi(Target mem, uint64_t addr, Deadline until, int flag):
    cdef uint32_t *host
    cdef long answer
    _kept = real_hold(mem, addr, WRITE, &host)
    # A free word is had attached. Any other is not tried first: a try may leave another word than a lock does.
    answer = -EAGAIN if load_acquire_u32(host) else kernel_trylock_pi(host, flag)
    if answer == -EAGAIN:
        with nogil:
            answer = kernel_lock_pi(host, until, flag)
    if answer == -ETIMEDOUT:
        return False
    if answer != 0:
        raise_errno(-answer)
    return True


cdef object convert_item(object item, WaitvItem *c):
    """Fill `c` and return what keeps its word there."""
    cdef uint32_t *host
    cdef uint32_t val
    cdef object mem, addr, expected, kept, private = None, size = 4
    if not 3 <= len(item) <= 5:
        raise TypeError("an item of waitv is (mem, addr, val), (mem, addr, val, private) or a WaitItem")
    mem, addr, expected = item[:3]
    if len(item) > 3:
        private = item[3]
    if len(item) > 4:
        size = item[4]
    if size != 4:
        raise_status(MISFIT)
    as_u32(expected, &val)
    kept = real_hold(real_target(mem), real_address(addr), READ, &host)
    c.val = val
    c.uaddr = <uint64_t> host
    c.flags = flags2(PRIVATE_FLAG if as_sharing(private) == IS_PRIVATE else 0)
    c.reserved = 0
    return kept


cdef object sleep_on_many(tuple items, Deadline until):
    cdef WaitvItem c[128]
    cdef uint32_t i, n
    cdef long answer
    if len(items) > WAITV_MAX:
        raise_status(MISFIT)
    n = len(items)
    while True:
        _kept = [convert_item(items[i], &c[i]) for i in range(n)]
        with nogil:
            answer = kernel_waitv(c, n, until)
        if answer >= 0:
            return answer
        if answer == -ETIMEDOUT:
            return -1
        if answer == -EAGAIN:
            return -2
        if answer != -EINTR:
            raise_errno(-answer)
        PyErr_CheckSignals()
