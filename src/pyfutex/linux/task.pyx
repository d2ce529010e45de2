"""Task: a guest thread, as futex(2) and its relatives see it."""

cimport cython

from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EAGAIN, EINTR, ETIMEDOUT
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from pyfutex._arguments cimport as_address, as_deadline, as_modulo
from pyfutex._claims cimport waiter_check, waiter_claim
from pyfutex._core.clock cimport CLOCK_MONOTONIC, Deadline, NEVER, now_ns
from pyfutex._core.engine cimport await_mark
from pyfutex._core.parker cimport Parker, park, parker_self
from pyfutex._core.pi cimport TID_MASK
from pyfutex._core.pistate cimport wait_of
from pyfutex._core.status cimport BUSY, INTERRUPTED, NO_MEMORY, Status
from pyfutex._core.waiter cimport PLAIN, QUEUED, WOKEN, is_marked
from pyfutex._pimanager cimport LINUX_6_18
from pyfutex.completionqueue cimport CompletionQueue
from pyfutex.linux.exit cimport clear_child_tid, give_up_pi, walk_robust_list
from pyfutex.manager cimport Manager
from pyfutex.target cimport Target, is_called
from pyfutex.waiter cimport Waiter, waiter_leave, waiter_phase


cdef enum:
    HIGHEST_PRIORITY = 99
    RESTART_CODE = -513


cdef inline int value_of(Waiter w) except? -1:
    # Of a waiter that was woken.
    return w.result


def _completed(Waiter waiter not None):
    # on_wake of a task's waiter.
    cdef Task task = <Task?> waiter.tag
    task.on_complete(task, value_of(waiter))


@cython.final
cdef class _Living:
    """Whether a thread id is a living task's, or lives by what the manager was told to ask."""

    cdef dict tasks
    cdef object owner_alive

    def __cinit__(self, Manager manager not None):
        self.tasks = manager.tasks
        self.owner_alive = manager.owner_alive

    def __call__(self, tid):
        return tid in self.tasks or self.owner_alive(tid)


@cython.final
cdef class Task:
    """Task(tid, mem, manager, *, abi='lp64', byteorder='little', address_limit=None, priority=0, uid=0, \
         on_complete=None, queue=None, now=None)\n--\n\n\
    A guest thread: its thread id, memory and manager, the call in which it is blocked, and what its exit leaves behind.

    Parameters
    ----------
    tid : int
        Its thread id, 1 to 2**30 - 1, as PI and robust words hold it. Unique among the living tasks of the managers that
        were forked from one another.
    mem : Target
        The memory of its process.
    manager : Manager
        The futexes of its process.
    abi : {"lp64", "ilp32"}
        Width of registers and pointers. Arguments of calls are taken modulo that width.
    byteorder : {"little", "big"}
        Of the guest. "big" is for Python targets alone, whose words are converted by the target itself: fields of 64 bits,
        of timespecs, lists and vectors, are then two such words, the upper one first.
    address_limit : int, optional
        Addresses beyond it are the kernel's: EFAULT, even where Linux touches no memory. By default 2**47 - 4096, as on
        x86-64, or 2**32 with ilp32. For emulators that place guest memory elsewhere.
    priority : int
        0: normal; 1 to 99: real time, higher first. May be changed; a call that blocks takes it as it is then.
    uid : int
        Whose thread it is, for `get_robust_list`.
    on_complete : callable, optional
        Called with (task, value) when another call ended one that blocked: by the thread that made that other call, after
        it let all locks go; `value` is what the guest's register gets. An exception goes to `sys.unraisablehook`.
    queue : CompletionQueue, optional
        Where the task's `Waiter` goes then: its `tag` is the task and its `result` the value. With `on_complete` too,
        `CompletionQueue.run` calls that.
    now : callable, optional
        Called with a clock (CLOCK_MONOTONIC or CLOCK_REALTIME), returns nanoseconds: the time that this guest lives in.
        By default the host's.

    Raises
    ------
    ValueError
        `tid` is another living task's, or no thread id; `abi`, `byteorder` or `priority` is none.

    Attributes
    ----------
    tid, mem, manager
        As given.
    clear_child_tid : int
        Address at which `exit` stores 0 and wakes one waiter; 0: none. CLONE_CHILD_CLEARTID and set_tid_address set it.
    robust_list : int
        Address of the robust list's head, 0: none. `set_robust_list` sets it.
    priority, uid : int

    Notes
    -----
    The end of a call that blocked is told once: by `on_complete` or through the queue if there are any, by the return
    value of `interrupt` if that came first, else by `result`. Nothing ends by time alone: whoever owns the guest's clock
    looks at `deadline` and calls `interrupt(ETIMEDOUT)`.

    Thread safety: any thread may use any task; a task is in one call at a time (RuntimeError).
    """

    def __cinit__(self, tid, Target mem not None, Manager manager not None, *, abi="lp64", byteorder="little",
                  address_limit=None, priority=0, uid=0, on_complete=None, CompletionQueue queue=None, now=None):
        cdef uint64_t number, limit
        if abi != "lp64" and abi != "ilp32":
            raise ValueError(f"abi must be lp64 or ilp32, not {abi!r}")
        if byteorder != "little" and (byteorder != "big" or not is_called(mem)):
            raise ValueError(f"byteorder must be little or, over a Python target, big, not {byteorder!r}")
        if on_complete is not None and not callable(on_complete):
            raise TypeError("on_complete must be callable")
        if now is not None and not callable(now):
            raise TypeError("now must be callable")
        if as_address(tid, &number) or number == 0 or number > TID_MASK:
            raise ValueError(f"tid must be 1 to 2**30 - 1, not {tid}")
        self.tid = <uint32_t> number
        self.mem = mem
        self.manager = manager
        self.m = manager.m
        self.is_called = is_called(mem)
        self.is_narrow = abi == "ilp32"
        self.is_exchanged = byteorder == "big"
        self.registers = 0xFFFFFFFF if self.is_narrow else <uint64_t> 0xFFFFFFFFFFFFFFFF
        self.limit = <uint64_t> 1 << 32 if self.is_narrow else (<uint64_t> 1 << 47) - 4096
        if address_limit is not None:
            if as_address(address_limit, &limit):
                raise ValueError(f"address_limit must be 0 to 2**64 - 1, not {address_limit}")
            self.limit = limit
        self.priority = priority
        self.uid = uid
        self.on_complete = on_complete
        self.owner_alive = manager.tasks.__contains__ if manager.owner_alive is None else _Living(manager)
        self.now = now
        self.tells = on_complete is not None or queue is not None
        self.waiter = Waiter(None if on_complete is None else _completed, queue=queue, tag=self)
        if manager.tasks.setdefault(self.tid, self) is not self:
            raise ValueError(f"there is a living task {self.tid}")
        self.is_alive = True

    @property
    def clear_child_tid(self):
        return self.clear_tid

    @clear_child_tid.setter
    def clear_child_tid(self, value):
        cdef uint64_t addr
        as_modulo(value, &addr)
        self.clear_tid = addr & self.registers

    @property
    def robust_list(self):
        return self.robust_head

    @property
    def priority(self):
        return self.level

    @priority.setter
    def priority(self, value):
        cdef int level = value
        if not 0 <= level <= HIGHEST_PRIORITY:
            raise ValueError(f"priority must be 0 to {HIGHEST_PRIORITY}, not {level}")
        self.level = level

    @property
    def alive(self):
        """bool: whether it has not exited."""
        return self.is_alive

    @property
    def blocked(self):
        """bool: whether it is in a call that has not ended."""
        return waiter_phase(self.waiter) == QUEUED

    @property
    def deadline(self):
        """(clock, ns) or None: when the call in which it is blocked times out, as an absolute time."""
        if waiter_phase(self.waiter) != QUEUED or self.blocked_in.until.ns == NEVER:
            return None
        return (self.blocked_in.until.clock, self.blocked_in.until.ns)

    @cython.critical_section
    def interrupt(self, error=4, *, sa_restart=False):  # EINTR; a signature that can be read has literals
        """End the call in which it is blocked: a signal came, its deadline passed, or the emulator wants it out.

        Parameters
        ----------
        error : int
            EINTR for a signal that has a handler, ETIMEDOUT for the deadline, or another errno.
        sa_restart : bool
            With EINTR: whether the handler was installed with SA_RESTART.

        Returns
        -------
        int or None
            What the guest's register gets: -error, or, after EINTR, RESTART (-513): issue the same call again once the
            handler is back. None: it was not blocked, or has just been woken and is told so otherwise. Woken, with neither
            callback nor queue: the result of the call, since who was woken was woken.

        Raises
        ------
        ValueError
            `error` is no errno.

        Notes
        -----
        As Linux, after EINTR: FUTEX_WAIT without a timeout, futex_waitv and futex_wait give RESTART with `sa_restart`, else
        -EINTR. FUTEX_WAIT and FUTEX_WAIT_BITSET with a timeout give -EINTR in any case; where no handler ran,
        `restart_syscall` goes on with the deadline they had. FUTEX_LOCK_PI gives RESTART whatever the handler says,
        FUTEX_WAIT_REQUEUE_PI too until it was requeued, then -EAGAIN.
        """
        cdef int number = error
        cdef int value
        if not 0 < number < 4096:
            raise ValueError(f"no errno: {error}")
        if waiter_leave(self.waiter):
            value = self.value_after(number, bool(sa_restart))
            self.awaits_end = False
            self.ended_with = value
            if value == -EINTR and self.blocked_in.restart == BY_BLOCK:
                self.restart_block = self.blocked_in
                self.is_restartable = True
            return value
        if self.tells or not self.awaits_end or waiter_phase(self.waiter) != WOKEN:
            return None
        with nogil:
            await_mark(&self.waiter.c)
        self.awaits_end = False
        return value_of(self.waiter)

    cdef int value_after(self, int error, bint sa_restart) noexcept:
        cdef Restart restart = self.blocked_in.restart
        if error != EINTR or restart == BY_BLOCK:
            return -error
        if restart == BY_HANDLER:
            return RESTART_CODE if sa_restart else -EINTR
        if restart == UNTIL_REQUEUED and wait_of(&self.waiter.c).was_requeued:
            return -EAGAIN
        return RESTART_CODE

    @cython.critical_section
    cdef int value_told(self) except? 0:
        # What `interrupt` left, once it is done.
        return self.ended_with

    def result(self, timeout=None):
        """Sleep until the call in which it blocked has ended. For guests whose threads are threads of the host.

        Parameters
        ----------
        timeout : float, seconds, optional
            How long to wait for the end. None: until the guest's own deadline on the host's clock, which then ends the call.

        Returns
        -------
        int
            What the guest's register gets, also after an `interrupt` by another thread.

        Raises
        ------
        TimeoutError
            `timeout` seconds passed; it is still blocked.
        RuntimeError
            It has not been blocked yet, or another thread sleeps here.
        ValueError, OverflowError
            `timeout` is negative or not a number; too large.

        Notes
        -----
        Releases the GIL while it sleeps, and runs signal handlers; an exception of one propagates, the task stays blocked.
        """
        cdef Deadline until
        cdef Parker *p
        cdef Status status
        cdef int phase
        as_deadline(timeout, None, CLOCK_MONOTONIC, &until)
        if timeout is None and self.now is None:
            until = self.blocked_in.until
        while True:
            phase = waiter_phase(self.waiter)
            if phase == WOKEN and is_marked(&self.waiter.c):
                self.awaits_end = False
                return value_of(self.waiter)
            if phase != QUEUED and phase != WOKEN:
                if self.value_told() == 0:
                    raise RuntimeError("the task is not blocked")
                return self.ended_with
            if phase == QUEUED and until.ns <= now_ns(until.clock):
                if timeout is not None:
                    raise TimeoutError
                self.interrupt(ETIMEDOUT)
                continue
            with nogil:
                p = parker_self()
                status = NO_MEMORY if p == NULL else park(p, &self.waiter.c.mark, until)
            if status == INTERRUPTED:
                PyErr_CheckSignals()
            elif status == BUSY:
                raise RuntimeError("another thread sleeps on this task")
            elif status == NO_MEMORY:
                raise MemoryError

    def exit(self):
        """The thread ends: leave the call it is in, and give up what others may be waiting for. A second time does nothing.

        In Linux's order: the robust list, the PI words it owns, `clear_child_tid`, which is stored to and woken on only if
        another living task has the same memory. What the guest left in its memory may be anything: the walk is bounded, and
        stops at what cannot be read.
        """
        if not self.is_alive:
            return
        waiter_leave(self.waiter)
        if self.robust_head:
            walk_robust_list(self.m, self.mem, self.tid, self.robust_head, self.is_narrow, self.is_exchanged,
                             self.limit, self.manager.profile != LINUX_6_18)
        # Known as living until its words say whose they are: who looks for their owner meanwhile must not find it dead.
        give_up_pi(self.m, self.tid)
        self.is_alive = False
        self.manager.tasks.pop(self.tid, None)
        give_up_pi(self.m, self.tid)    # to who queued in between
        if self.clear_tid and self.shares_memory():
            clear_child_tid(self.m, self.mem, self.clear_tid, self.limit)
        self.clear_tid = 0

    cdef bint shares_memory(self) except? True:
        for other in list(self.manager.tasks.values()):
            if (<Task> other).mem is self.mem:
                return True
        return False

    def __reduce__(self):
        raise TypeError("a Task is a guest thread of this process and cannot be pickled")

    def __repr__(self):
        state = "exited" if not self.is_alive else "blocked" if self.blocked else "running"
        return f"<Task {self.tid}, {state}>"


cdef int64_t task_now(Task task, int clock) except? -1:
    return now_ns(clock) if task.now is None else task.now(clock)


cdef int task_may_block(Task task) except -1:
    if not task.is_alive:
        raise RuntimeError(f"task {task.tid} has exited")
    waiter_check(task.waiter)
    return 0


cdef void task_blocks(Task task, const Blocked *call) noexcept:
    task.blocked_in = call[0]
    task.ended_with = 0
    task.awaits_end = True


cdef int task_block(Task task, const Blocked *call) except -1:
    if not task.is_alive:
        task_may_block(task)
    waiter_claim(task.waiter, task.manager, task.mem, PLAIN, call.bitset, <uint8_t> task.level)
    task_blocks(task, call)
    return 0
