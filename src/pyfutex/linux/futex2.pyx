"""The calls that came after futex(2): futex_wake, futex_wait, futex_requeue, futex_waitv. The register, or None."""

from libc.errno cimport EINVAL
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from pyfutex._arguments cimport as_modulo
from pyfutex._core.clock cimport CLOCK_MONOTONIC, CLOCK_REALTIME, deadline_never
from pyfutex._core.target cimport IS_PRIVATE, IS_SHARED
from pyfutex._pimanager cimport LINUX_6_12
from pyfutex.linux.operations cimport MOST_ENTRIES, failure, requeue, wait, wait_vector, wake
from pyfutex.linux.task cimport Blocked, BY_HANDLER, Place, Task
from pyfutex.linux.timespec cimport SECONDS_64, SECONDS_64_ILP32, read_timespec
from pyfutex.linux.usercopy cimport copy_in, errno_of, exchanged


cdef enum:
    SIZE_MASK = 3
    SIZE_U32 = 2
    NUMA = 4
    MPOL = 8
    PRIVATE_FLAG = 128


cdef struct Entry:
    # struct futex_waitv of the kernel.
    uint64_t val
    uint64_t addr
    uint32_t flags
    uint32_t reserved


cdef inline uint64_t register(Task task, object o) except? 0:
    cdef uint64_t value
    as_modulo(o, &value)
    return value & task.registers


cdef inline uint32_t low(object o) except? 0:
    cdef uint64_t value
    as_modulo(o, &value)
    return <uint32_t> value


cdef bint place_at(Task task, uint64_t addr, uint32_t flags, Place *place) noexcept:
    """Whether the flags are known, and of a word of 32 bits. A memory policy names no node where there is one node."""
    cdef uint32_t known = SIZE_MASK | PRIVATE_FLAG
    if task.manager.profile != LINUX_6_12:
        known |= NUMA | MPOL
    place.addr = addr
    place.sharing = IS_PRIVATE if flags & PRIVATE_FLAG else IS_SHARED
    place.is_numa = flags & NUMA
    return not flags & ~known and flags & SIZE_MASK == SIZE_U32


cdef int read_deadline(Task task, uint64_t timeout, uint32_t clock, Blocked *call) except -1:
    """0 and when the call ends, or an errno."""
    cdef int64_t ns
    cdef int error
    call.until = deadline_never()
    if timeout == 0:
        return 0
    if clock != CLOCK_MONOTONIC and clock != CLOCK_REALTIME:
        return EINVAL
    error = read_timespec(task.mem, timeout, task.limit, SECONDS_64_ILP32 if task.is_narrow else SECONDS_64,
                          task.is_exchanged, &ns)
    if error:
        return error
    call.until.clock = <int> clock
    call.until.ns = ns
    return 0


cdef int read_entry(Task task, uint64_t addr, Entry *entry, Place *place) except -1:
    """0, or EFAULT, EINVAL. A 32-bit program's entries look the same."""
    cdef int error = copy_in(task.mem, addr & task.registers, task.limit, entry, sizeof(Entry))
    if error:
        return error
    if task.is_exchanged:
        entry.val = exchanged(entry.val)
        entry.addr = exchanged(entry.addr)
    return 0 if place_at(task, entry.addr, entry.flags, place) and not entry.reserved and not entry.val >> 32 else EINVAL


def futex_wake(Task task not None, uaddr, mask, nr, flags, /):
    """The system call futex_wake(2).

    Parameters
    ----------
    uaddr, mask, nr, flags : int
        The registers. Wakes `nr` waiters whose bitset meets `mask`; 0 wakes none, a negative number one.

    Returns
    -------
    int
        How many were woken, or a negative errno.
    """
    cdef Place place
    cdef bint is_known = place_at(task, register(task, uaddr), low(flags), &place)
    cdef uint64_t bits = register(task, mask)
    cdef int32_t n = <int32_t> low(nr)
    if not is_known or bits >> 32:
        return failure(EINVAL)
    if not task.is_called:
        return wake(task, &place, n, <uint32_t> bits, True)
    try:
        return wake(task, &place, n, <uint32_t> bits, True)
    except OSError as error:
        return failure(errno_of(error))


def futex_wait(Task task not None, uaddr, val, mask, flags, timeout, clockid, /):
    """The system call futex_wait(2): as FUTEX_WAIT_BITSET, until a time on `clockid`.

    Returns
    -------
    int or None
        0 or a negative errno; None: the task is blocked, see `futex`.
    """
    cdef Blocked call
    cdef bint is_known = place_at(task, register(task, uaddr), low(flags), &call.place)
    cdef uint64_t value = register(task, val), bits = register(task, mask), until = register(task, timeout)
    cdef uint32_t clock = low(clockid)
    cdef int error
    if not is_known or value >> 32 or bits >> 32:
        return failure(EINVAL)
    error = read_deadline(task, until, clock, &call)
    if error:
        return failure(error)
    call.val = <uint32_t> value
    call.bitset = <uint32_t> bits
    call.restart = BY_HANDLER
    if not task.is_called:
        return wait(task, &call)
    try:
        return wait(task, &call)
    except OSError as failed:
        return failure(errno_of(failed))


def futex_requeue(Task task not None, waiters, flags, nr_wake, nr_requeue, /):
    """The system call futex_requeue(2): as FUTEX_CMP_REQUEUE, between the words that two `struct futex_waitv` name.

    Returns
    -------
    int
        How many were woken and requeued, or a negative errno.
    """
    cdef Entry entries[2]
    cdef Place places[2]
    cdef uint64_t array = register(task, waiters)
    cdef uint32_t no_flags = low(flags)
    cdef int32_t wakes = <int32_t> low(nr_wake), moves = <int32_t> low(nr_requeue)
    cdef int error, i
    if no_flags or array == 0:
        return failure(EINVAL)
    for i in range(2):
        error = read_entry(task, array + i * sizeof(Entry), &entries[i], &places[i])
        if error:
            return failure(error)
    if entries[0].flags != entries[1].flags:
        return failure(EINVAL)
    if not task.is_called:
        return requeue(task, &places[0], &places[1], wakes, moves, True, <uint32_t> entries[0].val)
    try:
        return requeue(task, &places[0], &places[1], wakes, moves, True, <uint32_t> entries[0].val)
    except OSError as failed:
        return failure(errno_of(failed))


def futex_waitv(Task task not None, waiters, nr_futexes, flags, timeout, clockid, /):
    """The system call futex_waitv(2): wait on each of up to 128 words, until a time on `clockid`.

    Parameters
    ----------
    waiters, nr_futexes, flags, timeout, clockid : int
        The registers. `waiters` is the address of as many `struct futex_waitv`, of 24 bytes each.

    Returns
    -------
    int or None
        A negative errno: -EAGAIN, a word differed. None: the task is blocked, see `futex`; then the index of a word that
        was woken, the last of them if there are several.
    """
    cdef Place places[MOST_ENTRIES]
    cdef uint32_t values[MOST_ENTRIES]
    cdef Entry entry
    cdef Blocked call
    cdef uint64_t array = register(task, waiters), until = register(task, timeout)
    cdef uint32_t n = low(nr_futexes), no_flags = low(flags), clock = low(clockid)
    cdef uint32_t i
    cdef int error
    if no_flags or array == 0 or not 1 <= n <= MOST_ENTRIES:
        return failure(EINVAL)
    error = read_deadline(task, until, clock, &call)
    if error:
        return failure(error)
    for i in range(n):
        error = read_entry(task, array + i * sizeof(Entry), &entry, &places[i])
        if error:
            return failure(error)
        values[i] = <uint32_t> entry.val
    call.place = places[0]
    call.restart = BY_HANDLER
    if not task.is_called:
        return wait_vector(task, places, values, n, &call)
    try:
        return wait_vector(task, places, values, n, &call)
    except OSError as failed:
        return failure(errno_of(failed))
