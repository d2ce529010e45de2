"""Ring: words of real memory, waited for by io_uring."""

cimport cython

from libc.errno cimport EBUSY
from libc.stdint cimport int32_t, uint32_t, uint64_t
from posix.types cimport pid_t
from posix.unistd cimport getpid

from pyfutex._core.kernelcalls cimport flags2
from pyfutex._errors cimport raise_errno
from pyfutex.aio._wordwait cimport ECANCELED, WordWait, word_abandon, word_answered, word_wait

import os


cdef extern from "_uring.h":
    ctypedef struct RingMemory "pf_ring":
        int fd

    ctypedef struct Completion "pf_completion":
        uint64_t user_data
        int32_t res

    int ring_open "pf_ring_open" (RingMemory *r)
    void ring_close "pf_ring_close" (RingMemory *r)
    int ring_wait "pf_ring_wait" (RingMemory *r, uint32_t *word, uint32_t val, uint32_t flags, uint64_t user_data)
    int ring_cancel "pf_ring_cancel" (RingMemory *r, uint64_t user_data)
    bint ring_next "pf_ring_next" (RingMemory *r, Completion *completion)


@cython.final
cdef class Ring:
    """Waits for words, each a request in a ring of io_uring's.

    No thread waits. A wait that is ended either was woken, or was not and takes no wake any more: the kernel says which.

    Raises
    ------
    OSError
        ENOSYS, EPERM: there is no io_uring here, or it is not allowed; EOPNOTSUPP: it knows no futexes yet (Linux 6.7).
    """

    cdef RingMemory ring
    cdef pid_t pid
    cdef dict waits         # those in the kernel, by number
    cdef uint64_t last

    name = "io_uring"

    def __cinit__(self):
        cdef int answer = ring_open(&self.ring)
        if answer:
            raise_errno(-answer, os.strerror(-answer))
        self.pid = getpid()
        self.waits = {}

    def __dealloc__(self):
        ring_close(&self.ring)

    def __del__(self):
        if self.waits:
            self.close()

    def __len__(self):
        return len(self.waits)

    @property
    def threads(self):
        """How many threads wait: none."""
        return 0

    def fileno(self):
        """The ring's descriptor, which can be read when there is something to `drain`; -1: it is closed."""
        return self.ring.fd

    def begin(self, future, mem, addr, val, private, /):
        """Wait for a word; `future` is done when the wait is over, which may be at once."""
        cdef WordWait wait = word_wait(future, mem, addr, val, private)
        cdef int answer
        with cython.critical_section(self):
            if self.pid != getpid() or self.ring.fd < 0:
                raise RuntimeError("these words are closed, or another process's")
            self.last += 1
            wait.number = self.last
            answer = submit(self, wait)
            if answer == -EBUSY:
                # What has completed and found no room is to be read first.
                drain(self)
                answer = submit(self, wait)
            if answer:
                raise_errno(-answer)
            drain(self)
        return wait

    def end(self, WordWait wait, /):
        """Wait no longer: the result is TIMEOUT, unless the wait is over."""
        with cython.critical_section(self):
            end(self, wait)

    def abandon(self, WordWait wait, /):
        """Nobody awaits it any more. A wake that was spent on it is passed on."""
        with cython.critical_section(self):
            if word_abandon(wait):
                end(self, wait)

    def drain(self):
        """Answer the waits that are over."""
        with cython.critical_section(self):
            drain(self)

    def close(self):
        """End all waits: a list of the futures of those that were not over."""
        cdef WordWait wait
        with cython.critical_section(self):
            futures = []
            if self.pid == getpid():
                # The kernel looks for each among all that are left, the newest first.
                for wait in reversed(list(self.waits.values())):
                    if wait.future is not None:
                        futures.append(wait.future)
                    if word_abandon(wait):
                        end(self, wait)
            self.waits = {}
            ring_close(&self.ring)
        return futures


cdef int submit(Ring self, WordWait wait) except 1:
    cdef int answer = ring_wait(&self.ring, wait.host, wait.val, flags2(wait.flag), wait.number)
    if answer == 0:
        self.waits[wait.number] = wait
    return answer


cdef int end(Ring self, WordWait wait) except -1:
    cdef int answer
    if wait.is_over or self.pid != getpid() or self.ring.fd < 0:
        return 0
    wait.is_ending = True
    answer = ring_cancel(&self.ring, wait.number)
    if answer == -EBUSY:
        drain(self)
        answer = 0 if wait.is_over else ring_cancel(&self.ring, wait.number)
    if answer:
        raise_errno(-answer)
    return drain(self)


cdef int drain(Ring self) except -1:
    cdef Completion completion
    cdef WordWait wait
    cdef int answer
    while self.ring.fd >= 0 and ring_next(&self.ring, &completion):
        wait = self.waits.pop(completion.user_data, None)
        if wait is None:
            continue
        answer = completion.res
        if answer == -ECANCELED and not wait.is_ending:
            # The thread that began it has ended, which ends its requests; the loop goes on in another.
            answer = submit(self, wait)
            if answer == 0:
                continue
        word_answered(wait, answer)
    return 0
