"""The part of a Manager that is about PI words. The four steps of an operation are in manager.pyx."""

from libc.stdint cimport uint32_t

from pyfutex._arguments cimport as_count, as_deadline, as_sharing, as_u32, convert_priority
from pyfutex._core.bucket cimport Taken, taken_init
from pyfutex._core.clock cimport Deadline
from pyfutex._core.family cimport manager_free, manager_new
from pyfutex._core.status cimport BUSY, MISMATCH, OK, Status, WAITING, status_errno
from pyfutex._core.target cimport WRITE
from pyfutex._delivery cimport deliver
from pyfutex._errors cimport raise_status
from pyfutex._immediate cimport finish
from pyfutex._owners cimport convert_tid
from pyfutex._pi cimport block_lock_pi, inherit_pi, prepare_lock_pi, release_pi, try_lock_pi
from pyfutex._requeuepi cimport block_requeue_pi, prepare_requeue_pi, requeue_pi_words
from pyfutex.memory cimport target_of
from pyfutex.waiter cimport Waiter

from pyfutex.results import Requeued


cdef dict PROFILES = {"linux-6.12": <int> LINUX_6_12, "linux-6.18": <int> LINUX_6_18, "linux-7.2": <int> LINUX_7_2}


cdef int manager_bind(PIManager manager, CManager *parent) except -1:
    manager.m = manager_new(parent)
    if manager.m == NULL:
        raise MemoryError
    manager.m.completions = &manager.unclaimed.c
    return 0


cdef class PIManager:
    """The PI operations of a `Manager`, which see."""

    def __cinit__(self, *, owner_alive=None, profile="linux-6.18"):
        if profile not in PROFILES:
            raise ValueError(f"unknown profile {profile!r}: there are {', '.join(PROFILES)}")
        self.profile = <Profile> <int> PROFILES[profile]
        if owner_alive is not None and not callable(owner_alive):
            raise TypeError("owner_alive must be callable")
        self.owner_alive = owner_alive
        self.tasks = {}
        self.unclaimed = CompletionQueue()
        manager_bind(self, NULL)

    def __dealloc__(self):
        # Nobody is queued: a thread in wait holds a reference to us, and so does every queued Waiter.
        if self.m != NULL:
            manager_free(self.m)

    # --- acquiring and releasing ---

    def lock_pi(self, mem, addr, timeout=None, *, tid=None, deadline=None, clock=1, private=None):
        """Acquire a PI word, sleeping until its owner hands it over. Owners follow by priority, then as they came.

        The word holds the owner's thread id, WAITERS (bit 31) while somebody is queued, OWNER_DIED (bit 30).

        Parameters
        ----------
        tid : int, optional
            Who acquires; by default the calling thread's native id.

        Returns
        -------
        bool
            True: acquired. False: timed out; WAITERS stays set until the next unlock.

        Raises
        ------
        OSError
            EDEADLK: `tid` owns it already, or its owner waits, perhaps along a chain of owners, for a word that `tid`
            owns. EFAULT: nothing writable is mapped there, or is not any more.
        ProcessLookupError
            ESRCH: `owner_alive` said that the owner is dead. WAITERS is set.
        InvalidArgument
            Misaligned, no thread id, a waiter of another kind is queued on this word, or the word does not hold the
            owner whom its waiters wait for.

        Notes
        -----
        Never interrupted: after a signal it goes on waiting, unless the handler raises.
        """
        cdef Deadline until
        cdef uint32_t owner
        convert_tid(tid, &owner)
        as_deadline(timeout, deadline, clock, &until)
        return block_lock_pi(self, self.m, target_of(mem), addr, owner, until, as_sharing(private), self.owner_alive)

    def trylock_pi(self, mem, addr, *, tid=None, private=None):
        """Acquire a PI word if it is free.

        Returns
        -------
        bool
            False: somebody holds it. WAITERS is set then, as in Linux, so that the owner's unlock comes here.

        Raises
        ------
        As `lock_pi`.
        """
        cdef uint32_t owner
        cdef Status status
        convert_tid(tid, &owner)
        status = try_lock_pi(self, self.m, target_of(mem), addr, owner, as_sharing(private), self.owner_alive)
        if status == OK:
            return True
        if status != BUSY:
            raise_status(status)
        return False

    def lock_pi_prepare(self, Waiter w not None, mem, addr, *, tid, priority=0, private=None):
        """Acquire a PI word, or queue a Waiter for it. Never blocks.

        Parameters
        ----------
        tid : int
            Who acquires.
        priority : int, 0 to 99
            0: normal, first come first served. From 1 on: real time, the higher first. While this thread waits, an owner
            that waits for another word itself stands there with at least this priority.

        Returns
        -------
        int or None
            0: acquired. None: queued; when `w` is woken, `tid` owns the word. Else a negative errno: see `lock_pi`.

        Raises
        ------
        RuntimeError
            `w` is queued already, or not taken from its completion queue yet.
        """
        cdef uint32_t owner
        cdef Status status
        if tid is None:
            raise TypeError("tid must be given: the waiter may be another thread's")
        convert_tid(tid, &owner)
        status = prepare_lock_pi(self, self.m, w, target_of(mem), addr, owner, convert_priority(priority),
                                 as_sharing(private), self.owner_alive)
        if status == WAITING:
            return None
        return 0 if status == OK else -status_errno(status)

    def unlock_pi(self, mem, addr, *, tid=None, private=None):
        """Give up a PI word: to the first waiter, or to nobody.

        Raises
        ------
        PermissionError
            EPERM: `tid` does not own it. Found out before a misaligned address is, as in Linux.
        BlockingIOError
            EAGAIN: the word changed meanwhile, though nobody was queued; try again.
        InvalidArgument
            Misaligned, no thread id, the first waiter is one of another kind, or the waiters know another owner.
        OSError
            EFAULT: nothing writable is mapped there.
        """
        cdef Taken taken
        cdef uint32_t owner
        cdef Status status
        convert_tid(tid, &owner)
        taken_init(&taken)
        status = release_pi(self.m, target_of(mem), addr, owner, as_sharing(private), &taken)
        finish(status, &taken)

    def owner_exit(self, tid):
        """A thread died: PI words that it holds, and that others wait for, go on to their first waiters.

        Each is left with OWNER_DIED, for the new owner to see. Words that nobody waits for stay as they are: a later
        `lock_pi` asks `owner_alive`.

        Parameters
        ----------
        tid : int

        Returns
        -------
        int
            How many words went on. A waiter whose word is in memory that is not mapped any more ends with EFAULT.
        """
        cdef uint32_t owner
        if tid is None:
            raise TypeError("tid must be given")
        convert_tid(tid, &owner)
        return inherit_pi(self.m, owner)

    # --- from a condition to a PI word ---

    def wait_requeue_pi(self, mem, addr, addr2, val, timeout=None, *, mem2=None, tid=None, deadline=None, clock=1,
                        private=None):
        """Sleep on a word, to be requeued by `cmp_requeue_pi` to a PI word, and own that one.

        Parameters
        ----------
        addr2 : int
            The PI word, in `mem2`, by default the same memory.
        val : int
            What the word at `addr` has to hold.

        Returns
        -------
        WaitResult
            WOKEN: `tid` owns the word at `addr2`. TIMEOUT. MISMATCH: the word at `addr` held another value; or a signal
            came after the requeue (then its handlers have run): look at the condition again.

        Raises
        ------
        InvalidArgument
            Misaligned, or both words are the same.
        OSError
            EFAULT: nothing is mapped at `addr`, or nothing writable at `addr2`.

        Notes
        -----
        Nothing but `cmp_requeue_pi` to this very word wakes it: `wake` and `requeue` fail with InvalidArgument.
        """
        cdef Deadline until
        cdef uint32_t value, owner
        as_u32(val, &value)
        convert_tid(tid, &owner)
        as_deadline(timeout, deadline, clock, &until)
        return block_requeue_pi(self, self.m, target_of(mem), addr, target_of(mem if mem2 is None else mem2), addr2,
                                value, owner, until, as_sharing(private))

    def wait_requeue_pi_prepare(self, Waiter w not None, mem, addr, addr2, val, *, tid, priority=0, mem2=None,
                                private=None):
        """Queue a Waiter that `cmp_requeue_pi` moves on to a PI word. Never blocks.

        Returns
        -------
        int or None
            None: queued; when `w` is woken, `tid` owns the word at `addr2`. Else a negative errno: -EAGAIN, the word at
            `addr` held another value; -EINVAL, -EFAULT as in `wait_requeue_pi`.

        Raises
        ------
        RuntimeError
            `w` is queued already, or not taken from its completion queue yet.
        """
        cdef uint32_t value, owner
        cdef Status status
        if tid is None:
            raise TypeError("tid must be given: the waiter may be another thread's")
        as_u32(val, &value)
        convert_tid(tid, &owner)
        status = prepare_requeue_pi(self, self.m, w, target_of(mem), addr, target_of(mem if mem2 is None else mem2),
                                    addr2, value, owner, convert_priority(priority), as_sharing(private), WRITE)
        return None if status == OK else -status_errno(status)

    def cmp_requeue_pi(self, mem, addr, addr2, val, n_requeue=0x7FFFFFFF, *, mem2=None, private=None):
        """Acquire a PI word for the first of those who wait for it at another word, and queue the next behind it.

        Where the word at `addr2` is held, the first one is queued as well.

        Parameters
        ----------
        val : int
            What the word at `addr` has to hold.
        n_requeue : int
            How many to queue behind the first.

        Returns
        -------
        Requeued or None
            (woken, requeued): woken is 1 if the first waiter got the word. None: the word at `addr` held another value.

        Raises
        ------
        InvalidArgument
            Misaligned, both words are the same, or a waiter that did not come through `wait_requeue_pi` with this very
            word was met; `exc.woken` and `exc.requeued` say what was done.
        OSError
            EDEADLK: a waiter owns the word, or holds up its owner. EFAULT: nothing is mapped.
        ProcessLookupError
            ESRCH: `owner_alive` said that the owner of the PI word is dead.
        """
        cdef Taken taken
        cdef uint32_t value, moves, woken, requeued = 0
        cdef Status status
        as_u32(val, &value)
        as_count(n_requeue, &moves)
        taken_init(&taken)
        status = requeue_pi_words(self.m, target_of(mem), addr, target_of(mem if mem2 is None else mem2), addr2, value,
                                  moves, as_sharing(private), self.owner_alive, &taken, &requeued)
        woken = taken.n
        if woken:
            deliver(&taken)
        if status == MISMATCH:
            return None
        if status != OK:
            raise_status(status, woken, requeued)
        return Requeued(woken, requeued)
