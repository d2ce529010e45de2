"""Stops the world at moments that last nanoseconds: a waiter taken and not yet marked, a bucket lock held."""

from cpython.ref cimport Py_DECREF
from libc.stdint cimport uint32_t

from pyfutex._core.atomic cimport load_acquire_u32, load_acquire_u64, pause, store_release_u32
from pyfutex._core.bucket cimport Bucket, Taken, bucket_find, bucket_wake, taken_init
from pyfutex._core.checks cimport note_locked, note_unlocked
from pyfutex._core.engine cimport deliver_threads, engine_wake_slow
from pyfutex._core.family cimport table_of
from pyfutex._core.key cimport Key, key_hash
from pyfutex._core.parker cimport MARKED, WITHDRAWN
from pyfutex._core.status cimport DETACHED
from pyfutex._core.table cimport table_lock
from pyfutex._core.vector cimport Vector
from pyfutex._core.waiter cimport CANCELLED, mark_waiter
from pyfutex._core.waitv cimport settle_entries, vector_call_off, vector_unlink
from pyfutex._core.wordlock cimport PARKED, word_unlock
from pyfutex._delivery cimport deliver
from pyfutex.manager cimport Manager
from pyfutex.waiter cimport Waiter


def take(Manager manager not None, Waiter w not None):
    """Take the oldest waiter of w's key and do not mark it: whether there was one."""
    cdef Taken taken
    taken_init(&taken)
    engine_wake_slow(manager.m, &w.c.key, key_hash(&w.c.key, &manager.m.seed), 1, 0xFFFFFFFF, &taken, DETACHED)
    return taken.n == 1


def mark(Waiter w not None):
    """Mark a waiter that was taken, as its waker would have."""
    mark_waiter(&w.c, MARKED)
    Py_DECREF(w)


def is_withdrawn(Waiter w not None):
    """Whether its mark says that it was cancelled."""
    return load_acquire_u64(&w.c.mark) == WITHDRAWN


def call_off(Waiter w not None):
    """Decide, as the first step of a cancel, that a vector ends unwoken: whether no waker was faster."""
    return bool(vector_call_off(&w.c))


def finish_cancel(Waiter w not None):
    """The other steps of a cancel."""
    vector_unlink(<Vector *> w.c.part, DETACHED)
    mark_waiter(&w.c, WITHDRAWN)
    store_release_u32(&w.c.phase, CANCELLED)
    Py_DECREF(w)


cdef class TakenEntry:
    """The entry `index` of a vector, taken by a waker that has not got any further until `settle`."""

    cdef Taken taken

    def __cinit__(self, Manager manager not None, Waiter w not None, uint32_t index):
        cdef Key key = (<Vector *> w.c.part).entries[index].key
        taken_init(&self.taken)
        engine_wake_slow(manager.m, &key, key_hash(&key, &manager.m.seed), 1, 0xFFFFFFFF, &self.taken, DETACHED)
        if self.taken.n != 1:
            raise RuntimeError("there was no such entry")

    def settle(self):
        """Go on as wakers do, to the end."""
        settle_entries(&self.taken, DETACHED)
        deliver(&self.taken)


cdef class HeldBucket:
    """The bucket of a waiter's key, locked by the thread that makes this object until `release`."""

    cdef Bucket *b
    cdef Manager manager
    cdef Waiter w
    cdef Taken taken
    cdef uint32_t lowered

    def __cinit__(self, Manager manager not None, Waiter w not None):
        self.manager = manager
        self.w = w
        self.lowered = 0
        taken_init(&self.taken)
        table_lock(table_of(manager.m, &w.c.key), key_hash(&w.c.key, &manager.m.seed), 0, DETACHED, &self.b)
        note_unlocked(&self.b.word)

    cdef void note_held(self) noexcept:
        # A checked build allows nobody to return to Python with the lock, nor to sleep. So it is this thread's in the
        # methods here alone.
        note_locked(&self.b.word)

    def sleepers(self):
        """Whether a thread sleeps for the lock (or has, since it was taken)."""
        return bool(load_acquire_u32(&self.b.word) & PARKED)

    def release(self):
        """Let the lock go."""
        self.note_held()
        word_unlock(&self.b.word, self.lowered)

    def take_threads(self, uint32_t bitset):
        """Take the threads that sleep on the waiter's key with such a bitset and do not mark them: how many."""
        self.note_held()
        bucket_wake(bucket_find(self.b, &self.w.c.key), 0x7FFFFFFF, bitset, NULL, &self.taken, &self.lowered)
        note_unlocked(&self.b.word)
        return self.taken.n

    def awaits_mark(self):
        """Whether the oldest thread that was taken sleeps until it is marked."""
        return load_acquire_u64(&self.taken.threads.mark) > WITHDRAWN

    def mark_threads(self):
        """Mark those that were taken, as their waker would have."""
        deliver_threads(&self.taken)

    def release_and_see_it_leave(self, Waiter w not None):
        """Let the lock go and, keeping the GIL, wait until another thread's cancel has taken w out of the queue."""
        self.note_held()
        word_unlock(&self.b.word, 0)
        while load_acquire_u64(&w.c.location) != 0:
            pause()
