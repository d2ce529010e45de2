"""Watchers: words of real memory, waited for by threads with futex_waitv, where there is no io_uring.

A thread sleeps on 127 words and on one of its own, its bell, by which it is told that its set has changed. Each word has a
place, whose state says whose it is:

    FREE     nobody's
    ARMED    to be waited on: the thread's
    LEAVING  to be waited on no longer: the thread's, which says when it is out of the kernel
    OVER     answered: the loop's, which makes it FREE

The loop makes FREE ones ARMED and ARMED ones LEAVING, and the thread makes both OVER.

What gets lost: the kernel names one word that was woken, and forgets who woke the others of the set in the same moment; and
while a thread changes its set it waits for none. A word that has changed is found all the same, but who wakes without
changing it may have woken nobody, whatever the call returned.
"""

cimport cython

from libc.errno cimport EAGAIN, EFAULT, EINTR
from libc.stdint cimport uint32_t, uint64_t, uintptr_t
from posix.types cimport pid_t
from posix.unistd cimport close, getpid, write

from pyfutex._core.atomic cimport cas_u32, fetch_add_u32, load_acquire_u32, store_release_u32
from pyfutex._core.clock cimport deadline_never
from pyfutex._core.kernelcalls cimport (
    flags2,
    kernel_cmp_requeue,
    kernel_waitv,
    kernel_wake,
    PRIVATE_FLAG,
    WaitvItem,
)
from pyfutex._errors cimport raise_errno
from pyfutex._kernelfeatures cimport need_waitv
from pyfutex.aio._wordwait cimport ECANCELED, WordWait, word_abandon, word_answered, word_wait

import os
import signal
import sys
import threading

cdef object is_finalizing = sys.is_finalizing


cdef enum:
    PLACES = 127

cdef enum State:
    FREE
    ARMED
    LEAVING
    OVER

cdef struct Place:
    uint32_t state      # atomic
    uint32_t val
    uint32_t *host
    int flag
    int answer          # whoever's the state says

cdef struct Set:
    uint32_t bell       # atomic
    uint32_t closing    # atomic
    int fd              # an eventfd, written when something is OVER
    Place places[PLACES]


cdef void tell(int fd) noexcept nogil:
    cdef uint64_t one = 1
    write(fd, &one, sizeof(one))


cdef inline void over(Place *place, int answer) noexcept nogil:
    place.answer = answer
    # Release: pairs with the acquire load in gather, which reads the answer.
    store_release_u32(&place.state, OVER)


cdef int ask(Set *s, WaitvItem *items, Place **whose) noexcept nogil:
    """Fill in what is to be waited on, and let go what is not any more: how many items."""
    cdef int i, n = 1
    cdef bint has_left = False
    cdef Place *place
    cdef uint32_t state
    items[0] = WaitvItem(load_acquire_u32(&s.bell), <uintptr_t> &s.bell, flags2(PRIVATE_FLAG), 0)
    for i in range(PLACES):
        place = &s.places[i]
        state = load_acquire_u32(&place.state)
        if state == ARMED:
            items[n] = WaitvItem(place.val, <uintptr_t> place.host, flags2(place.flag), 0)
            whose[n] = place
            n += 1
        elif state == LEAVING:
            over(place, -ECANCELED)
            has_left = True
    if has_left:
        tell(s.fd)
    return n


cdef void settle(int fd, Place **whose, int n) noexcept nogil:
    """Find the words that cannot be waited on."""
    cdef int i, answer
    cdef bint is_some = False
    for i in range(1, n):
        answer = differs(whose[i].host, whose[i].val, whose[i].flag)
        if answer:
            over(whose[i], answer)
            is_some = True
    if is_some:
        tell(fd)


cdef void words_watch(Set *s) noexcept nogil:
    cdef WaitvItem items[PLACES + 1]
    cdef Place *whose[PLACES + 1]
    cdef int i, n
    cdef long answer
    while True:
        n = ask(s, items, whose)
        if load_acquire_u32(&s.closing):
            return
        answer = kernel_waitv(items, n, deadline_never())
        if answer > 0:
            over(whose[answer], 0)
            tell(s.fd)
        elif answer == -EAGAIN or answer == -EFAULT:
            settle(s.fd, whose, n)
        elif answer < 0 and answer != -EINTR:
            for i in range(1, n):
                over(whose[i], <int> answer)
            tell(s.fd)


cdef inline int differs(uint32_t *host, uint32_t val, int flag) noexcept nogil:
    # 0: the word holds `val`. -EAGAIN, -EFAULT. The kernel looks: we would die of memory that is gone.
    return <int> kernel_cmp_requeue(host, host, val, 0, 0, flag)


@cython.final
cdef class Watcher:
    """What a thread needs that waits for words. It leads to nobody's futures, which would never be collected then."""

    cdef Set c

    def __cinit__(self, int fd):
        self.c.fd = fd

    def run(self):
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        with nogil:
            words_watch(&self.c)


@cython.final
cdef class Watched:
    """The words that a thread waits for."""

    cdef Watcher watcher
    cdef object thread
    cdef list waits         # by place
    cdef int n
    cdef bint is_changed

    def __cinit__(self, int fd):
        self.watcher = Watcher(fd)
        self.waits = [None] * PLACES
        self.thread = threading.Thread(target=self.watcher.run, name="pyfutex-words", daemon=True)
        self.thread.start()


cdef void ring_bell(Watched watched) noexcept:
    cdef uint32_t *bell = &watched.watcher.c.bell
    watched.is_changed = False
    fetch_add_u32(bell, 1)
    kernel_wake(bell, 1, 0xFFFFFFFF, PRIVATE_FLAG)


@cython.final
cdef class Watchers:
    """Waits for words, 127 of them a thread.

    Parameters
    ----------
    soon : callable
        Has a function called after a while, so that a thread is told of many changes at once.

    Raises
    ------
    OSError
        ENOSYS: the kernel lacks futex_waitv.
    """

    cdef int fd
    cdef pid_t pid
    cdef object soon
    cdef list sets
    cdef bint is_due
    cdef bint has_threads
    cdef int n

    name = "futex_waitv"

    def __cinit__(self, soon):
        self.fd = -1
        need_waitv()
        self.fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.pid = getpid()
        self.soon = soon
        self.sets = []

    def __dealloc__(self):
        # A thread that is left when the interpreter ends may write to it.
        if self.fd >= 0 and not (self.has_threads and self.pid == getpid()):
            close(self.fd)

    def __del__(self):
        if self.sets and not is_finalizing():
            self.close()

    def __len__(self):
        return self.n

    @property
    def threads(self):
        """How many threads wait."""
        return len(self.sets)

    def fileno(self):
        """A descriptor that can be read when there is something to `drain`; -1: it is closed."""
        return self.fd

    def begin(self, future, mem, addr, val, private, /):
        """Wait for a word; `future` is done when the wait is over, which may be at once."""
        cdef WordWait wait = word_wait(future, mem, addr, val, private)
        cdef int answer
        with cython.critical_section(self):
            if self.pid != getpid() or self.fd < 0:
                raise RuntimeError("these words are closed, or another process's")
            answer = differs(wait.host, wait.val, wait.flag)
            if answer == -EAGAIN:
                word_answered(wait, answer)
            elif answer < 0:
                raise_errno(-answer)
            else:
                arm(self, wait)
        return wait

    def end(self, WordWait wait, /):
        """Wait no longer: the result is TIMEOUT, unless the wait is over."""
        with cython.critical_section(self):
            end(self, wait)

    def abandon(self, WordWait wait, /):
        """Nobody awaits it any more. A wake that is known to have been spent on it is passed on."""
        with cython.critical_section(self):
            if word_abandon(wait):
                end(self, wait)

    def drain(self):
        """Answer the waits that are over."""
        with cython.critical_section(self):
            if self.fd >= 0:
                take_note(self.fd)
                for watched in self.sets:
                    gather(self, <Watched> watched)

    def kick(self):
        """Tell the threads what has changed."""
        with cython.critical_section(self):
            kick(self)

    def close(self):
        """End all waits, and the threads: a list of the futures of those that were not over."""
        cdef WordWait wait
        cdef Watched watched
        with cython.critical_section(self):
            futures = []
            sets, self.sets = self.sets, []
            if self.fd < 0 or self.pid != getpid():
                return futures
            for watched in sets:
                # Before the bell: pairs with the load in words_watch, which comes after the bell was read.
                store_release_u32(&watched.watcher.c.closing, 1)
                ring_bell(watched)
            for watched in sets:
                join(watched)
                gather(self, watched)
                for wait in watched.waits:
                    if wait is not None:
                        wait.kept = None
                        if wait.future is not None:
                            futures.append(wait.future)
            close(self.fd)
            self.fd = -1
            self.has_threads = False
            self.n = 0
        return futures


cdef int take_note(int fd) except -1:
    try:
        os.eventfd_read(fd)
    except BlockingIOError:
        pass
    return 0


cdef int join(Watched watched) except -1:
    watched.thread.join()
    return 0


cdef int changed(Watchers self, Watched watched) except -1:
    watched.is_changed = True
    if not self.is_due:
        self.is_due = True
        self.soon(self.kick)
    return 0


cdef int kick(Watchers self) except -1:
    cdef Watched watched
    self.is_due = False
    for watched in self.sets:
        if watched.is_changed:
            ring_bell(watched)
    return 0


cdef int with_room(Watchers self) except -1:
    """The number of a set that has a free place."""
    cdef int i
    for i in range(len(self.sets)):
        if (<Watched> self.sets[i]).n < PLACES:
            return i
    self.sets.append(Watched(self.fd))
    self.has_threads = True
    return len(self.sets) - 1


cdef int arm(Watchers self, WordWait wait) except -1:
    cdef int which = with_room(self)
    cdef Watched watched = self.sets[which]
    cdef int i = watched.waits.index(None)
    cdef Place *place = &watched.watcher.c.places[i]
    wait.number = which * PLACES + i
    place.val = wait.val
    place.host = wait.host
    place.flag = wait.flag
    watched.waits[i] = wait
    watched.n += 1
    self.n += 1
    # Release: pairs with the acquire load in ask, which reads what is to be waited on.
    store_release_u32(&place.state, ARMED)
    return changed(self, watched)


cdef int end(Watchers self, WordWait wait) except -1:
    cdef Watched watched
    if wait.is_over or self.pid != getpid() or self.fd < 0:
        return 0
    watched = self.sets[wait.number // PLACES]
    cas_u32(&watched.watcher.c.places[wait.number % PLACES].state, ARMED, LEAVING)
    return changed(self, watched)


cdef int gather(Watchers self, Watched watched) except -1:
    cdef Place *place
    cdef int i
    for i in range(PLACES):
        place = &watched.watcher.c.places[i]
        # Acquire: pairs with the release in over.
        if load_acquire_u32(&place.state) == OVER:
            wait = watched.waits[i]
            watched.waits[i] = None
            watched.n -= 1
            self.n -= 1
            store_release_u32(&place.state, FREE)
            word_answered(<WordWait> wait, place.answer)
    return 0
