"""The system calls of guests: futex and those that go with a thread. What the register gets, or None: blocked."""

from libc.errno cimport EAGAIN, EINTR, EINVAL, ENOSYS, EPERM, ESRCH
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from pyfutex._arguments cimport as_modulo
from pyfutex._core.clock cimport CLOCK_MONOTONIC, CLOCK_REALTIME, deadline_never
from pyfutex._core.target cimport IS_PRIVATE, IS_SHARED, Sharing
from pyfutex.linux.operations cimport (
    cmp_requeue_pi,
    differs,
    failure,
    lock_pi,
    requeue,
    try_lock_pi,
    unlock_pi,
    wait,
    wait_requeue_pi,
    wake,
    wake_op,
)
from pyfutex.linux.task cimport ALWAYS, Blocked, BY_BLOCK, BY_HANDLER, Place, Task, task_now, UNTIL_REQUEUED
from pyfutex.linux.timespec cimport (
    SECONDS_32,
    SECONDS_64,
    SECONDS_64_ILP32,
    TimespecLayout,
    add_ns,
    read_timespec,
)
from pyfutex.linux.usercopy cimport copy_out, errno_of, exchanged


cdef enum:
    WAIT = 0
    WAKE = 1
    REQUEUE = 3
    CMP_REQUEUE = 4
    WAKE_OP = 5
    LOCK_PI = 6
    UNLOCK_PI = 7
    TRYLOCK_PI = 8
    WAIT_BITSET = 9
    WAKE_BITSET = 10
    WAIT_REQUEUE_PI = 11
    CMP_REQUEUE_PI = 12
    LOCK_PI2 = 13
    LAST = LOCK_PI2
    PRIVATE_FLAG = 128
    CLOCK_FLAG = 256
    # Sets of operations, by their bits: those with a timeout, and those for which the clock can be chosen.
    WITH_TIMEOUT = 1 << WAIT | 1 << LOCK_PI | 1 << WAIT_BITSET | 1 << WAIT_REQUEUE_PI | 1 << LOCK_PI2
    WITH_CLOCK = 1 << WAIT_BITSET | 1 << WAIT_REQUEUE_PI | 1 << LOCK_PI2

cdef extern from *:
    """
    #define PF_ANY 0xFFFFFFFFu
    """
    const uint32_t ANY "PF_ANY"


cdef struct Request:
    # A decoded futex call.
    uint64_t addr
    uint32_t op
    uint32_t val
    uint64_t timeout
    uint64_t addr2
    uint32_t val3
    TimespecLayout layout


cdef inline uint32_t low(object o) except? 0:
    cdef uint64_t value
    as_modulo(o, &value)
    return <uint32_t> value


cdef inline uint64_t register(Task task, object o) except? 0:
    cdef uint64_t value
    as_modulo(o, &value)
    return value & task.registers


cdef inline uint32_t command(uint32_t op) noexcept:
    return op & ~<uint32_t> (PRIVATE_FLAG | CLOCK_FLAG)


cdef inline Sharing sharing_of(uint32_t op) noexcept:
    return IS_PRIVATE if op & PRIVATE_FLAG else IS_SHARED


cdef int find_deadline(Task task, const Request *r, uint32_t cmd, Blocked *call) except -1:
    """0 and when the call ends, or an errno."""
    cdef int64_t ns
    cdef int error
    call.until = deadline_never()
    if r.timeout == 0 or cmd > LAST or not 1 << cmd & WITH_TIMEOUT:
        return 0
    error = read_timespec(task.mem, r.timeout, task.limit, r.layout, task.is_exchanged, &ns)
    if error:
        return error
    call.until.clock = CLOCK_REALTIME if r.op & CLOCK_FLAG or cmd == LOCK_PI else CLOCK_MONOTONIC
    call.until.ns = add_ns(task_now(task, CLOCK_MONOTONIC), ns) if cmd == WAIT else ns
    return 0


cdef object serve(Task task, const Request *r):
    cdef uint32_t cmd = command(r.op)
    cdef int32_t n = <int32_t> r.val, n2 = <int32_t> r.timeout
    cdef Place place2
    cdef Blocked call
    cdef int error = find_deadline(task, r, cmd, &call)
    if error:
        return failure(error)
    if cmd > LAST or (r.op & CLOCK_FLAG and not 1 << cmd & WITH_CLOCK):
        return failure(ENOSYS)
    call.place.addr = r.addr
    call.place.sharing = sharing_of(r.op)
    call.place.is_numa = False
    call.val = r.val
    call.bitset = r.val3
    place2 = call.place
    place2.addr = r.addr2
    if cmd == WAIT or cmd == WAIT_BITSET:
        if cmd == WAIT:
            call.bitset = ANY
        call.restart = BY_HANDLER if r.timeout == 0 else BY_BLOCK
        return wait(task, &call)
    if cmd == WAKE or cmd == WAKE_BITSET:
        return wake(task, &call.place, n, ANY if cmd == WAKE else r.val3, False)
    if cmd == REQUEUE or cmd == CMP_REQUEUE:
        return requeue(task, &call.place, &place2, n, n2, cmd == CMP_REQUEUE, r.val3)
    if cmd == WAKE_OP:
        return wake_op(task, &call.place, &place2, r.val3, n, n2)
    if cmd == LOCK_PI or cmd == LOCK_PI2:
        call.restart = ALWAYS
        return lock_pi(task, &call)
    if cmd == UNLOCK_PI:
        return unlock_pi(task, &call.place)
    if cmd == TRYLOCK_PI:
        return try_lock_pi(task, &call.place)
    if cmd == WAIT_REQUEUE_PI:
        call.restart = UNTIL_REQUEUED
        return wait_requeue_pi(task, &call, &place2)
    if cmd == CMP_REQUEUE_PI:
        return cmp_requeue_pi(task, &call.place, &place2, n, n2, r.val3)
    return failure(ENOSYS)


cdef object serve_called(Task task, const Request *r):
    # Memory that Python code answers for says EFAULT, or whatever it is, by an exception.
    try:
        return serve(task, r)
    except OSError as error:
        return failure(errno_of(error))


def futex(Task task not None, uaddr, op, val, timeout=0, uaddr2=0, val3=0, /):
    """The system call futex(2), as a guest thread made it.

    Parameters
    ----------
    task : Task
        Who calls. Not blocked.
    uaddr, op, val, timeout, uaddr2, val3 : int
        The registers. Any integer is taken modulo the register's width, and `op`, `val` and `val3` modulo 2**32, as the
        kernel does; `timeout` is a pointer to a timespec, or val2, as the operation has it.

    Returns
    -------
    int or None
        What the guest's register gets: a result, or a negative errno. None: the task is blocked. Its end is told by its
        `on_complete`, through its queue, by `Task.interrupt` or by `Task.result`.

    Raises
    ------
    TypeError
        An argument that is no integer.
    RuntimeError
        The task is blocked already, has exited, or its waiter is still in its completion queue.

    Notes
    -----
    Never blocks, and keeps the GIL. Nothing that a guest can pass raises an exception. What a Python `Target` raises
    propagates, but for an OSError: the guest gets its errno.
    """
    cdef Request r
    cdef Place place
    cdef uint64_t registers = task.registers
    as_modulo(uaddr, &r.addr)
    r.addr &= registers
    r.op = low(op)
    r.val = low(val)
    if r.op == WAKE | PRIVATE_FLAG or (r.op == WAKE and not task.is_called):
        place.addr = r.addr
        place.sharing = sharing_of(r.op)
        place.is_numa = False
        return wake(task, &place, <int32_t> r.val, ANY, False)
    as_modulo(timeout, &r.timeout)
    r.timeout &= registers
    if r.timeout == 0 and r.op & ~<uint32_t> PRIVATE_FLAG == WAIT and not task.is_called and differs(
            task, r.addr, sharing_of(r.op), r.val):
        return failure(EAGAIN)
    as_modulo(uaddr2, &r.addr2)
    r.addr2 &= registers
    r.val3 = low(val3)
    r.layout = SECONDS_32 if task.is_narrow else SECONDS_64
    return serve_called(task, &r) if task.is_called else serve(task, &r)


def futex_time64(Task task not None, uaddr, op, val, timeout=0, uaddr2=0, val3=0, /):
    """The system call of 32-bit programs whose timespec has 64-bit seconds; otherwise as `futex`."""
    cdef Request r
    r.addr = register(task, uaddr)
    r.op = low(op)
    r.val = low(val)
    r.timeout = register(task, timeout)
    r.addr2 = register(task, uaddr2)
    r.val3 = low(val3)
    r.layout = SECONDS_64_ILP32 if task.is_narrow else SECONDS_64
    return serve_called(task, &r) if task.is_called else serve(task, &r)


def restart_syscall(Task task not None, /):
    """The system call restart_syscall(2): go on with the wait that `Task.interrupt` ended with -EINTR, until the same time.

    Returns
    -------
    int or None
        As `futex`. -EINTR: there is nothing to go on with.
    """
    cdef Blocked call
    if not task.is_restartable:
        return failure(EINTR)
    task.is_restartable = False
    call = task.restart_block
    if not task.is_called:
        return wait(task, &call)
    try:
        return wait(task, &call)
    except OSError as error:
        return failure(errno_of(error))


def set_tid_address(Task task not None, pointer, /):
    """The system call set_tid_address(2): where `Task.exit` stores 0 and wakes.

    Returns
    -------
    int
        The thread id.
    """
    task.clear_tid = register(task, pointer)
    return task.tid


def set_robust_list(Task task not None, head, length, /):
    """The system call set_robust_list(2): where `Task.exit` looks for words that the task owns.

    Returns
    -------
    int
        0, or -EINVAL: `length` is not the size of a head, 24 bytes or, of a 32-bit program, 12.
    """
    cdef uint64_t addr = register(task, head)
    if register(task, length) != <uint64_t> (12 if task.is_narrow else 24):
        return failure(EINVAL)
    task.robust_head = addr
    return 0


def get_robust_list(Task task not None, pid, head_pointer, length_pointer, /):
    """The system call get_robust_list(2): the address of a task's robust list, and the size of its head, to guest memory.

    Parameters
    ----------
    pid : int
        A thread id, 0: the caller's own.
    head_pointer, length_pointer : int
        Where to: words as wide as a register.

    Returns
    -------
    int
        0; -ESRCH: no living task has this id; -EPERM: its `uid` and its memory are not the caller's, whose `uid` is not 0;
        -EFAULT. The length is written first.
    """
    cdef Task other = task
    cdef int32_t number = <int32_t> low(pid)
    cdef uint64_t head_at = register(task, head_pointer), length_at = register(task, length_pointer)
    cdef uint32_t width = 4 if task.is_narrow else 8
    cdef uint64_t length = 3 * width, head
    cdef int error
    if number != 0:
        other = task.manager.tasks.get(number)
        if other is None:
            return failure(ESRCH)
    if other.mem is not task.mem and task.uid != 0 and task.uid != other.uid:
        return failure(EPERM)
    # A program of the other width keeps a list of its own.
    head = other.robust_head if other.is_narrow == task.is_narrow else 0
    if width == 8 and task.is_exchanged:
        length = exchanged(length)
        head = exchanged(head)
    error = copy_out(task.mem, length_at, task.limit, &length, width)
    if error == 0:
        error = copy_out(task.mem, head_at, task.limit, &head, width)
    return failure(error) if error else 0
