"""Breaks the core's rules on purpose, one rule a function. In a checked build each ends the process."""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.bucket cimport (
    Bucket,
    Taken,
    bucket_append,
    bucket_find,
    bucket_unlink,
    bucket_unlock,
    bucket_wake,
    taken_init,
)
from pyfutex._core.checks cimport CHECKS, poison
from pyfutex._core.clock cimport deadline_after
from pyfutex._core.engine cimport engine_prepare, engine_wake_slow
from pyfutex._core.key cimport LOG2_SIZE_U32, PRIVATE, Key, key_hash, pack_space
from pyfutex._core.parker cimport UNMARKED, park, parker_self
from pyfutex._core.pi cimport directory_lock, directory_unlock
from pyfutex._core.pistate cimport wait_blocked
from pyfutex._core.status cimport DETACHED, OK
from pyfutex._core.table cimport table_grow, table_lock
from pyfutex._core.waiter cimport PLAIN, THREAD, Waiter, waiter_init
from pyfutex._core.wordlock cimport LIVE, LOCKED, word_lock, word_unlock
from pyfutex._delivery cimport deliver
from pyfutex.manager cimport Manager

from pyfutex import Memory


CHECKED = bool(CHECKS)


cdef Key some_key() noexcept nogil:
    cdef Key key
    key.space = pack_space(1, PRIVATE, LOG2_SIZE_U32)
    key.offset = 64
    return key


cdef void queue_at(Bucket *b, Waiter *waiters, const Key *key) noexcept nogil:
    """Lock b, empty before, and queue two waiters of one key."""
    cdef int i
    b.word = LIVE
    b.tags = 0
    b.head = NULL
    word_lock(&b.word, 0, DETACHED)
    for i in range(2):
        waiter_init(&waiters[i], PLAIN, THREAD, 0xFFFFFFFF, 0)
        waiters[i].key = key[0]
        bucket_append(b, bucket_find(b, key), &waiters[i], 1)


cdef void lock_somewhere(Manager manager) noexcept:
    cdef Bucket *b
    table_lock(&manager.m.private, 0, 0, DETACHED, &b)


cdef void queue_in(Manager manager, Waiter *w, const Key *key) noexcept:
    waiter_init(w, PLAIN, THREAD, 0xFFFFFFFF, 0)
    engine_prepare(manager.m, w, key, NULL, 0, DETACHED)


cdef void wake_in(Manager manager, const Key *key) noexcept:
    cdef Taken taken
    taken_init(&taken)
    engine_wake_slow(manager.m, key, key_hash(key, &manager.m.seed), 1, 0xFFFFFFFF, &taken, DETACHED)


# --- locks ----------------------------------------------------------------------------------------------------------

def unlock_of_another():
    """Let go of a lock that somebody else holds."""
    cdef uint32_t word = LIVE | LOCKED
    word_unlock(&word, 0)


def lock_twice():
    """Lock what this thread holds."""
    cdef uint32_t word = LIVE
    word_lock(&word, 0, DETACHED)
    word_lock(&word, 0, DETACHED)


def lock_descending():
    """Lock the higher address first."""
    cdef uint32_t words[2]
    words[0] = words[1] = LIVE
    word_lock(&words[1], 0, DETACHED)
    word_lock(&words[0], 0, DETACHED)


def lock_pi_under_bucket():
    """Take the PI lock of a family with a bucket lock held."""
    manager = Manager()
    lock_somewhere(manager)
    directory_lock(manager.m, DETACHED)


def lock_table_under_bucket():
    """Lock a second bucket otherwise than through lock_two."""
    manager = Manager()
    lock_somewhere(manager)
    lock_somewhere(manager)


def grow_under_bucket():
    """Split buckets with a bucket lock held."""
    manager = Manager()
    lock_somewhere(manager)
    table_grow(&manager.m.private, 0, DETACHED)


def park_under_bucket():
    """Sleep with a bucket lock held."""
    cdef uint32_t word = LIVE
    cdef uint64_t mark = UNMARKED
    word_lock(&word, 0, DETACHED)
    park(parker_self(), &mark, deadline_after(1))


def park_under_pi():
    """Sleep with the PI lock held."""
    cdef uint64_t mark = UNMARKED
    manager = Manager()
    directory_lock(manager.m, DETACHED)
    park(parker_self(), &mark, deadline_after(1))


def deliver_under_bucket():
    """Mark those taken, and call them back, with a bucket lock held."""
    cdef uint32_t word = LIVE
    cdef Taken taken
    taken_init(&taken)
    word_lock(&word, 0, DETACHED)
    deliver(&taken)


def raise_under_bucket():
    """Raise with a bucket lock held."""
    cdef uint32_t word = LIVE
    manager = Manager()
    memory = Memory(bytearray(64))
    word_lock(&word, 0, DETACHED)
    manager.wait(memory, 1, 0)      # misaligned


def make_manager_under_bucket():
    """Take the registry lock with a bucket lock held."""
    cdef uint32_t word = LIVE
    word_lock(&word, 0, DETACHED)
    Manager()


# --- what a lock protects -------------------------------------------------------------------------------------------

def find_unlocked():
    """Look for a key in a bucket that is not locked."""
    cdef Bucket b
    cdef Waiter waiters[2]
    cdef Key key = some_key()
    queue_at(&b, waiters, &key)
    bucket_unlock(&b, 0)
    bucket_find(&b, &key)


def find_in_another():
    """Look for a key in a bucket with the lock of another one."""
    cdef Bucket buckets[2]
    cdef Waiter waiters[2]
    cdef Key key = some_key()
    queue_at(&buckets[0], waiters, &key)
    buckets[1].word = LIVE
    buckets[1].head = NULL
    bucket_find(&buckets[1], &key)


def append_unlocked():
    """Queue in a bucket that is not locked."""
    cdef Bucket b
    cdef Waiter waiters[2]
    cdef Waiter w
    cdef Key key = some_key()
    cdef Waiter **link
    queue_at(&b, waiters, &key)
    link = bucket_find(&b, &key)
    bucket_unlock(&b, 0)
    waiter_init(&w, PLAIN, THREAD, 0xFFFFFFFF, 0)
    bucket_append(&b, link, &w, 1)


def unlink_unlocked():
    """Take a waiter out of a queue without a lock."""
    cdef Bucket b
    cdef Waiter waiters[2]
    cdef Key key = some_key()
    queue_at(&b, waiters, &key)
    bucket_unlock(&b, 0)
    bucket_unlink(&b.head, &waiters[0])


def wake_unlocked():
    """Take waiters without a lock."""
    cdef Bucket b
    cdef Waiter waiters[2]
    cdef Key key = some_key()
    cdef Taken taken
    cdef uint32_t lowered = 0
    taken_init(&taken)
    queue_at(&b, waiters, &key)
    bucket_unlock(&b, 0)
    bucket_wake(&b.head, 2, 0xFFFFFFFF, NULL, &taken, &lowered)


def look_at_owners_unlocked():
    """Follow a chain of owners without the PI lock."""
    manager = Manager()
    if directory_lock(manager.m, DETACHED) == OK:
        directory_unlock(manager.m)
        wait_blocked(manager.m.family.pi, 1)


# --- queues ---------------------------------------------------------------------------------------------------------

def finish_head_while_queued():
    """End the wait of the first waiter of a key, and leave it in the queue."""
    cdef Bucket b
    cdef Waiter waiters[2]
    cdef Key key = some_key()
    queue_at(&b, waiters, &key)
    poison(&waiters[0], sizeof(Waiter))
    bucket_find(&b, &key)


def finish_second_while_queued():
    """End the wait of the second waiter of a key, and leave it in the queue."""
    cdef Waiter waiters[2]
    cdef Key key = some_key()
    manager = Manager()
    queue_in(manager, &waiters[0], &key)
    queue_in(manager, &waiters[1], &key)
    poison(&waiters[1], sizeof(Waiter))
    wake_in(manager, &key)


def tear_ring():
    """Let a waiter's neighbour know another one."""
    cdef Bucket b
    cdef Waiter waiters[2]
    cdef Key key = some_key()
    queue_at(&b, waiters, &key)
    waiters[1].prev = &waiters[1]
    bucket_find(&b, &key)


def leave_without_unlinking():
    """Say of a waiter that it is in no queue, and leave it there."""
    cdef Waiter w
    cdef Key key = some_key()
    manager = Manager()
    queue_in(manager, &w, &key)
    w.location = 0
    wake_in(manager, &key)


def stray():
    """Queue a key where its hash does not lead."""
    cdef Waiter w
    cdef Key key = some_key()
    manager = Manager()
    queue_in(manager, &w, &key)
    w.location ^= <uint64_t> 1 << 63
    wake_in(manager, &key)
