"""Priority that waiters lend the owners of their words, along the chain of owners.

An owner that is itself blocked has the rank of the highest priority that is its own or lent to it. Where that changes, its
turn comes after those of the same rank. Its place among those who wait for a wake stays.
"""

from libc.stdint cimport uint32_t

from pyfutex._core.family cimport CManager
from pyfutex._core.pistate cimport PIDirectory, PIWait
from pyfutex._core.waiter cimport Waiter


# All require: the PI lock; detached, no bucket lock held.

# The waiters of the word on which w is blocked changed: lend their priority along the chain of owners.
cdef void lend_priority(CManager *m, Waiter *w) noexcept nogil
# The same for the waiters of any word that `owner` has.
cdef void lend_to(PIDirectory *d, uint32_t owner) noexcept nogil

# `wait` may not wait for what `owner` has: it would wait for itself. Linux finds that out on its way along the chain, after
# it lent the priority so far, and takes it back: those to whom it would have been lent lose their places to their equals.
cdef void lend_in_vain(PIDirectory *d, uint32_t owner, const PIWait *wait) noexcept nogil
