"""Looking into a table, bucket by bucket, while it is in use."""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.status cimport Mode, Status
from pyfutex._core.table cimport Table
from pyfutex._core.waiter cimport Waiter


cdef struct Survey:
    # What visit_bucket found, added up over its calls.
    uint64_t waiters
    uint64_t keys
    uint64_t buckets
    uint64_t longest_chain

# Called under the bucket lock: it may not wait, allocate, or call anything that does.
ctypedef void (*Visitor)(void *context, Waiter *w) noexcept nogil

# Visit the waiters of the bucket in which hash `cursor` lies, oldest first within a key, and step the cursor to the next
# bucket. Placeholders are passed over. OK; CONTENDED (nothing visited, try again). The cursor is 0 again at the end.
# A waiter that moves between the calls may be met twice or not at all.
cdef Status visit_bucket(Table *t, uint64_t *cursor, Visitor visit, void *context, Survey *survey,
                         Mode mode) noexcept nogil

# Bytes of the levels in use.
cdef uint64_t table_bytes(Table *t) noexcept nogil
