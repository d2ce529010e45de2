"""A futex word that was found in a target, and every access that the operations make to one.

Its size is its key's. The words of most targets lie in memory of this process. Those of a NATIVE target are reached through
the embedder's functions, which are called under bucket locks: they may neither block nor call back, and may fail.
"""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.atomic cimport likely
from pyfutex._core.key cimport Key, key_log2_size
from pyfutex._core.status cimport FAULT, MISMATCH, OK, Status, TRY_AGAIN
from pyfutex._core.wakeop cimport (
    OP_ADD,
    OP_ANDN,
    OP_OR,
    OP_SET,
    op_apply,
    op_operand,
    op_operation,
)


cdef extern from "cell.h" nogil:
    uint64_t cell_load_acquire "pf_cell_load_acquire" (const char *cell, uint32_t log2_size)
    uint64_t cell_load "pf_cell_load" (const char *cell, uint32_t log2_size)
    uint64_t cell_cas_previous "pf_cell_cas_previous" (char *cell, uint32_t log2_size, uint64_t expected, uint64_t desired)
    uint64_t cell_exchange "pf_cell_exchange" (char *cell, uint32_t log2_size, uint64_t value)
    uint64_t cell_fetch_add "pf_cell_fetch_add" (char *cell, uint32_t log2_size, uint64_t value)
    uint64_t cell_fetch_and "pf_cell_fetch_and" (char *cell, uint32_t log2_size, uint64_t value)
    uint64_t cell_fetch_or "pf_cell_fetch_or" (char *cell, uint32_t log2_size, uint64_t value)
    uint64_t cell_fetch_xor "pf_cell_fetch_xor" (char *cell, uint32_t log2_size, uint64_t value)

cdef extern from "pyfutex.h" nogil:
    ctypedef struct TargetFunctions "pyfutex_target_functions":
        int (*load)(void *context, uint64_t addr, unsigned int size, uint64_t *value) noexcept nogil
        int (*swap)(void *context, uint64_t addr, unsigned int size, uint64_t desired, uint64_t *previous) noexcept nogil
        int (*compare_and_swap)(void *context, uint64_t addr, unsigned int size, uint64_t expected, uint64_t desired,
                                uint64_t *previous) noexcept nogil
        int (*shared_key)(void *context, uint64_t addr, uint64_t *mappable, uint64_t *offset) noexcept nogil


cdef enum:
    # How often a compare-and-swap is tried under a bucket lock before letting others in: somebody who keeps changing the
    # word must not stop the bucket.
    PATIENCE = 64


cdef struct NativeMemory:
    const TargetFunctions *functions
    void *context               # of the functions


cdef struct Word:
    char *host                  # where it lies in this process, valid until word_close
    Key key
    uint64_t *readers           # MAPPED: to be left
    const NativeMemory *native  # NATIVE: it has no host address; NULL for all others
    uint64_t addr               # NATIVE


cdef inline uint32_t word_log2_size(const Word *word) noexcept nogil:
    return key_log2_size(&word.key)


cdef inline void word_in_host(Word *word, char *host, const Key *key) noexcept nogil:
    """A word at a host address, of a target that the caller knows."""
    word.host = host
    word.key = key[0]
    word.readers = NULL
    word.native = NULL


cdef inline Status word_load(const Word *word, uint64_t *value) noexcept nogil:
    """OK, with acquire order; or FAULT."""
    cdef uint32_t log2_size = word_log2_size(word)
    if likely(word.native == NULL):
        value[0] = cell_load_acquire(word.host, log2_size)
        return OK
    value[0] = 0
    return FAULT if word.native.functions.load(word.native.context, word.addr, 1 << log2_size, value) else OK


cdef inline Status word_compare(const Word *word, uint64_t expected) noexcept nogil:
    """OK, with acquire order: it holds `expected`; MISMATCH; FAULT."""
    cdef uint64_t value
    cdef Status status
    if likely(word.native == NULL):
        return OK if cell_load_acquire(word.host, word_log2_size(word)) == expected else MISMATCH
    status = word_load(word, &value)
    return MISMATCH if status == OK and value != expected else status


cdef inline Status word_cas_previous(const Word *word, uint64_t expected, uint64_t desired,
                                     uint64_t *previous) noexcept nogil:
    """OK: `desired` was stored; MISMATCH: something else than `expected` was there, now in `previous`; FAULT."""
    cdef uint32_t log2_size = word_log2_size(word)
    previous[0] = 0
    if likely(word.native == NULL):
        previous[0] = cell_cas_previous(word.host, log2_size, expected, desired)
    elif word.native.functions.compare_and_swap(word.native.context, word.addr, 1 << log2_size, expected, desired,
                                                previous):
        return FAULT
    return OK if previous[0] == expected else MISMATCH


cdef inline Status word_cas(const Word *word, uint64_t expected, uint64_t desired) noexcept nogil:
    """The same for those who need not know what was there."""
    cdef uint64_t previous
    return word_cas_previous(word, expected, desired, &previous)


cdef inline Status word_exchange(const Word *word, uint64_t desired, uint64_t *previous) noexcept nogil:
    """OK or FAULT."""
    cdef uint32_t log2_size = word_log2_size(word)
    previous[0] = 0
    if likely(word.native == NULL):
        previous[0] = cell_exchange(word.host, log2_size, desired)
    elif word.native.functions.swap(word.native.context, word.addr, 1 << log2_size, desired, previous):
        return FAULT
    return OK


cdef inline Status word_apply(const Word *word, uint32_t op, uint64_t *old) noexcept nogil:
    """Change the word by wake_op's `op`, in one atomic step: OK, FAULT, or TRY_AGAIN, out of patience.

    Requires: op_is_known.
    """
    cdef uint32_t log2_size = word_log2_size(word)
    cdef uint32_t operation = op_operation(op)
    cdef uint64_t operand = op_operand(op, log2_size)
    cdef Status status
    cdef int _try
    if operation == OP_SET:
        return word_exchange(word, operand, old)
    if likely(word.native == NULL):
        # One read-modify-write, no loop: nobody who keeps changing the word can hold us up.
        if operation == OP_ADD:
            old[0] = cell_fetch_add(word.host, log2_size, operand)
        elif operation == OP_OR:
            old[0] = cell_fetch_or(word.host, log2_size, operand)
        elif operation == OP_ANDN:
            old[0] = cell_fetch_and(word.host, log2_size, ~operand)
        else:
            old[0] = cell_fetch_xor(word.host, log2_size, operand)
        return OK
    for _try in range(PATIENCE):
        status = word_load(word, old)
        if status == OK:
            status = word_cas(word, old[0], op_apply(op, log2_size, old[0]))
        if status != MISMATCH:
            return status
    return TRY_AGAIN
