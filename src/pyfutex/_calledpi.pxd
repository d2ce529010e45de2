"""The PI operations on targets that only Python code can read, one at a time for each target, under its PI mutex.

RuntimeError when one is called from the target's own methods during another.
"""

from libc.stdint cimport uint8_t, uint32_t

from pyfutex._core.bucket cimport Taken
from pyfutex._core.family cimport CManager
from pyfutex._core.key cimport Key as CKey
from pyfutex._core.pi cimport Heir, Owner
from pyfutex._core.status cimport Status
from pyfutex.target cimport Target
from pyfutex.waiter cimport Waiter


# As engine_lock_pi and engine_unlock_pi. w None: only try; else it is claimed here, and idle unless the answer is WAITING.
cdef Status called_lock_pi(object manager, CManager *m, Waiter w, Target mem, object addr, const CKey *key, uint32_t tid,
                           uint8_t priority, object owner_alive) except? <Status> 255
cdef Status called_unlock_pi(CManager *m, Target mem, object addr, const CKey *key, uint32_t tid,
                             Taken *taken) except? <Status> 255

# Acquire the word for `tid`, or find its owner: OK, WAITING (then `owner` is the owner, and `asked` what was asked about
# it), DEADLOCK, MISFIT, NO_OWNER. `more`: set WAITERS though the word is free. Requires: enter_pi.
cdef Status called_acquire(CManager *m, Target mem, object addr, const CKey *key, uint32_t tid, bint more,
                           object owner_alive, uint32_t *owner, Owner *asked) except? <Status> 255

# Finish what engine_inherit began with a target of Python's: the heir of `tid` gets its word. Whether it did; False: it is
# not there any more, look again.
cdef bint called_inherit(CManager *m, uint32_t tid, Heir *heir, Taken *taken) except -1

# The target's PI mutex; to be let go with pi_leave.
cdef int enter_pi(Target mem) except -1

# To be called before somebody is queued for a PI word of `mem`, so that called_inherit finds it.
cdef int remember_target(Target mem) except -1
