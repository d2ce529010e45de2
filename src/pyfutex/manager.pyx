"""Manager: the futex operations, from Python; those on PI words are in _pimanager.pyx, on many words in _vectormanager.pyx.

Every operation has the same four steps: arguments; the word or key; one call of the engine, attached, and once more
detached if a lock was not free; what was taken is delivered, and the status becomes a result or an exception.
"""

cimport cython

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from pyfutex._arguments cimport (
    as_address,
    as_bitset,
    as_count,
    as_deadline,
    as_sharing,
    as_size,
    as_u32,
    as_word,
    convert_priority,
    nonzero_bitset,
)
from pyfutex._blocking cimport block_wait, block_wake_wait
from pyfutex._calledtarget cimport called_prepare
from pyfutex._claims cimport waiter_claim, waiter_refuse
from pyfutex._core.atomic cimport likely, load_acquire_u32
from pyfutex._core.bucket cimport Taken, taken_init
from pyfutex._core.clock cimport Deadline
from pyfutex._core.engine cimport engine_prepare, engine_wake, engine_wake_slow, nobody_for
from pyfutex._core.family cimport manager_free
from pyfutex._core.key cimport Key as CKey
from pyfutex._core.status cimport ATTACHED, CONTENDED, DETACHED, FAULT, MISFIT, OK, Status, status_errno
from pyfutex._core.target cimport CALLED, CTarget, READ, Sharing, Word, word_close, word_open, word_open_flat
from pyfutex._core.waiter cimport is_marked, PLAIN, VECTOR, WOKEN
from pyfutex._delivery cimport deliver
from pyfutex._errors cimport raise_status
from pyfutex._immediate cimport finish, requeue_words, wake_op_words
from pyfutex._inspection cimport cancel_all, list_waiters, queued_count, table_figures
from pyfutex._pimanager cimport manager_bind
from pyfutex._words cimport find_key
from pyfutex.memory cimport check_target, Memory, target_of
from pyfutex.target cimport Target
from pyfutex.waiter cimport Waiter, waiter_index, waiter_leave, waiter_phase


# The default priority is this very object, as small integers are.
cdef object NORMAL = 0


@cython.final
cdef class Manager(VectorManager):
    """Manager(*, owner_alive=None, profile='linux-6.18')\n--\n\n\
    Futexes of one address space, in user space: who waits on which word, and whom a wake reaches.

    Parameters
    ----------
    owner_alive : callable, optional
        Called with a thread id by `lock_pi` and `trylock_pi`: does this owner of a PI word live? False makes them raise
        ProcessLookupError. Called with no lock held. By default every owner is believed in.
    profile : str, optional
        Whose behaviour to follow where kernels differ: "linux-6.12", "linux-6.18" or "linux-7.2". The differences are in
        the calls of `pyfutex.linux`.

    Notes
    -----
    Arguments that all operations share:

    mem : Target
        The memory: a `Memory`, an `AddressSpace`, or a subclass of `Target` written in Python.
    addr : int
        Address of a futex word in `mem`, a multiple of its size. InvalidArgument (EINVAL) if it is not, OSError (EFAULT)
        where nothing is mapped. `addr2` lies in `mem2`, by default the same memory.
    size : int
        Bytes in a word, 1, 2, 4 or 8; of both, where an operation has two. A word meets words of its own size alone: a wake
        of 4 bytes reaches nobody who waits on one of them. InvalidArgument for other sizes.
    private : bool, optional
        True: meet only those who use the same memory privately. False: meet all who map the same mappable. None: what
        the memory says: shared if it was given a mappable.
    n, n_wake, n_requeue : int
        How many waiters; 0 is none, ALL is all. InvalidArgument if negative.
    bitset : int, nonzero 32-bit mask
        A wake reaches the waiters whose bitset meets its own. InvalidArgument if 0.
    timeout, deadline : float, seconds
        Relative (monotonic), or absolute on `clock`, CLOCK_MONOTONIC or CLOCK_REALTIME; not both. ValueError if negative
        or not a number, OverflowError if too large.

    A wait compares the word and queues the waiter in one step with respect to every wake; waiters of one word are woken
    in the order in which they came. A waiter that was counted as woken is woken, whatever its timeout says.

    Thread safety: any thread, any number at once, also without a GIL. Operations that cannot block keep the GIL; those
    that sleep release it and run signal handlers.

    After `os.fork()` the child's managers are empty: waiters of the parent's threads are not there.

    References
    ----------
    futex(2); docs/architecture.md; docs/memory-model.md
    """

    # --- waking ---

    def wake(self, mem, addr, n=1, *, bitset=0xFFFFFFFF, private=None, size=4):
        """Wake the oldest `n` waiters on a word.

        Returns
        -------
        int
            How many were woken.

        Raises
        ------
        InvalidArgument
            Misaligned, negative `n`, `bitset` 0, or a PI waiter was met; `exc.woken` says how many had been woken.
        OSError
            EFAULT: nothing is mapped at `addr`.
        """
        cdef Word word
        cdef Taken taken
        cdef Status status
        cdef uint64_t hash
        cdef uint64_t a
        cdef uint32_t count
        cdef uint32_t bits = nonzero_bitset(bitset)
        as_count(n, &count)
        if likely(type(mem) is Memory):
            if as_address(addr, &a):
                raise_status(FAULT)
            status = word_open_flat(&(<Memory> mem).c, a, as_size(size), <Sharing> as_sharing(private), &word)
        else:
            status = find_key(target_of(mem), addr, as_size(size), as_sharing(private), READ, &word.key)
        if status != OK:
            raise_status(status)
        if likely(nobody_for(self.m, &word.key, &hash)) or count == 0:
            return 0
        taken_init(&taken)
        status = engine_wake_slow(self.m, &word.key, hash, count, bits, &taken, ATTACHED)
        if status == CONTENDED:
            with nogil:
                status = engine_wake_slow(self.m, &word.key, hash, count, bits, &taken, DETACHED)
        return finish(status, &taken)

    def requeue(self, mem, addr, addr2, n_wake=1, n_requeue=0x7FFFFFFF, *, mem2=None, private=None, size=4):
        """Wake `n_wake` waiters of one word and move the next `n_requeue` to the end of another word's queue.

        Returns
        -------
        Requeued
            (woken, requeued). On the same word waiters count as requeued and stay where they are.

        Raises
        ------
        InvalidArgument
            Misaligned, negative counts, or a PI waiter was met; `exc.woken` and `exc.requeued` say what was done.
        OSError
            EFAULT: nothing is mapped at `addr` or `addr2`.
        """
        cdef uint32_t wakes, moves
        as_count(n_wake, &wakes)
        as_count(n_requeue, &moves)
        return requeue_words(self.m, target_of(mem), addr, target_of(mem if mem2 is None else mem2), addr2, wakes, moves,
                             as_sharing(private), as_size(size), False, 0)

    def cmp_requeue(self, mem, addr, addr2, val, n_wake=1, n_requeue=0x7FFFFFFF, *, mem2=None, private=None,
                    size=4):
        """As `requeue`, provided the word at `addr` holds `val`; comparing and moving are one step.

        Returns
        -------
        Requeued or None
            None: the word held another value, nothing was done.
        """
        cdef uint32_t wakes, moves, log2_size = as_size(size)
        cdef uint64_t expected
        as_word(val, log2_size, &expected)
        as_count(n_wake, &wakes)
        as_count(n_requeue, &moves)
        return requeue_words(self.m, target_of(mem), addr, target_of(mem if mem2 is None else mem2), addr2, wakes, moves,
                             as_sharing(private), log2_size, True, expected)

    def wake_op(self, mem, addr, addr2, op, n_wake=1, n_wake2=1, *, mem2=None, private=None, size=4):
        """Change the word at `addr2`, wake waiters of `addr` and, if its old value passes a comparison, of `addr2`.

        Parameters
        ----------
        op : int, 32 bits
            FUTEX_OP's encoding: operation (4 bits: SET, ADD, OR, ANDN, XOR, and 8 for "1 << operand"), comparison
            (4 bits: EQ, NE, LT, LE, GT, GE, signed), operand and comparison operand (12 bits each, sign-extended, then
            cut to the width of the word).

        Returns
        -------
        int
            How many were woken on both.

        Raises
        ------
        OSError
            ENOSYS: unknown operation, nothing was changed; or unknown comparison, the word was changed, nobody woken.
            EFAULT: nothing is mapped at `addr`, or nothing writable at `addr2`.
        InvalidArgument
            Misaligned, negative counts, or a PI waiter was met (after the word was changed); `exc.woken`.
        """
        cdef uint32_t n, n2, operation
        as_u32(op, &operation)
        as_count(n_wake, &n)
        as_count(n_wake2, &n2)
        return wake_op_words(self.m, target_of(mem), addr, target_of(mem if mem2 is None else mem2), addr2, operation, n,
                             n2, as_sharing(private), as_size(size))

    # --- waiting ---

    def wait(self, mem, addr, val, timeout=None, *, deadline=None, clock=1, bitset=0xFFFFFFFF, private=None, size=4):
        """Sleep until woken, provided the word holds `val`.

        Returns
        -------
        WaitResult
            WOKEN; TIMEOUT (the only false one); MISMATCH: the word held another value, nobody slept. The word is
            compared first: a wait with `timeout=0` tells MISMATCH from TIMEOUT.

        Raises
        ------
        InvalidArgument, OSError, ValueError, OverflowError, TypeError
            See the class. An exception raised by a signal handler propagates, with nothing queued.
        """
        cdef Deadline until
        cdef uint64_t value
        cdef uint32_t log2_size = as_size(size), bits = nonzero_bitset(bitset)
        as_word(val, log2_size, &value)
        as_deadline(timeout, deadline, clock, &until)
        return block_wait(self, self.m, target_of(mem), addr, value, bits, until, as_sharing(private), log2_size)

    def wake_wait(self, mem, wake_addr, wait_addr, val, timeout=None, *, n=1, mem2=None, deadline=None,
                  clock=1, private=None, size=4):
        """Wake `n` waiters on one word, then wait on another: a hand-over with one release of the GIL.

        Whoever is woken finds this thread queued already. A wait that is refused (MISMATCH) wakes all the same.

        Parameters
        ----------
        wait_addr : int
            In `mem2`, by default the same memory.
        val : int
            What the word at `wait_addr` has to hold.

        Returns
        -------
        WakeWait
            (woken, result)
        """
        cdef Deadline until
        cdef uint64_t value
        cdef uint32_t count, log2_size = as_size(size)
        as_word(val, log2_size, &value)
        as_count(n, &count)
        as_deadline(timeout, deadline, clock, &until)
        return block_wake_wait(self, self.m, target_of(mem), wake_addr, count,
                               target_of(mem if mem2 is None else mem2), wait_addr, value, until, as_sharing(private),
                               log2_size)

    def wait_prepare(self, Waiter w not None, mem, addr, val, *, bitset=0xFFFFFFFF, priority=0, private=None, size=4):
        """Queue a Waiter, provided the word holds `val`. Never blocks.

        Parameters
        ----------
        priority : int, 0 to 99
            0: normal, woken in the order of arrival. From 1 on: real time, woken and moved before all lower ones.
            ValueError outside.

        Returns
        -------
        int or None
            None: queued (or woken already); `w` tells how it ends. Else the result at once, a negative errno: -EAGAIN,
            the word held another value; -EINVAL, misaligned or `bitset` 0; -EFAULT, nothing is mapped there.

        Raises
        ------
        RuntimeError
            `w` is queued already, or not taken from its completion queue yet.
        """
        cdef CTarget *target
        cdef uint32_t bits, log2_size = as_size(size)
        cdef uint64_t a, value
        cdef uint8_t level = 0 if likely(priority is NORMAL) else <uint8_t> convert_priority(priority)
        cdef int sharing = as_sharing(private)
        cdef Word word
        cdef Status status
        check_target(mem)
        target = &(<Target> mem).c
        as_word(val, log2_size, &value)
        as_bitset(bitset, &bits)
        if bits == 0:
            return -status_errno(MISFIT)
        if target.kind == CALLED:
            status = find_key(mem, addr, log2_size, sharing, READ, &word.key)
            if status == OK:
                status = called_prepare(self, self.m, w, mem, addr, &word.key, value, bits, level)
            return None if status == OK else -status_errno(status)
        if as_address(addr, &a):
            return -status_errno(FAULT)
        # No Python code may run between word_open and word_close: claiming, which may wait for a waker's mark, comes before.
        waiter_claim(w, self, <Target> mem, PLAIN, bits, level)
        status = word_open(target, a, log2_size, <Sharing> sharing, READ, &word)
        if status == OK:
            status = engine_prepare(self.m, &w.c, &word.key, &word, value, ATTACHED)
            if status == CONTENDED:
                with nogil:
                    status = engine_prepare(self.m, &w.c, &word.key, &word, value, DETACHED)
            word_close(&word)
        if status == OK:
            return None
        waiter_refuse(w)
        return -status_errno(status)

    def wait_complete(self, Waiter w not None):
        """Take a Waiter out of the queue, wherever a requeue may have moved it.

        Returns
        -------
        bool
            Whether it was woken. False: it was not, and nobody will wake it any more.

        Raises
        ------
        InvalidArgument
            It was queued through a manager of another family.
        """
        if load_acquire_u32(&w.c.phase) == WOKEN and w.manager is self and is_marked(&w.c):
            return True     # the usual case, seen at once
        if w.manager is not self and w.manager is not None and not same_family(self, w.manager):
            raise_status(MISFIT)
        waiter_leave(w)
        return waiter_phase(w) == WOKEN

    # --- the manager itself ---

    def futex(self, mem, addr, size=4):
        """The word at `addr` of a Memory, bound to this manager.

        Returns
        -------
        Futex
        """
        from pyfutex.futex import Futex

        return Futex(self, mem, addr, size)

    def fork(self):
        """The manager of a forked guest (this is not `os.fork`): starts empty, and meets this one in shared keys.

        Returns
        -------
        Manager
            Operations on words of a mappable, through either of the two, reach the waiters of both.
        """
        cdef Manager child = Manager.__new__(Manager, owner_alive=self.owner_alive)
        child.tasks = self.tasks
        child.profile = self.profile
        manager_free(child.m)
        child.m = NULL
        manager_bind(child, self.m)
        return child

    def completions(self):
        """Where waiters of this manager go that named no queue and were woken by code without the GIL.

        Such code cannot run their `on_wake`: whoever drains this queue does, by `CompletionQueue.run`. Waiters that Python
        code wakes never come here.

        Returns
        -------
        CompletionQueue
            The same one at every call.
        """
        return self.unclaimed

    def close(self):
        """Cancel every queued Waiter of this manager. It may be used again afterwards.

        Raises
        ------
        RuntimeError
            A thread sleeps in one of its waits; nothing was cancelled.
        """
        cancel_all(self, self.m)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def __bool__(self):
        return True

    def __len__(self):
        """How many waiters are queued."""
        return queued_count(self.m)

    def waiters(self, mem=None, addr=None, *, size=4):
        """The queued waiters: all of this manager, or those of one word, private and shared, oldest first.

        Of those who are blocked on a PI word, who gets it next comes first.

        Looks at one bucket after the other while others go on: a waiter that comes, goes or moves meanwhile may be
        missing.

        Returns
        -------
        list of WaiterInfo
        """
        if (mem is None) != (addr is None):
            raise TypeError("mem and addr belong together")
        return list_waiters(self.m, None if mem is None else target_of(mem), addr, as_size(size))

    def stats(self):
        """Figures of the tables, for people and dashboards; costs a look at every bucket.

        Returns
        -------
        dict of str to int
            waiters, keys : queued, in this manager's table and in the one its family shares.
            buckets, shared_buckets : of the two tables.
            longest_chain : most keys in one bucket.
            growths : how often the tables have doubled.
            migrating : 1 while one of them is doing so.
            table_bytes : memory of the buckets.
        """
        return table_figures(self.m)

    def _wake_key_of(self, Waiter w not None):
        # Give a wake on to whoever waits where w did: w was woken and nobody takes note.
        cdef Taken taken
        cdef CKey key
        if w.c.kind == VECTOR:
            waiter_index(w)     # its key is known no earlier
        key = w.c.key
        cdef Status status
        taken_init(&taken)
        status = engine_wake(self.m, &key, 1, 0xFFFFFFFF, &taken, ATTACHED)
        if status == CONTENDED:
            with nogil:
                status = engine_wake(self.m, &key, 1, 0xFFFFFFFF, &taken, DETACHED)
        deliver(&taken)

    def __reduce__(self):
        raise TypeError("a Manager holds the waiters of this process and cannot be pickled")

    def __repr__(self):
        return f"<Manager at {<uint64_t> self.m:#x}>"


cdef bint same_family(Manager a, Manager b) noexcept:
    return a.m.family == b.m.family
