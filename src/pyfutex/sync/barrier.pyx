"""Barrier: a number of threads wait until all of them do."""

cimport cython

from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EAGAIN, EBUSY, EINTR, ETIMEDOUT
from libc.stdint cimport int64_t, uint32_t, uint64_t

from pyfutex._core.atomic cimport cas_u32, fetch_add_u32, load_acquire_u32, load_relaxed_u32, store_relaxed_u32
from pyfutex._core.clock cimport Deadline, deadline_never
from pyfutex._core.kernelcalls cimport MATCH_ANY, PRIVATE_FLAG, kernel_wait, kernel_wake
from pyfutex._errors cimport raise_errno
from pyfutex._recording cimport note_time, note_wake
from pyfutex.sync._mutex cimport (
    mutex_consistent,
    mutex_raise,
    mutex_release,
    mutex_wait,
    plain_init,
    robust_init,
)
from pyfutex.sync._robust cimport EOWNERDEAD, KIND_BARRIER, NOT_ROBUST, OWNER_DIED, RobustLock, TID_MASK, Thread
from pyfutex.sync._shared cimport ATTACH, CREATE, Opening, shared_add_slots, shared_bind
from pyfutex.sync._slots cimport (
    bytes_with_slots,
    slot_leave,
    slots_find,
    slots_have_dead,
    slots_take,
    slots_watch,
    words_of,
)
from pyfutex.sync._thread cimport robust_thread
from pyfutex.sync._timeouts cimport wait_deadline
from pyfutex.sync._sleepers cimport sleep_begins, sleep_ends

import operator
from threading import BrokenBarrierError


cdef enum:
    MOST_PARTIES = 0x100000
    SOME_PARTIES = 30


# --- with the mutex held -----------------------------------------------------------------------------------------------

cdef inline uint32_t state_of(Barrier b) noexcept nogil:
    return load_relaxed_u32(&b.words.state)


cdef void enter_state(Barrier b, BarrierState state) noexcept nogil:
    cdef int64_t noted = note_time()
    store_relaxed_u32(&b.words.state, state)
    fetch_add_u32(&b.words.turn, 1)
    note_wake(noted, &b.words.turn, kernel_wake(&b.words.turn, 0x7FFFFFFF, MATCH_ANY, b.m.flag))


cdef void count_again(Barrier b) noexcept nogil:
    """The dead do not count."""
    cdef uint32_t i, n = 0
    for i in range(b.slots.n):
        if load_acquire_u32(&b.slots.first[i].word) & TID_MASK and b.slots.first[i].depth & COUNTED:
            n += 1
    store_relaxed_u32(&b.words.count, n)


cdef void look_for_dead(Barrier b) noexcept nogil:
    if not slots_have_dead(&b.slots):
        return
    count_again(b)
    if state_of(b) != BROKEN:
        enter_state(b, BROKEN)


cdef void bury_dead(Barrier b) noexcept nogil:
    """Their slots are free."""
    cdef uint32_t i, seen
    for i in range(b.slots.n):
        seen = load_acquire_u32(&b.slots.first[i].word)
        if seen & OWNER_DIED:
            b.slots.first[i].depth = 0
            cas_u32(&b.slots.first[i].word, seen, 0)


cdef RobustLock *take_slot(Barrier b, Thread *t) except NULL:
    """A slot for the calling thread, which has none."""
    cdef bint died = False
    cdef int at = slots_take(&b.slots, t, False, &died)
    if at == -EBUSY:
        raise RuntimeError(f"{b.n_parties} other threads take part in this barrier of {b.n_parties} parties")
    if at < 0:
        mutex_raise(at)
    b.slots.first[at].depth = 0
    if died:
        slot_leave(&b.slots.first[at], t)
        enter_state(b, BROKEN)
        raise BrokenBarrierError
    fetch_add_u32(&b.words.roster, 1)
    kernel_wake(&b.words.roster, 1, MATCH_ANY, 0)
    return &b.slots.first[at]


cdef int arrive(Barrier b, uint32_t *index) except -1:
    """Count the calling thread in."""
    cdef Thread *t
    cdef RobustLock *slot
    if b.slots.n == 0:
        index[0] = load_relaxed_u32(&b.words.count)
        store_relaxed_u32(&b.words.count, index[0] + 1)
        return 0
    t = robust_thread()
    slot = slots_find(&b.slots, t)
    if slot == NULL:
        slot = take_slot(b, t)
    elif slot.depth & COUNTED:
        raise RuntimeError("the calling thread waits at this barrier already")
    slot.depth |= COUNTED
    count_again(b)
    index[0] = load_relaxed_u32(&b.words.count) - 1
    return 0


cdef int leave(Barrier b) except -1:
    """Count it out; the last one opens the barrier for the next turn."""
    cdef Thread *t
    cdef RobustLock *slot
    cdef uint32_t state
    if b.slots.n == 0:
        store_relaxed_u32(&b.words.count, load_relaxed_u32(&b.words.count) - 1)
    else:
        t = robust_thread()
        slot = slots_find(&b.slots, t)
        if slot != NULL:
            slot.depth &= ~<uint32_t> COUNTED
            if not slot.depth & REGISTERED:
                slot_leave(slot, t)
        count_again(b)
    state = state_of(b)
    if load_relaxed_u32(&b.words.count) == 0 and (state == DRAINING or state == RESETTING):
        enter_state(b, FILLING)
    return 0


# --- without it --------------------------------------------------------------------------------------------------------

cdef int hold(Barrier b, bint again) except -1:
    """Get the mutex, and see who has died meanwhile. `again`: without fail."""
    cdef int result = mutex_wait(&b.m, deadline_never(), not again)
    if result == -EOWNERDEAD:
        count_again(b)
        enter_state(b, BROKEN)
        mutex_consistent(&b.m)
    elif result:
        mutex_raise(result)
    look_for_dead(b)
    return 0


cdef int barrier_sleep(Barrier b, uint32_t turn, uint32_t roster, Deadline until) noexcept nogil:
    cdef int why
    if b.slots.n:
        why = slots_watch(&b.slots, &b.words.turn, turn, &b.words.roster, roster, until)
    else:
        why = <int> kernel_wait(&b.words.turn, turn, MATCH_ANY, until, b.m.flag)
    return 0 if why == -EAGAIN else why


cdef bint await_change(Barrier b, Deadline until) except -1:
    """Let the mutex go, sleep, and get it again: whether the time is over. Requires: held; it is afterwards, in any case."""
    cdef uint32_t turn = load_relaxed_u32(&b.words.turn)
    cdef uint32_t roster = load_relaxed_u32(&b.words.roster)
    cdef uint64_t asleep
    cdef int why
    mutex_release(&b.m)
    try:
        asleep = sleep_begins(KIND_BARRIER, &b.words.turn, 0)
        with nogil:
            why = barrier_sleep(b, turn, roster, until)
        sleep_ends(asleep, why)
        if why == -EINTR:
            PyErr_CheckSignals()
        elif why and why != -ETIMEDOUT:
            raise_errno(-why)
    finally:
        hold(b, True)
    return why == -ETIMEDOUT


cdef int await_others(Barrier b, Deadline until) except -1:
    """Until all have arrived. BrokenBarrierError: they will not."""
    while state_of(b) == FILLING:
        if await_change(b, until) and state_of(b) == FILLING:
            enter_state(b, BROKEN)
    if state_of(b) != DRAINING:
        raise BrokenBarrierError
    return 0


cdef int let_go_all(Barrier b) except -1:
    """What the last one to arrive does. An action that raises breaks the barrier."""
    try:
        if b.action is not None:
            b.action()
    except BaseException:
        enter_state(b, BROKEN)
        raise
    enter_state(b, DRAINING)
    return 0


cdef uint32_t checked_parties(object parties) except 0:
    parties = operator.index(parties)
    if parties < 1:
        raise ValueError("parties must be > 0")
    if parties > MOST_PARTIES:
        raise ValueError(f"parties must be at most {MOST_PARTIES}")
    return parties


cdef Barrier bind(object buffer, object offset, object parties, uint32_t flags, Opening how, object action, object timeout):
    cdef Barrier b = Barrier.__new__(Barrier)
    cdef uint32_t n = checked_parties(parties) if how == CREATE else 0
    cdef size_t size = bytes_with_slots(0 if flags & NOT_ROBUST else n)
    b.shared = shared_bind(buffer, offset, size, KIND_BARRIER, flags, n, how, &flags, &n)
    if not 1 <= n <= MOST_PARTIES:
        raise ValueError(f"at offset {offset} is a Barrier of {n} parties, which no Barrier has")
    b.n_parties = n
    b.words = <BarrierWords *> words_of(b.shared.head)
    if flags & NOT_ROBUST:
        plain_init(&b.m, &(<RobustLock *> b.shared.head).word, 0)
    else:
        shared_add_slots(b.shared, KIND_BARRIER, n)
        b.slots = b.shared.slots
        robust_init(&b.m, <RobustLock *> b.shared.head)
    b.action = action
    b.timeout = timeout
    return b


@cython.final
cdef class Barrier:
    """Barrier(parties, action=None, timeout=None)\n--\n\n\
    A place where a number of threads wait until all of them do, in this object or in shared memory.

    `Barrier(parties, action=None, timeout=None)` is `threading.Barrier`, and raises its `BrokenBarrierError`. One that
    `create` or `attach` finds in shared memory works between processes.

    When a thread dies that takes part in a robust one, in whatever way, the barrier breaks: all who wait, and all who come,
    get `BrokenBarrierError` until somebody calls `reset`. It takes part while it is in `wait`, and from `register` to
    `unregister`. Who waits is told by the kernel at once where it has futex_waitv (Linux 5.16) and there are at most 126
    parties; and looks once a second, for where that is not so, or whoever was told is stopped.

    Not promised: that the barrier breaks when a thread dies that is neither registered nor in `wait`; those who wait for it
    wait for ever, or until their timeout. If a thread dies on its way out of a `wait` that all have reached, those who have
    not left yet get `BrokenBarrierError` as well.

    Thread safety: all methods, from any thread; those of one in shared memory, from any process that maps it.

    Parameters
    ----------
    parties : int
        How many threads.
    action : callable, optional
        Called by the last of them to arrive, before it lets the others go. If it raises, the barrier breaks.
    timeout : float, optional
        Seconds that `wait` waits at most unless told otherwise.

    Examples
    --------
    >>> from pyfutex.sync import Barrier
    >>> Barrier(1).wait()
    0
    """

    # Enough for so many parties; `size` tells for others.
    SIZE = bytes_with_slots(SOME_PARTIES)

    def __cinit__(self):
        self.words = &self.own_words
        plain_init(&self.m, &self.own_mutex, PRIVATE_FLAG)

    def __init__(self, parties, action=None, timeout=None):
        self.n_parties = checked_parties(parties)
        self.action = action
        self.timeout = timeout

    @staticmethod
    def size(parties, /):
        """How many bytes a robust one takes in shared memory: 128, and 64 for each party. `SIZE` is enough for 30."""
        return bytes_with_slots(checked_parties(parties))

    @classmethod
    def create(cls, buffer, offset=0, /, *, parties, action=None, timeout=None, robust=True):
        """Make a barrier in memory that other processes may map, too.

        Parameters
        ----------
        buffer : buffer
            Writable and contiguous: `SharedMemory.buf`, an mmap, a RawArray, a NumPy array over one of these, or a `Memory`.
            It stays exported as long as the barrier object lives.
        offset : int, optional
            Of its first byte: `size(parties)` bytes that are zero, at a multiple of 8 in memory.
        parties : int
            How many threads; kept in the memory.
        action : callable, optional
            As of `Barrier`. It belongs to this object: each process gives its own.
        timeout : float, optional
            As of `Barrier`; of this object.
        robust : bool, optional
            Whether it breaks when a party dies. False: 128 bytes are enough, other PID namespaces may attach, and the death
            of a party may leave the others waiting.

        Raises
        ------
        FileExistsError
            There is one already.
        ValueError
            No room, not aligned, or neither zero nor a barrier.
        OSError
            EXDEV: it belongs to another PID namespace; ENOSYS: there are no robust futexes here.
        """
        return bind(buffer, offset, parties, 0 if robust else NOT_ROBUST, CREATE, action, timeout)

    @classmethod
    def attach(cls, buffer, offset=0, /, *, action=None, timeout=None):
        """Find the barrier that somebody created.

        Parameters and errors are those of `create`; ValueError: nobody has created one.
        """
        return bind(buffer, offset, 0, 0, ATTACH, action, timeout)

    def wait(self, timeout=None):
        """Wait until all parties do.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most, after which the barrier breaks; None: what the barrier was made with.

        Returns
        -------
        int
            From 0 to `parties` - 1, another for each party.

        Raises
        ------
        BrokenBarrierError
            The barrier is broken or was reset, a party timed out, or one died.
        RuntimeError
            Of a robust one: other threads fill all its places, as registered parties do.
        """
        cdef Deadline until
        cdef uint32_t index
        hold(self, False)
        try:
            while state_of(self) == DRAINING or state_of(self) == RESETTING:
                await_change(self, deadline_never())
            if state_of(self) != FILLING:
                raise BrokenBarrierError
            wait_deadline(self.timeout if timeout is None else timeout, &until)
            arrive(self, &index)
            try:
                if index + 1 == self.n_parties:
                    let_go_all(self)
                else:
                    await_others(self, until)
            finally:
                leave(self)
        finally:
            mutex_release(&self.m)
        return index

    def register(self):
        """Say that the calling thread is one of the parties until `unregister`: if it ends before, the barrier breaks.

        Raises
        ------
        BrokenBarrierError
            Another party has died.
        RuntimeError
            All places are taken; or the barrier is not a robust one in shared memory.
        """
        cdef Thread *t
        cdef RobustLock *slot
        if self.slots.n == 0:
            raise RuntimeError("only a robust barrier in shared memory registers its parties")
        hold(self, False)
        try:
            if state_of(self) == BROKEN:
                raise BrokenBarrierError
            t = robust_thread()
            slot = slots_find(&self.slots, t)
            if slot == NULL:
                slot = take_slot(self, t)
            slot.depth |= REGISTERED
        finally:
            mutex_release(&self.m)

    def unregister(self):
        """Take `register` back.

        Raises
        ------
        RuntimeError
            The calling thread is not registered.
        """
        cdef Thread *t
        cdef RobustLock *slot = NULL
        hold(self, False)
        try:
            if self.slots.n:
                t = robust_thread()
                slot = slots_find(&self.slots, t)
            if slot == NULL or not slot.depth & REGISTERED:
                raise RuntimeError("the calling thread is not registered")
            slot.depth &= ~<uint32_t> REGISTERED
            if not slot.depth & COUNTED:
                slot_leave(slot, t)
        finally:
            mutex_release(&self.m)

    def reset(self):
        """Make it as new. Those who wait get `BrokenBarrierError`; the dead are forgotten, and their places free."""
        hold(self, False)
        try:
            if self.slots.n:
                bury_dead(self)
                count_again(self)
            if load_relaxed_u32(&self.words.count) == 0:
                enter_state(self, FILLING)
            elif state_of(self) != DRAINING:
                enter_state(self, RESETTING)
        finally:
            mutex_release(&self.m)

    def abort(self):
        """Break it: all who wait, and all who come, get `BrokenBarrierError` until `reset`."""
        hold(self, False)
        try:
            enter_state(self, BROKEN)
        finally:
            mutex_release(&self.m)

    @property
    def parties(self):
        """How many threads it waits for."""
        return self.n_parties

    @property
    def n_waiting(self):
        """How many of them wait now."""
        return load_relaxed_u32(&self.words.count) if state_of(self) == FILLING else 0

    @property
    def broken(self):
        """Whether it is broken."""
        return state_of(self) not in (FILLING, DRAINING, RESETTING) or bool(slots_have_dead(&self.slots))

    def __reduce__(self):
        raise TypeError("a Barrier is memory; pass on the buffer, and attach to it")

    def __repr__(self):
        about = "broken" if self.broken else f"waiters={self.n_waiting}/{self.n_parties}"
        where = "" if self.shared is None else f", shared, offset={self.shared.offset}"
        return f"<sync.Barrier at {id(self):#x}{where}: {about}>"
