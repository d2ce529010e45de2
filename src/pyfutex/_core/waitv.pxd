"""Waiting on several words at once. Who may do what when is in vector.pxd.

Prepare: vector_begin, vector_queue for each word in turn, vector_ready. If a word differs, or vector_ready says so:
vector_give_up.
"""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.bucket cimport Taken
from pyfutex._core.family cimport CManager
from pyfutex._core.key cimport Key
from pyfutex._core.status cimport Mode, Status
from pyfutex._core.vector cimport Vector
from pyfutex._core.waiter cimport Waiter
from pyfutex._core.word cimport Word


# The caller is in charge of v, for n words. Requires: room for them; `whole` is the caller's, PREPARING.
cdef void vector_begin(CManager *m, Vector *v, Waiter *whole, uint32_t n) noexcept nogil

# Queue the next entry for `key` if the word holds `expected`. As engine_prepare.
cdef Status vector_queue(CManager *m, Vector *v, const Key *key, const Word *word, uint64_t expected,
                         Mode mode) noexcept nogil

# All entries are queued. OK: v is QUEUED_MANY, and the caller is not in charge any more; TAKEN: give up.
cdef Status vector_ready(Vector *v) noexcept nogil

# Take out what was queued. OK: nobody was woken, v is over, the whole is LEAVING. TAKEN: the whole was, or will at once be,
# woken; where it is this call that finishes v, the whole is in `taken`, which the caller delivers. CONTENDED: again.
cdef Status vector_give_up(Vector *v, Taken *taken, Mode mode) noexcept nogil

# Call off a vector that is QUEUED_MANY: whether the caller has made it LEAVING, and is in charge; then vector_unlink is due.
cdef bint vector_call_off(Waiter *whole) noexcept nogil

# Take out the entries that are still queued. OK or CONTENDED: call again. Requires: in charge.
cdef Status vector_unlink(Vector *v, Mode mode) noexcept nogil

# Settle the entries in `taken` with their vectors: those that this finishes become threads and objects in `taken`.
# OK or CONTENDED: call again. Requires: no bucket lock held.
cdef Status settle_entries(Taken *taken, Mode mode) noexcept nogil

# As engine_notify_through, for the whole of a vector.
cdef Status vector_notify_through(Vector *v, int fd, void *queue, Mode mode) noexcept nogil
