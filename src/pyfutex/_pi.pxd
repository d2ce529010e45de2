"""The PI operations on targets of every kind: acquiring, releasing, and the death of an owner."""

from libc.stdint cimport uint8_t, uint32_t

from pyfutex._core.bucket cimport Taken
from pyfutex._core.clock cimport Deadline
from pyfutex._core.family cimport CManager
from pyfutex._core.status cimport Status
from pyfutex.target cimport Target
from pyfutex.waiter cimport Waiter


# `owner_alive`: None, or called with a thread id, no lock held. Where a Status is returned, nothing is raised but what a
# Python target or `owner_alive` raises, and RuntimeError for a waiter that is in use.

# OK: `tid` has the word. WAITING: w is queued. Else why not; w is idle then.
cdef Status prepare_lock_pi(object manager, CManager *m, Waiter w, Target mem, object addr, uint32_t tid,
                            uint8_t priority, int sharing, object owner_alive) except? <Status> 255
# OK; BUSY: held.
cdef Status try_lock_pi(object manager, CManager *m, Target mem, object addr, uint32_t tid, int sharing,
                        object owner_alive) except? <Status> 255
# True: acquired. False: the deadline passed.
cdef object block_lock_pi(object manager, CManager *m, Target mem, object addr, uint32_t tid, Deadline until,
                          int sharing, object owner_alive)

# OK: the word is free, or belongs to who is in `taken`, to be delivered by the caller.
cdef Status release_pi(CManager *m, Target mem, object addr, uint32_t tid, int sharing, Taken *taken) except? <Status> 255

# `tid` died: its words with waiters go on, each to its first one. How many did.
cdef object inherit_pi(CManager *m, uint32_t tid)
