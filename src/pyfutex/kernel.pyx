"""Kernel: the futex operations, answered by the host's kernel over real memory.

Each operation finds the host address of its words and makes one system call. A call that can sleep is made with the GIL
released (_kernelwaits); the others keep it, as a Manager's do.
"""

cimport cython

from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EAGAIN, EFAULT, ENOSYS
from libc.stdint cimport uint32_t, uint64_t

from pyfutex._arguments cimport as_count, as_deadline, as_sharing, as_u32, nonzero_bitset
from pyfutex._core.clock cimport CLOCK_MONOTONIC, Deadline, NEVER
from pyfutex._core.kernelcalls cimport (
    kernel_cmp_requeue,
    kernel_cmp_requeue_pi,
    kernel_requeue,
    kernel_requeue2,
    kernel_trylock_pi,
    kernel_unlock_pi,
    kernel_wake,
    kernel_wake2,
    kernel_wake_op,
    PRIVATE_FLAG,
)
from pyfutex._core.key cimport LOG2_SIZE_U32
from pyfutex._core.status cimport OK
from pyfutex._core.target cimport IS_PRIVATE, READ, Word, word_close, word_open, WRITE
from pyfutex._errors cimport raise_errno
from pyfutex._futexword cimport futex_word_bind, FutexWord
from pyfutex._kernelfeatures cimport (
    feature_names,
    need_futex2,
    need_lock_pi2,
    need_pi,
    need_requeue_pi,
    need_waitv,
)
from pyfutex._kernelwaits cimport (
    sleep_at,
    sleep_lock_pi,
    sleep_on,
    sleep_on_many,
    sleep_requeue_pi,
    wake_then_sleep,
)
from pyfutex._owners cimport refuse_foreign_tid
from pyfutex._realwords cimport real_address, real_open, real_open_two, real_target
from pyfutex.memory cimport Memory
from pyfutex.target cimport Target

from functools import partial

from pyfutex.results import Requeued

cdef object MONOTONIC = CLOCK_MONOTONIC
# The constructor of a named tuple is Python code, and costs as much as the call: the usual result is made once.
cdef object NOBODY = Requeued(0, 0)
cdef object new_tuple = tuple.__new__


cdef inline int flag_of(object private) except -1:
    return PRIVATE_FLAG if as_sharing(private) == IS_PRIVATE else 0


cdef inline Target other(Target target, object mem2):
    return target if mem2 is None else real_target(mem2)


cdef inline object counted(long answer):
    if answer < 0:
        raise_errno(-answer)
    return answer


cdef inline object parted(long answer, uint32_t n_wake):
    # The kernel answers the sum. It wakes before it moves, so the sum tells both.
    cdef long woken = min(answer, <long> n_wake)
    if answer == 0:
        return NOBODY
    if answer < 0:
        raise_errno(-answer)
    return new_tuple(Requeued, (woken, answer - woken))


cdef long unlock_misaligned(Target mem, uint64_t addr, int flag) noexcept:
    cdef long answer = -EFAULT
    cdef Word first, last
    first.host = last.host = NULL
    if word_open(&mem.c, addr, 0, IS_PRIVATE, WRITE, &first) == OK:
        if word_open(&mem.c, addr + 3, 0, IS_PRIVATE, WRITE, &last) == OK:
            if last.host == first.host + 3:
                answer = kernel_unlock_pi(<uint32_t *> first.host, flag)
            word_close(&last)
        word_close(&first)
    return answer


cdef inline void close_two(Word *word, Word *word2) noexcept:
    word_close(word)
    word_close(word2)


@cython.final
cdef class Kernel:
    """Kernel(*, futex2=False)\n--\n\n\
    The futexes of the host's kernel, by the methods of a `Manager`: who meets whom is decided by real memory.

    Parameters
    ----------
    futex2 : bool, optional
        Make `wait`, `wake` and `cmp_requeue` by the futex2 calls of Linux 6.7 (futex_wait, futex_wake, futex_requeue)
        rather than by futex(2). The answers are the same. OSError (ENOSYS) where the kernel lacks them.

    Attributes
    ----------
    supported : frozenset of str
        What the running kernel has, found out at import: "pi", "requeue_pi", "lock_pi2" (deadlines on the monotonic clock
        for `lock_pi`, Linux 5.14), "waitv" (5.16), "futex2" (6.7), "numa" and "mpol" (words of a memory node, 6.16).

    Notes
    -----
    Arguments and results are those of `Manager`; what differs:

    mem : Memory or AddressSpace
        TypeError for a Target written in Python: the kernel cannot call it. The host addresses count: all who use the same
        bytes meet, whatever `base` or `Mappable` they name. Memory of a file or of shared pages reaches other processes.
    size : int
        4. Linux has names for other sizes, and answers EINVAL, as we do (InvalidArgument).
    private : bool, optional
        True: FUTEX_PRIVATE_FLAG; meets only private operations of this process. None: shared.
    tid : int, optional
        The calling thread's own, for that is whom the kernel means. ValueError otherwise.

    There is no `priority`: the kernel orders waiters by the scheduling priority of their threads. An errno that the kernel
    answers is an exception as a manager's would be; after EINVAL for a waiter of another kind, the kernel does not say how
    many were woken before.

    Thread safety: any thread, any number at once, also without a GIL. What can sleep releases the GIL, the rest keeps it.

    References
    ----------
    futex(2), futex_waitv(2)
    """

    supported = feature_names()

    def __cinit__(self, *, futex2=False):
        if futex2:
            need_futex2()
        self.futex2 = bool(futex2)

    # --- waking ---

    def wake(self, mem, addr, n=1, *, bitset=0xFFFFFFFF, private=None, size=4):
        """Wake the oldest `n` waiters on a word; how many were woken. As `Manager.wake`.

        With `n` = 0 nobody is woken, though FUTEX_WAKE would wake one.
        """
        cdef Target target = real_target(mem, size)
        cdef uint32_t count, bits = nonzero_bitset(bitset)
        cdef uint64_t a = real_address(addr)
        cdef int flag = flag_of(private)
        cdef Word word
        cdef uint32_t *host
        cdef long answer = 0
        as_count(n, &count)
        host = real_open(target, a, READ, &word)
        if self.futex2:
            answer = kernel_wake2(host, count, bits, flag)
        elif count:
            answer = kernel_wake(host, count, bits, flag)
        word_close(&word)
        return counted(answer)

    def requeue(self, mem, addr, addr2, n_wake=1, n_requeue=0x7FFFFFFF, *, mem2=None, private=None, size=4):
        """Wake `n_wake` waiters of one word and move the next `n_requeue` to another word. As `Manager.requeue`.

        Where a moved waiter stands among those that wait there already, the kernel leaves to a hash.
        """
        cdef Target target = real_target(mem, size), target2 = other(target, mem2)
        cdef uint64_t a = real_address(addr), a2 = real_address(addr2)
        cdef uint32_t wakes, moves
        cdef int flag = flag_of(private)
        cdef Word word, word2
        cdef long answer
        as_count(n_wake, &wakes)
        as_count(n_requeue, &moves)
        real_open_two(target, a, target2, a2, READ, &word, &word2)
        answer = kernel_requeue(<uint32_t *> word.host, <uint32_t *> word2.host, wakes, moves, flag)
        close_two(&word, &word2)
        return parted(answer, wakes)

    def cmp_requeue(self, mem, addr, addr2, val, n_wake=1, n_requeue=0x7FFFFFFF, *, mem2=None, private=None,
                    size=4):
        """As `requeue`, provided the word at `addr` holds `val`; None if it does not. As `Manager.cmp_requeue`."""
        cdef Target target = real_target(mem, size), target2 = other(target, mem2)
        cdef uint64_t a = real_address(addr), a2 = real_address(addr2)
        cdef uint32_t wakes, moves, expected
        cdef int flag = flag_of(private)
        cdef Word word, word2
        cdef long answer
        as_u32(val, &expected)
        as_count(n_wake, &wakes)
        as_count(n_requeue, &moves)
        real_open_two(target, a, target2, a2, READ, &word, &word2)
        if self.futex2:
            answer = kernel_requeue2(<uint32_t *> word.host, <uint32_t *> word2.host, expected, wakes, moves, flag)
        else:
            answer = kernel_cmp_requeue(<uint32_t *> word.host, <uint32_t *> word2.host, expected, wakes, moves, flag)
        close_two(&word, &word2)
        if answer == -EAGAIN:
            return None
        return parted(answer, wakes)

    def wake_op(self, mem, addr, addr2, op, n_wake=1, n_wake2=1, *, mem2=None, private=None, size=4):
        """Change the word at `addr2`, wake waiters of `addr` and perhaps of `addr2`. As `Manager.wake_op`.

        Raises
        ------
        OSError
            ENOSYS also for a count of 0: FUTEX_WAKE_OP wakes at least one waiter of each word.
        """
        cdef Target target = real_target(mem, size), target2 = other(target, mem2)
        cdef uint64_t a = real_address(addr), a2 = real_address(addr2)
        cdef uint32_t n, n2, operation
        cdef int flag = flag_of(private)
        cdef Word word, word2
        cdef long answer
        as_u32(op, &operation)
        as_count(n_wake, &n)
        as_count(n_wake2, &n2)
        if n == 0 or n2 == 0:
            raise_errno(ENOSYS, "FUTEX_WAKE_OP wakes at least one waiter of each word: a count of 0 cannot be had")
        real_open_two(target, a, target2, a2, WRITE, &word, &word2)
        answer = kernel_wake_op(<uint32_t *> word.host, <uint32_t *> word2.host, operation, n, n2, flag)
        close_two(&word, &word2)
        return counted(answer)

    # --- waiting ---

    def wait(self, mem, addr, val, timeout=None, *, deadline=None, clock=1, bitset=0xFFFFFFFF, private=None, size=4):
        """Sleep until woken, provided the word holds `val`: a WaitResult. As `Manager.wait`.

        A word that holds another value is found out without a call of the kernel, and without giving the GIL up. After a
        signal the handlers run and, unless one raises, the wait goes on with the same deadline.
        """
        cdef Deadline until
        cdef Target target = real_target(mem, size)
        cdef uint32_t value, bits = nonzero_bitset(bitset)
        cdef uint64_t a = real_address(addr)
        as_u32(val, &value)
        as_deadline(timeout, deadline, clock, &until)
        return sleep_on(target, a, value, bits, until, flag_of(private), self.futex2)

    def wake_wait(self, mem, wake_addr, wait_addr, val, timeout=None, *, n=1, mem2=None, deadline=None,
                  clock=1, private=None, size=4):
        """Wake `n` waiters on one word, then wait on another: a WakeWait. As `Manager.wake_wait`.

        Two calls of futex(2), with the GIL released around both: whoever is woken may run before this thread is queued.
        """
        cdef Deadline until
        cdef Target target = real_target(mem, size), target2 = other(target, mem2)
        cdef uint64_t a = real_address(wake_addr), a2 = real_address(wait_addr)
        cdef uint32_t value, count
        as_u32(val, &value)
        as_count(n, &count)
        as_deadline(timeout, deadline, clock, &until)
        return wake_then_sleep(target, a, count, target2, a2, value, until, flag_of(private))

    def waitv(self, items, timeout=None, *, deadline=None, clock=1):
        """Sleep until one of several words is woken, provided each holds its value.

        Parameters
        ----------
        items : iterable of WaitItem or of tuples (mem, addr, val[, private[, size]])
            1 to 128 of them. `size` is 4: the kernel has no other.

        Returns
        -------
        int
            The index of a word that was woken (the last one, if several were); -1: timed out; -2: a word held another
            value.

        Raises
        ------
        OSError
            ENOSYS: the running kernel lacks futex_waitv.
        InvalidArgument
            No items or too many; a size other than 4; misaligned.
        """
        cdef Deadline until
        need_waitv()
        as_deadline(timeout, deadline, clock, &until)
        return sleep_on_many(tuple(items), until)

    # --- PI ---

    def lock_pi(self, mem, addr, timeout=None, *, tid=None, deadline=None, clock=1, private=None):
        """Acquire a PI word, sleeping until its owner hands it over; False: timed out. As `Manager.lock_pi`.

        Raises
        ------
        OSError
            ENOSYS: the running kernel lacks PI futexes; or FUTEX_LOCK_PI2, without which `timeout`, and `deadline` on
            CLOCK_MONOTONIC, cannot be had.

        Notes
        -----
        The kernel goes on by itself after a signal, so Python's handlers run once the call is over.
        """
        cdef Deadline until
        cdef Target target = real_target(mem)
        cdef uint64_t a = real_address(addr)
        refuse_foreign_tid(tid)
        as_deadline(timeout, deadline, clock, &until)
        need_pi()
        if until.ns != NEVER and until.clock == CLOCK_MONOTONIC:
            need_lock_pi2()
        return sleep_lock_pi(target, a, until, flag_of(private))

    def trylock_pi(self, mem, addr, *, tid=None, private=None):
        """Acquire a PI word if it is free; False: somebody holds it. As `Manager.trylock_pi`."""
        cdef Target target = real_target(mem)
        cdef uint64_t a = real_address(addr)
        cdef int flag = flag_of(private)
        cdef Word word
        cdef long answer
        refuse_foreign_tid(tid)
        need_pi()
        answer = kernel_trylock_pi(real_open(target, a, WRITE, &word), flag)
        word_close(&word)
        if answer == -EAGAIN:
            return False
        if answer != 0:
            raise_errno(-answer)
        return True

    def unlock_pi(self, mem, addr, *, tid=None, private=None):
        """Give up a PI word: to its first waiter, or to nobody. As `Manager.unlock_pi`."""
        cdef Target target = real_target(mem)
        cdef uint64_t a = real_address(addr)
        cdef int flag = flag_of(private)
        cdef Word word
        cdef long answer
        refuse_foreign_tid(tid)
        need_pi()
        # Whose the word is, the kernel finds out before it looks at the alignment.
        if a & 3:
            answer = unlock_misaligned(target, a, flag)
        else:
            answer = kernel_unlock_pi(real_open(target, a, WRITE, &word), flag)
            word_close(&word)
        if answer != 0:
            raise_errno(-answer)

    def wait_requeue_pi(self, mem, addr, addr2, val, timeout=None, *, tid=None, deadline=None, clock=1, mem2=None,
                        private=None):
        """Sleep on a word until `cmp_requeue_pi` has moved this thread to the PI word `addr2` and that is acquired.

        The kernel goes on by itself after a signal that comes before that, so Python's handlers run once the call is over.

        Returns
        -------
        WaitResult
            WOKEN: the calling thread owns `addr2`. TIMEOUT, MISMATCH: it does not. MISMATCH also after a signal that came
            when it had been moved.

        Raises
        ------
        OSError
            ENOSYS: the running kernel lacks it.
        InvalidArgument
            Both words are the same one; misaligned.
        """
        cdef Deadline until
        cdef Target target = real_target(mem), target2 = other(target, mem2)
        cdef uint64_t a = real_address(addr), a2 = real_address(addr2)
        cdef uint32_t value
        as_u32(val, &value)
        refuse_foreign_tid(tid)
        as_deadline(timeout, deadline, clock, &until)
        need_requeue_pi()
        return sleep_requeue_pi(target, a, target2, a2, value, until, flag_of(private))

    def cmp_requeue_pi(self, mem, addr, addr2, val, n_requeue=0x7FFFFFFF, *, mem2=None, private=None):
        """Hand the PI word `addr2` to the first waiter of `addr` if it is free, and move `n_requeue` others to it.

        Returns
        -------
        int or None
            Woken and moved together: the kernel does not tell how many of each. None: the word at `addr` did not hold
            `val`.
        """
        cdef Target target = real_target(mem), target2 = other(target, mem2)
        cdef uint64_t a = real_address(addr), a2 = real_address(addr2)
        cdef uint32_t moves, expected
        cdef int flag = flag_of(private)
        cdef Word word, word2
        cdef long answer
        as_u32(val, &expected)
        as_count(n_requeue, &moves)
        need_requeue_pi()
        real_open_two(target, a, target2, a2, WRITE, &word, &word2)
        answer = kernel_cmp_requeue_pi(<uint32_t *> word.host, <uint32_t *> word2.host, expected, moves, flag)
        close_two(&word, &word2)
        if answer == -EAGAIN:
            return None
        return counted(answer)

    # --- the engine itself ---

    def futex(self, mem, addr):
        """The word at `addr` of a Memory, bound to this engine.

        Returns
        -------
        KernelFutex
        """
        return KernelFutex(self, mem, addr)

    def __bool__(self):
        return True

    def __reduce__(self):
        return partial(Kernel, futex2=self.futex2), ()

    def __repr__(self):
        return "Kernel(futex2=True)" if self.futex2 else "Kernel()"


@cython.final
cdef class KernelFutex(FutexWord):
    """KernelFutex(engine, mem, addr, /)\n--\n\n\
    One futex word of a Memory, bound to a `Kernel`: what `Futex` is to a manager. Its operations are shared.

    Parameters
    ----------
    engine : Kernel
    mem : Memory
    addr : int

    Raises
    ------
    InvalidArgument, OSError
        Misaligned; outside the memory.
    """

    cdef readonly Kernel engine

    def __cinit__(self, Kernel engine not None, Memory mem not None, addr, /):
        cdef Word word
        futex_word_bind(self, mem, addr, LOG2_SIZE_U32, &word)
        self.engine = engine

    def wait(self, val, timeout=None, /):
        """Sleep until woken, provided the word holds `val`; `timeout` in seconds. As `Kernel.wait`.

        Returns
        -------
        WaitResult
        """
        cdef uint32_t value
        cdef Deadline until
        as_u32(val, &value)
        as_deadline(timeout, None, MONOTONIC, &until)
        while True:
            result = sleep_at(<uint32_t *> self.word, value, 0xFFFFFFFF, until, 0, self.engine.futex2)
            if result is not None:
                return result
            PyErr_CheckSignals()

    def wake(self, n=1, /):
        """Wake the oldest `n` waiters; how many were woken. As `Kernel.wake`."""
        cdef uint32_t count
        as_count(n, &count)
        if self.engine.futex2:
            return counted(kernel_wake2(<uint32_t *> self.word, count, 0xFFFFFFFF, 0))
        return counted(kernel_wake(<uint32_t *> self.word, count, 0xFFFFFFFF, 0)) if count else 0

    def wake_wait(self, KernelFutex other not None, val, timeout=None, /):
        """Wake one waiter of this word, then wait on `other` while it holds `val`. As `Kernel.wake_wait`.

        Returns
        -------
        WakeWait
        """
        cdef uint32_t value
        cdef Deadline until
        as_u32(val, &value)
        as_deadline(timeout, None, MONOTONIC, &until)
        return wake_then_sleep(self.mem, real_address(self.addr), 1, other.mem, real_address(other.addr), value, until, 0)
