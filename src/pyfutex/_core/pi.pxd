"""The PI operations: the futex word holds its owner's thread id, and unlock hands it to the first waiter.

    bit 31       WAITERS      somebody is queued: user space must not unlock by itself
    bit 30       OWNER_DIED   the last owner died with the lock held
    bits 0..29   thread id of the owner, 0: free

Waiters get it by priority, then first come first served. An owner that is itself blocked ranks where the highest priority
of those whom it holds up puts it, and so on along the chain of owners.

Two locks. The bucket lock covers the word's changes and its queue, as everywhere. A family's PI lock, outside it, covers
the directory of owners and waits (pistate.pxd). A word that is free, or given up with nobody queued, needs the first
alone. These operations never take the shortcut of wake: lock_pi sets WAITERS before it is counted.
"""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.bucket cimport Bucket, Taken
from pyfutex._core.family cimport CManager
from pyfutex._core.key cimport Key
from pyfutex._core.status cimport DEADLOCK, MISFIT, Mode, OK, Status, WAITING
from pyfutex._core.waiter cimport Waiter
from pyfutex._core.word cimport Word


cdef enum:
    TID_MASK = 0x3FFFFFFF

cdef extern from *:
    """
    #define PF_WAITERS 0x80000000u
    #define PF_OWNER_DIED 0x40000000u
    """
    const uint32_t WAITERS "PF_WAITERS"
    const uint32_t OWNER_DIED "PF_OWNER_DIED"


cdef struct Owner:
    # What the caller found out about the owner of the word before it came here, without any lock.
    uint32_t tid        # 0: it did not ask
    bint is_alive
    uint32_t deaths     # Family.deaths before it asked. Whoever becomes the first waiter of an owner that was asked about
                        #   must find the same: else it may have died since, and nobody would look for its words again


cdef struct TopWaiter:
    # The first waiter of a key.
    uint32_t tid
    uint32_t owner      # of the word, as its waiters know it
    bint exists
    bint is_blocked     # on the word, as lock_pi does it

cdef struct Heir:
    # The first waiter of a word whose owner died. The word is the caller's to set where the target is Python's.
    const void *target  # CTarget
    uint64_t addr
    Key key
    uint32_t tid


cdef inline Status pi_judge(uint32_t seen, uint32_t tid, const TopWaiter *top) noexcept nogil:
    """What lock_pi does about a word that reads `seen`: OK (it is free), WAITING (it is held), DEADLOCK, MISFIT."""
    cdef uint32_t owner = seen & TID_MASK
    if owner == tid:
        return DEADLOCK
    if not top.exists:
        return OK if owner == 0 else WAITING
    if not top.is_blocked:
        return MISFIT
    # A word with waiters changes hands through unlock_pi alone: any other owner is somebody's scribble. Between the
    # death of an owner and the succession it is free, but the waiters come first.
    if owner == top.owner or (owner == 0 and seen & OWNER_DIED):
        return WAITING
    return MISFIT


# Take the free word for the thread of w, or queue w behind its owner; w idle, with a PIWait. With `is_try` nothing is
# queued. OK: acquired. WAITING: queued. BUSY: held (is_try). DEADLOCK: held by the thread itself, or by somebody who waits
# for it, along the chain of owners. MISFIT: a waiter of another kind is queued, or the word is not its waiters' owner's.
# NO_OWNER: `asked` names the owner and it is dead. OWNER_CHANGED: `asked` names another, or is out of date. CONTENDED,
# NO_MEMORY. Where a scribble says that the owner died, and the waiters know the caller as the owner: OK with the word as it
# is; a try repairs the word and is BUSY.
# WAITERS is set when the word was found held and nobody queued, also by a try and by NO_OWNER, as in Linux.
cdef Status engine_lock_pi(CManager *m, Waiter *w, const Key *key, const Word *word, Owner asked, bint is_try,
                           Mode mode) noexcept nogil

# Give up the word: to the first waiter (then in `taken`), or to nobody. OK; NOT_OWNER; MISFIT: the first waiter is of
# another kind, its word belongs to somebody else, or the word changed hands meanwhile; TRY_AGAIN: the word changed while
# nobody was queued; CONTENDED, NO_MEMORY.
cdef Status engine_unlock_pi(CManager *m, const Key *key, const Word *word, uint32_t tid, Taken *taken,
                             Mode mode) noexcept nogil

# As engine_complete, for PI and REQUEUE_PI waiters.
cdef Status engine_leave_pi(Waiter *w, Mode mode) noexcept nogil

# The owner `tid` died: one word that it holds and somebody waits for goes to its first waiter (then in `taken`), with
# OWNER_DIED. OK; NO_OWNER: there is no such word (any more); TRY_AGAIN: the memory of a word is gone, as its waiter, in
# `taken`, is told; WAITING: the target is Python's, `heir` is to be followed by
# engine_succeed. Requires: detached.
cdef Status engine_inherit(CManager *m, uint32_t tid, Taken *taken, Heir *heir) noexcept nogil

# For words that only Python can read, under the target's PI mutex. Who is the first waiter; queue w behind `owner`: WAITING,
# DEADLOCK, MISFIT or OWNER_CHANGED; the word is now `tid`'s, who is the first waiter, after `owner`: take it, if that is
# (still) so. With an `error` it is taken, and hears of that, but the word is still `owner`'s.
cdef Status engine_top_waiter(CManager *m, const Key *key, TopWaiter *top, Mode mode) noexcept nogil
cdef Status engine_queue_pi(CManager *m, Waiter *w, const Key *key, uint32_t owner, Owner asked,
                            Mode mode) noexcept nogil
cdef Status engine_succeed(CManager *m, const Key *key, uint32_t owner, uint32_t tid, int error, Taken *taken,
                           Mode mode) noexcept nogil

# --- for _core/requeuepi --------------------------------------------------------------------------------------------

# Lock the directory of m's family, with one free state in it: OK, CONTENDED or NO_MEMORY.
cdef Status directory_lock(CManager *m, Mode mode) noexcept nogil
cdef void directory_unlock(CManager *m) noexcept nogil

# Requires: the bucket lock. As engine_lock_pi, but WAITING: w is to be queued behind `owner`, and CONTENDED: somebody
# keeps changing the word. `more`: set WAITERS though the word is free.
cdef Status acquire_locked(uint32_t tid, const Waiter *top, const Word *word, Owner asked, bint is_try, bint more,
                           uint32_t *owner) noexcept nogil

# Requires: both locks. Block w on the state of its key (`top`: the key's first waiter), or on a new one of `owner`; sets its
# priority. OK, DEADLOCK, MISFIT or OWNER_CHANGED.
cdef Status block_locked(CManager *m, Waiter *w, const Waiter *top, const Key *key, uint32_t owner,
                         Owner asked) noexcept nogil
