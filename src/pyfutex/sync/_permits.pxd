"""Permits that come back from the dead: each is a slot, and whoever has the slot has the permit.

Taking a permit is taking a free slot, giving it back is leaving it, and a slot whose thread has died is free. There is no
count beside them that could differ, so nothing has to be noted or repaired, whichever step a thread dies at: it has a permit
for as long as its id stands in the slot's word (_slots.pxd, pyfutex_lock.h).

Who finds all slots taken waits for the gate, a robust lock, and whoever holds the gate sleeps on the slots. So one thread
sleeps there at a time, and each of its wakes, whatever it came from, makes it look at all slots; if it dies, the next in
the gate does so. The gate guards nothing else: its dead owner is no loss.

Whoever gives back while the gate is held changes `turn` and wakes who sleeps on it, for slots that are too many to be
watched and for kernels that cannot watch several words.
"""

from libc.errno cimport EBUSY, ENOSYS
from libc.stdint cimport uint32_t

from pyfutex._core.atomic cimport load_relaxed_u32
from pyfutex._core.clock cimport Deadline
from pyfutex.sync._mutex cimport Mutex
from pyfutex.sync._robust cimport ENOTRECOVERABLE, NOT_RECOVERABLE, SharedHead, Thread
from pyfutex.sync._slots cimport Slots, slots_take
from pyfutex.sync._thread cimport robust_thread


cdef struct Permits:
    Slots slots         # none: there are no such permits
    Mutex gate
    uint32_t *turn

cdef void permits_init(Permits *p, SharedHead *head, Slots slots) noexcept
# How many nobody has. Requires: attached, as all that follow but permits_try.
cdef uint32_t permits_left(const Permits *p) noexcept
# Take one, sleeping until `until`: 0, or -ETIMEDOUT. Or raises what a signal handler raised, or an OSError.
cdef int permits_wait(Permits *p, Deadline until) except 1
# Raise what a negative errno of permits_try means.
cdef int permits_raise(int error) except 1
# Give back `n` that the caller has, or none: RuntimeError. Requires: n > 0.
cdef int permits_give(Permits *p, Py_ssize_t n) except -1


# Take one: 0; -EBUSY: there is none; -ENOTRECOVERABLE: out of use; or another negative errno of pyfutex_lock_try.
cdef inline int permits_try(const Permits *p) noexcept nogil:
    cdef Thread *t = robust_thread()
    cdef bint died = False
    cdef int at
    if t == NULL:
        return -ENOSYS
    if load_relaxed_u32(&p.gate.robust.state) == NOT_RECOVERABLE:
        return -ENOTRECOVERABLE
    at = slots_take(&p.slots, t, True, &died)
    return at if at < 0 else 0
