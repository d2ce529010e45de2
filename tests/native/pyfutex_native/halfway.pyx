"""Stops the world at moments that last nanoseconds: a waiter taken and not yet marked, a bucket lock held."""

from cpython.ref cimport Py_DECREF

from pyfutex._core.atomic cimport load_acquire_u32, load_acquire_u64, pause
from pyfutex._core.bucket cimport Bucket, Taken, taken_init
from pyfutex._core.engine cimport engine_wake_slow, table_of
from pyfutex._core.key cimport key_hash
from pyfutex._core.parker cimport MARKED, WITHDRAWN
from pyfutex._core.status cimport DETACHED
from pyfutex._core.table cimport table_lock
from pyfutex._core.waiter cimport CANCELLED, mark_waiter
from pyfutex._core.wordlock cimport PARKED, word_unlock
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


cdef class HeldBucket:
    """The bucket of a waiter's key, locked by the thread that makes this object until `release`."""

    cdef Bucket *b
    cdef Manager manager

    def __cinit__(self, Manager manager not None, Waiter w not None):
        self.manager = manager
        table_lock(table_of(manager.m, &w.c.key), key_hash(&w.c.key, &manager.m.seed), 0, DETACHED, &self.b)

    def sleepers(self):
        """Whether a thread sleeps for the lock (or has, since it was taken)."""
        return bool(load_acquire_u32(&self.b.word) & PARKED)

    def release(self):
        """Let the lock go."""
        word_unlock(&self.b.word, 0)

    def release_and_see_cancelled(self, Waiter w not None):
        """Let the lock go and, keeping the GIL, wait until another thread's cancel has taken w out of the queue."""
        word_unlock(&self.b.word, 0)
        while load_acquire_u32(&w.c.phase) != CANCELLED:
            pause()
