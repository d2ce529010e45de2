"""Loops over the interface without the GIL, as a consumer of it writes them: `pyfutex.cyfutex` and nothing else of pyfutex.

A loop that times a part of what it does returns the nanoseconds of that part.
"""

cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

cimport pyfutex.cyfutex as futexes
from pyfutex_floor.stopwatch cimport CLOCK_MONOTONIC, stopwatch_clock

futexes.import_pyfutex()

cdef enum:
    BATCH = 64              # waiters that are prepared before the first is woken
    BYTES_APART = 64
    ITEMS = 64              # of a wakev
    REFUSED = 1             # a value that no word here holds

WAITER_SIZE = sizeof(futexes.pyfutex_waiter)
BATCH_SIZE = BATCH

# What becomes of a waiter that is woken.
POLLED, CALLED, PUSHED = range(3)


cdef void count_call(void *context, int result) noexcept nogil:
    (<uint64_t *> context)[0] += 1


cdef int load_own(void *context, uint64_t addr, unsigned int size, uint64_t *value) noexcept nogil:
    value[0] = (<uint32_t *> (<char *> context + addr))[0]
    return 0


cdef int refuse_swap(void *context, uint64_t addr, unsigned int size, uint64_t desired,
                     uint64_t *previous) noexcept nogil:
    return 14


cdef int refuse_compare_and_swap(void *context, uint64_t addr, unsigned int size, uint64_t expected, uint64_t desired,
                                 uint64_t *previous) noexcept nogil:
    return 14


cdef class Consumer:
    """A manager and some words, all 0; its waiters are polled, called back, or put into a queue.

    Parameters
    ----------
    through_functions : bool
        Whether the words lie in a target of C functions, or in the host's memory.
    """

    cdef futexes.pyfutex_manager *m
    cdef futexes.pyfutex_target *functions
    cdef futexes.pyfutex_target_functions accesses
    cdef futexes.pyfutex_queue *queue
    cdef futexes.pyfutex_place places[BATCH]
    cdef futexes.pyfutex_waiter waiters[BATCH]
    cdef char *words
    cdef readonly uint64_t calls

    def __cinit__(self, *, bint through_functions=False):
        cdef int i
        self.m = futexes.manager_new(NULL)
        self.queue = futexes.queue_new()
        self.words = <char *> calloc(BATCH, BYTES_APART)
        if self.m == NULL or self.queue == NULL or self.words == NULL:
            raise MemoryError
        if through_functions:
            self.accesses.load = load_own
            self.accesses.swap = refuse_swap
            self.accesses.compare_and_swap = refuse_compare_and_swap
            self.functions = futexes.target_new(&self.accesses, self.words)
            if self.functions == NULL:
                raise MemoryError
        for i in range(BATCH):
            self.places[i].target = self.functions if through_functions else futexes.host_target()
            self.places[i].addr = (0 if through_functions else <uint64_t> self.words) + i * BYTES_APART
            self.places[i].size = 4
            self.places[i].sharing = futexes.PRIVATE

    def __dealloc__(self):
        if self.m != NULL:
            futexes.manager_free(self.m)
        futexes.target_free(self.functions)
        if self.queue != NULL:
            futexes.queue_free(self.queue)
        free(self.words)

    cdef void init(self, int kind) noexcept nogil:
        cdef int i
        for i in range(BATCH):
            if kind == 2:
                futexes.waiter_init_queue(&self.waiters[i], self.queue, NULL)
            elif kind == 1:
                futexes.waiter_init(&self.waiters[i], count_call, &self.calls)
            else:
                futexes.waiter_init(&self.waiters[i], NULL, NULL)

    def woken(self, int kind, uint64_t n):
        """Wake `n` waiters, each on a word of its own. The nanoseconds of the wakes, with calls and pushes."""
        cdef int64_t taken = 0, start
        cdef uint64_t done = 0, woken = 0
        cdef int i
        with nogil:
            self.init(kind)
            while done < n:
                for i in range(BATCH):
                    futexes.wait_prepare(self.m, &self.waiters[i], &self.places[i], 0, futexes.ANY, 0)
                start = stopwatch_clock(CLOCK_MONOTONIC)
                for i in range(BATCH):
                    woken += futexes.wake(self.m, &self.places[i], 1, futexes.ANY)
                taken += stopwatch_clock(CLOCK_MONOTONIC) - start
                while kind == 2 and futexes.queue_pop(self.queue) != NULL:
                    pass
                done += BATCH
        if woken != done:
            raise AssertionError(f"{woken} waiters were woken of {done}")
        return taken * n // done

    def popped(self, uint64_t n):
        """Pop `n` waiters that were put into the queue by wakes. The nanoseconds of the pops."""
        cdef int64_t taken = 0, start
        cdef uint64_t done = 0, popped = 0
        cdef int i
        with nogil:
            self.init(2)
            while done < n:
                for i in range(BATCH):
                    futexes.wait_prepare(self.m, &self.waiters[i], &self.places[i], 0, futexes.ANY, 0)
                    futexes.wake(self.m, &self.places[i], 1, futexes.ANY)
                start = stopwatch_clock(CLOCK_MONOTONIC)
                while futexes.queue_pop(self.queue) != NULL:
                    popped += 1
                taken += stopwatch_clock(CLOCK_MONOTONIC) - start
                done += BATCH
        if popped != done:
            raise AssertionError(f"{popped} waiters were popped of {done}")
        return taken * n // done

    def prepare_wake(self, uint64_t n):
        """Queue a waiter that is polled, wake it, ask it, `n` times."""
        cdef uint64_t _i
        cdef int results = 0
        with nogil:
            self.init(0)
            for _i in range(n):
                futexes.wait_prepare(self.m, &self.waiters[0], &self.places[0], 0, futexes.ANY, 0)
                futexes.wake(self.m, &self.places[0], 1, futexes.ANY)
                results |= futexes.waiter_result(&self.waiters[0])
        if results != 0:
            raise AssertionError("a waiter was not woken")

    def prepare_cancel(self, uint64_t n):
        """Queue a waiter and take it back, `n` times."""
        cdef uint64_t _i, cancelled = 0
        with nogil:
            self.init(0)
            for _i in range(n):
                futexes.wait_prepare(self.m, &self.waiters[0], &self.places[0], 0, futexes.ANY, 0)
                cancelled += futexes.waiter_cancel(&self.waiters[0])
        if cancelled != n:
            raise AssertionError("a waiter was not cancelled")

    def wake_nobody(self, uint64_t n):
        """Wake a word on which nobody waits, `n` times."""
        cdef uint64_t _i, woken = 0
        with nogil:
            for _i in range(n):
                woken += futexes.wake(self.m, &self.places[0], 1, futexes.ANY)
        return woken

    def wait_refused(self, uint64_t n):
        """Wait on a word that holds something else, `n` times."""
        cdef uint64_t _i, refused = 0
        with nogil:
            for _i in range(n):
                refused += futexes.wait(self.m, &self.places[0], REFUSED, futexes.ANY, NULL) != 0
        if refused != n:
            raise AssertionError("a wait was not refused")

    def waitv(self, uint32_t n_words, uint64_t n):
        """Wait on `n_words` words at once, wake the last of them, ask for its index, `n` times."""
        cdef futexes.pyfutex_item items[BATCH]
        cdef futexes.pyfutex_vector vector
        cdef futexes.pyfutex_waiter w
        cdef uint64_t _i, right = 0
        cdef uint32_t k
        if not 0 < n_words <= BATCH:
            raise ValueError("n_words must be 1 to 64")
        for k in range(n_words):
            items[k].place = self.places[k]
            items[k].value = 0
        with nogil:
            futexes.waiter_init(&w, NULL, NULL)
            for _i in range(n):
                futexes.waitv_prepare(self.m, &w, &vector, self.waiters, items, n_words)
                futexes.wake(self.m, &self.places[n_words - 1], 1, futexes.ANY)
                right += futexes.waiter_result(&w) == <int> n_words - 1
        if right != n:
            raise AssertionError("a vector was not woken through its last word")


@cython.final
cdef class NativeCrowd:
    """`size` waiters that are queued and all woken, again and again.

    All have been queued and woken some times when this is made, after which the table grows no more.

    Parameters
    ----------
    size : int
    scattered : bool
        Whether the waiter of a word is one drawn at random, or the next one in memory.
    """

    cdef futexes.pyfutex_manager *m
    cdef futexes.pyfutex_waiter *waiters
    cdef uint32_t *words
    cdef uint32_t *waiter_of
    cdef readonly uint64_t size

    def __cinit__(self, uint64_t size, *, bint scattered=True):
        self.size = size
        self.m = futexes.manager_new(NULL)
        self.waiters = <futexes.pyfutex_waiter *> calloc(size, sizeof(futexes.pyfutex_waiter))
        self.words = <uint32_t *> calloc(size, sizeof(uint32_t))
        self.waiter_of = <uint32_t *> calloc(size, sizeof(uint32_t))
        if self.m == NULL or self.waiters == NULL or self.words == NULL or self.waiter_of == NULL:
            raise MemoryError
        with nogil:
            self.assign(scattered)
        self.settle()

    def __dealloc__(self):
        if self.m != NULL:
            futexes.manager_free(self.m)
        free(self.waiters)
        free(self.words)
        free(self.waiter_of)

    cdef void assign(self, bint scattered) noexcept nogil:
        cdef uint64_t i, j, state = 1
        for i in range(self.size):
            futexes.waiter_init(&self.waiters[i], NULL, NULL)
            state = state * <uint64_t> 6364136223846793005 + 1
            j = (state >> 32) % (i + 1) if scattered else i
            self.waiter_of[i] = self.waiter_of[j]
            self.waiter_of[j] = <uint32_t> i

    cdef inline futexes.pyfutex_place place(self, uint64_t i) noexcept nogil:
        cdef futexes.pyfutex_place found
        found.target = futexes.host_target()
        found.addr = <uint64_t> &self.words[i]
        found.size = 4
        found.sharing = futexes.PRIVATE
        return found

    cdef inline futexes.pyfutex_waiter *waiter(self, uint64_t i, bint one_word) noexcept nogil:
        return &self.waiters[i if one_word else self.waiter_of[i]]

    # In how many steps there is one `ahead` to send for.
    cdef inline uint64_t sent_for(self, uint64_t ahead) noexcept nogil:
        return self.size - ahead if 0 < ahead < self.size else 0

    def settle(self):
        """Queue and wake all until the table has stopped growing."""
        cdef futexes.pyfutex_stats stats
        before = None
        while True:
            self.queued(False)
            futexes.manager_stats(self.m, &stats)
            self.woken()
            if stats.growths == before:
                return
            before = stats.growths

    def queued(self, bint one_word, uint64_t ahead=0):
        """Queue all, each on its own word or all on one. The nanoseconds that took.

        With `ahead`, each time the memory of the one so many further on is sent for; 0: of none.
        """
        cdef futexes.pyfutex_place word
        cdef uint64_t i, n = 0, sent_for = self.sent_for(ahead)
        cdef int64_t start, taken
        with nogil:
            start = stopwatch_clock(CLOCK_MONOTONIC)
            for i in range(self.size):
                if i < sent_for:
                    word = self.place(0 if one_word else i + ahead)
                    futexes.prefetch(self.m, &word, self.waiter(i + ahead, one_word))
                word = self.place(0 if one_word else i)
                n += futexes.wait_prepare(self.m, self.waiter(i, one_word), &word, 0, futexes.ANY,
                                          0) == futexes.QUEUED
            taken = stopwatch_clock(CLOCK_MONOTONIC) - start
        self.check(n)
        return taken

    def woken(self, uint64_t ahead=0):
        """Wake word by word, sending for memory `ahead` as `queued` does. The nanoseconds that took."""
        cdef futexes.pyfutex_place word
        cdef uint64_t i, n = 0, sent_for = self.sent_for(ahead)
        cdef int64_t start, taken
        with nogil:
            start = stopwatch_clock(CLOCK_MONOTONIC)
            for i in range(self.size):
                if i < sent_for:
                    word = self.place(i + ahead)
                    futexes.prefetch(self.m, &word, NULL)
                word = self.place(i)
                n += futexes.wake(self.m, &word, 1, futexes.ANY)
            taken = stopwatch_clock(CLOCK_MONOTONIC) - start
        self.check(n)
        return taken

    def woken_by_wakev(self):
        """Wake so many words in a call. The nanoseconds that took, with filling in the items."""
        cdef futexes.pyfutex_wake_item items[ITEMS]
        cdef uint64_t first = 0, i, portion, n = 0
        cdef int64_t start, taken
        with nogil:
            start = stopwatch_clock(CLOCK_MONOTONIC)
            while first < self.size:
                portion = min(<uint64_t> ITEMS, self.size - first)
                for i in range(portion):
                    items[i].place = self.place(first + i)
                    items[i].n = 1
                    items[i].bitset = futexes.ANY
                futexes.wakev(self.m, items, portion)
                for i in range(portion):
                    n += items[i].result
                first += portion
            taken = stopwatch_clock(CLOCK_MONOTONIC) - start
        self.check(n)
        return taken

    def woken_at_once(self):
        """Wake all that are queued on the one word. The nanoseconds that took."""
        cdef futexes.pyfutex_place word = self.place(0)
        cdef uint64_t n
        cdef int64_t start, taken
        with nogil:
            start = stopwatch_clock(CLOCK_MONOTONIC)
            n = futexes.wake(self.m, &word, futexes.ALL, futexes.ANY)
            taken = stopwatch_clock(CLOCK_MONOTONIC) - start
        self.check(n)
        return taken

    def check(self, uint64_t n):
        """AssertionError: so many is not all."""
        if n != self.size:
            raise AssertionError(f"{n} waiters of {self.size}")
