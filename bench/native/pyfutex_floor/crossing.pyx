"""Threads that want the same thing for a given time: how often each got it, and how long one had to wait for it at most.

On one futex word: a waiter queued, woken and polled, which takes the word's bucket lock twice. Beside it, two locks of the
usual kinds taken and let go twice. And threads that have nothing in common but what lies beside what they use.
"""

cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t
from posix.mman cimport MAP_ANONYMOUS, MAP_FAILED, MAP_PRIVATE, PROT_READ, PROT_WRITE, mmap, munmap

cimport pyfutex.cyfutex as futexes
from pyfutex._core.atomic cimport (
    cas_u32,
    exchange_u32,
    fetch_add_u32,
    load_acquire_u32,
    load_relaxed_u32,
    pause,
    store_relaxed_u32,
)
from pyfutex._core.clock cimport deadline_never
from pyfutex._core.kernelcalls cimport kernel_wait, kernel_wake, PRIVATE_FLAG
from pyfutex_floor.stopwatch cimport CLOCK_MONOTONIC, stopwatch_clock

futexes.import_pyfutex()


cdef extern from "pthread.h" nogil:
    ctypedef struct pthread_mutex_t:
        pass
    int pthread_mutex_init(pthread_mutex_t *mutex, const void *attributes)
    int pthread_mutex_lock(pthread_mutex_t *mutex)
    int pthread_mutex_unlock(pthread_mutex_t *mutex)
    int pthread_mutex_destroy(pthread_mutex_t *mutex)


cdef enum:
    FREE = 0
    HELD = 1
    CONTENDED = 2
    SPIN_PAUSES = 40        # as our bucket lock
    LAPS = 16               # operations between two looks at the clock
    PAGE = 4096
    QUEUES = 8
    LINE = 64

cdef enum What:
    FUTEX = 0
    WORD_LOCK = 1
    PTHREAD_MUTEX = 2
    WAKE_NOBODY = 3
    THROUGH_QUEUE = 4
    NEW_MAPPABLE = 5

WHAT = {
    "pyfutex": FUTEX,
    "word lock": WORD_LOCK,
    "pthread mutex": PTHREAD_MUTEX,
    "wake nobody": WAKE_NOBODY,
    "through a queue": THROUGH_QUEUE,
    "new mappable": NEW_MAPPABLE,
}


cdef inline void plain_lock(uint32_t *word) noexcept nogil:
    cdef int spins = 0
    while spins < SPIN_PAUSES:
        if load_relaxed_u32(word) == FREE and cas_u32(word, FREE, HELD):
            return
        pause()
        spins += 1
    while exchange_u32(word, CONTENDED) != FREE:
        kernel_wait(word, CONTENDED, 1, deadline_never(), PRIVATE_FLAG)


cdef inline void plain_unlock(uint32_t *word) noexcept nogil:
    if exchange_u32(word, FREE) == CONTENDED:
        kernel_wake(word, 1, 1, PRIVATE_FLAG)


@cython.final
cdef class Crossing:
    """What some threads want; each calls `run` once.

    Parameters
    ----------
    parties : int
        How many threads.
    """

    cdef futexes.pyfutex_manager *m
    cdef char *page             # what is fought for, a line each, and the futex words, a line a thread
    cdef futexes.pyfutex_queue *queues[QUEUES]      # a thread's own, made one after the other
    cdef uint32_t parties
    cdef uint32_t arrived       # atomic
    cdef uint32_t ended         # atomic

    def __cinit__(self, uint32_t parties):
        cdef int i
        self.parties = parties
        self.m = futexes.manager_new(NULL)
        self.page = <char *> mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        if self.m == NULL or <void *> self.page == MAP_FAILED:
            raise MemoryError
        for i in range(QUEUES):
            self.queues[i] = futexes.queue_new()
            if self.queues[i] == NULL:
                raise MemoryError
        pthread_mutex_init(<pthread_mutex_t *> (self.page + LINE), NULL)

    def __dealloc__(self):
        cdef int i
        if self.m != NULL:
            futexes.manager_free(self.m)
        for i in range(QUEUES):
            if self.queues[i] != NULL:
                futexes.queue_free(self.queues[i])
        if self.page != NULL and <void *> self.page != MAP_FAILED:
            munmap(self.page, PAGE)

    cdef futexes.pyfutex_place place(self, uint32_t word) noexcept nogil:
        cdef futexes.pyfutex_place found
        found.target = futexes.host_target()
        found.addr = <uint64_t> self.page + (4 + word) * LINE
        found.size = 4
        found.sharing = futexes.PRIVATE
        return found

    cdef inline void cross(self, What what, const futexes.pyfutex_place *word, futexes.pyfutex_waiter *w,
                           futexes.pyfutex_queue *queue) noexcept nogil:
        cdef int _twice
        if what == FUTEX:
            futexes.wait_prepare(self.m, w, word, 0, futexes.ANY, 0)
            futexes.wake(self.m, word, 1, futexes.ANY)
            # Another thread's wake may have taken ours, and ours another one's. Until it is out of the queue, or its taker
            # is done with it, its memory is not ours.
            if futexes.waiter_result(w) != 0 and not futexes.waiter_cancel(w):
                futexes.waiter_wait(w, NULL)
        elif what == WAKE_NOBODY:
            futexes.wake(self.m, word, 1, futexes.ANY)
        elif what == THROUGH_QUEUE:
            futexes.wait_prepare(self.m, w, word, 0, futexes.ANY, 0)
            futexes.wake(self.m, word, 1, futexes.ANY)
            futexes.queue_pop(queue)
        elif what == NEW_MAPPABLE:
            futexes.mappable_new()
        else:
            for _twice in range(2):
                if what == WORD_LOCK:
                    plain_lock(<uint32_t *> self.page)
                    (<uint64_t *> (self.page + 2 * LINE))[0] += 1
                    plain_unlock(<uint32_t *> self.page)
                else:
                    pthread_mutex_lock(<pthread_mutex_t *> (self.page + LINE))
                    (<uint64_t *> (self.page + 2 * LINE))[0] += 1
                    pthread_mutex_unlock(<pthread_mutex_t *> (self.page + LINE))

    def run(self, what, uint32_t word, int64_t duration_ns):
        """Wait for the others, then do it again and again until the first of them has done so for `duration_ns`.

        Parameters
        ----------
        what : str
            One of WHAT.
        word : int
            Which futex word, and which queue, of 8.
        duration_ns : int

        Returns
        -------
        tuple of (int, int, int)
            How often, in how many nanoseconds, and the longest time between two looks at the clock.
        """
        cdef What which = WHAT[what]
        cdef futexes.pyfutex_queue *queue = self.queues[word % QUEUES]
        cdef futexes.pyfutex_place place = self.place(word % QUEUES)
        cdef futexes.pyfutex_waiter w
        cdef int64_t start, before, now, longest = 0
        cdef uint64_t done = 0
        cdef int _lap
        with nogil:
            if which == THROUGH_QUEUE:
                futexes.waiter_init_queue(&w, queue, NULL)
            else:
                futexes.waiter_init(&w, NULL, NULL)
            fetch_add_u32(&self.arrived, 1)
            while load_acquire_u32(&self.arrived) < self.parties:
                pause()
            start = before = stopwatch_clock(CLOCK_MONOTONIC)
            while done == 0 or load_acquire_u32(&self.ended) == 0:
                for _lap in range(LAPS):
                    self.cross(which, &place, &w, queue)
                done += LAPS
                now = stopwatch_clock(CLOCK_MONOTONIC)
                longest = max(longest, now - before)
                before = now
                if now - start >= duration_ns:
                    store_relaxed_u32(&self.ended, 1)
        return done, before - start, longest
