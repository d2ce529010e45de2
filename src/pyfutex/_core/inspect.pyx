"""Looking into a table, bucket by bucket, while it is in use."""

from libc.stdint cimport uint64_t

from pyfutex._core.atomic cimport load_acquire_u64
from pyfutex._core.bucket cimport Bucket, bucket_unlock
from pyfutex._core.status cimport CONTENDED, OK
from pyfutex._core.table cimport level_bucket, level_log2, level_stride_log2, table_lock
from pyfutex._core.waiter cimport PLACEHOLDER, check_queued
from pyfutex._core.wordlock cimport LOCK_TAKEN


cdef Status visit_bucket(Table *t, uint64_t *cursor, Visitor visit, void *context, Survey *survey,
                         Mode mode) noexcept nogil:
    cdef Bucket *b
    cdef Waiter *head
    cdef Waiter *w
    cdef uint64_t chain = 0, level
    if table_lock(t, cursor[0], 0, mode, &b) != LOCK_TAKEN:
        return CONTENDED
    head = b.head
    while head != NULL:
        chain += 1
        w = head
        while True:
            check_queued(w)
            if w.kind != PLACEHOLDER:
                survey.waiters += 1
                visit(context, w)
            w = w.next
            if w == head:
                break
        head = head.chain
    survey.keys += chain
    survey.buckets += 1
    if chain > survey.longest_chain:
        survey.longest_chain = chain
    # The table may have grown since the lock was taken, or b may belong to the level before: its own level says how far
    # it reaches.
    level = load_acquire_u64(&t.current)
    if level_bucket(level, cursor[0]) != b:
        level = load_acquire_u64(&t.previous)
    bucket_unlock(b, 0)
    cursor[0] += <uint64_t> 1 << (64 - level_log2(level))
    return OK


cdef uint64_t table_bytes(Table *t) noexcept nogil:
    cdef uint64_t levels[2]
    cdef uint64_t bytes = 0
    cdef int i
    levels[0] = load_acquire_u64(&t.current)
    levels[1] = load_acquire_u64(&t.previous)
    for i in range(2):
        if levels[i] != 0:
            bytes += <uint64_t> 1 << (level_log2(levels[i]) + level_stride_log2(levels[i]))
    return bytes
