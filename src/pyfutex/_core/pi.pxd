"""The PI operations: the futex word holds its owner's thread id, and unlock hands it to the oldest waiter.

    bit 31       WAITERS      somebody is queued: user space must not unlock by itself
    bit 30       OWNER_DIED   the last owner died with the lock held
    bits 0..29   thread id of the owner, 0: free

These always take the bucket lock: lock_pi sets WAITERS before it is counted, so the shortcut of wake would let go of a
word under a waiter.
"""

from libc.stdint cimport uint32_t

from pyfutex._core.bucket cimport Taken
from pyfutex._core.family cimport CManager
from pyfutex._core.key cimport Key
from pyfutex._core.status cimport Mode, Status
from pyfutex._core.waiter cimport Waiter


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


cdef struct TopWaiter:
    # The oldest waiter of a key.
    uint32_t tid
    bint exists
    bint is_pi


# Take the free word for w.tid, or queue w behind its owner; `w` with a tid, kind PI. With `is_try` nothing is queued.
# OK: acquired. WAITING: queued. BUSY: held (is_try). DEADLOCK: held by w.tid itself. MISFIT: a plain waiter is queued.
# NO_OWNER: `asked` names the owner and it is dead. OWNER_CHANGED: `asked` names another. CONTENDED, NO_MEMORY.
# WAITERS is set whenever the word was found held, also by a try and by NO_OWNER, as in Linux.
cdef Status engine_lock_pi(CManager *m, Waiter *w, const Key *key, uint32_t *word, Owner asked, bint is_try,
                           Mode mode) noexcept nogil

# Give up the word: to the oldest waiter (then in `taken`), or to nobody. OK; NOT_OWNER; MISFIT: the oldest waiter is a
# plain one, or the word changed hands meanwhile; TRY_AGAIN: the word changed while nobody was queued; CONTENDED,
# NO_MEMORY.
cdef Status engine_unlock_pi(CManager *m, const Key *key, uint32_t *word, uint32_t tid, Taken *taken,
                             Mode mode) noexcept nogil

# For words that only Python can read, under the target's PI mutex: who is the oldest waiter; take it if it is that of `tid`.
cdef Status engine_top_waiter(CManager *m, const Key *key, TopWaiter *top, Mode mode) noexcept nogil
cdef Status engine_take_top(CManager *m, const Key *key, uint32_t tid, Taken *taken, Mode mode) noexcept nogil
