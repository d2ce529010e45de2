"""FUTEX_WAKE_OP's operation word: decoding it, the new value, the comparison. Pure arithmetic.

    bits 28..31 operation, of which bit 31 means: the operand is 1 << oparg, modulo the width of the word
    bits 24..27 comparison
    bits 12..23 oparg, bits 0..11 cmparg, both sign-extended from their twelfth bit, then cut to the width of the word

An unknown operation is refused before anything is changed; an unknown comparison after the operation, as Linux does. Words
are given by the logarithm of their size in bytes; Linux has those of 4 bytes alone.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from pyfutex._core.status cimport OK, Status, UNKNOWN_OPERATION


cdef enum Operation:
    OP_SET = 0
    OP_ADD = 1
    OP_OR = 2
    OP_ANDN = 3
    OP_XOR = 4
    OPARG_SHIFT = 8

cdef enum Comparison:
    CMP_EQ = 0
    CMP_NE = 1
    CMP_LT = 2
    CMP_LE = 3
    CMP_GT = 4
    CMP_GE = 5


cdef inline int32_t sign_extend_12(uint32_t x) noexcept nogil:
    return <int32_t> (((x & 0xFFF) ^ 0x800) - 0x800)


cdef inline uint64_t cut(uint64_t x, uint32_t log2_size) noexcept nogil:
    # Modulo the width of the word.
    return x & <uint64_t> 0xFFFFFFFFFFFFFFFF >> (64 - (8 << log2_size))


cdef inline int64_t as_signed(uint64_t x, uint32_t log2_size) noexcept nogil:
    # The word as a signed number of its width.
    cdef uint32_t unused = 64 - (8 << log2_size)
    return <int64_t> (x << unused) >> unused


cdef inline uint32_t op_operation(uint32_t op) noexcept nogil:
    return op >> 28 & 7


cdef inline bint op_is_known(uint32_t op) noexcept nogil:
    return op_operation(op) <= OP_XOR


cdef inline uint64_t op_operand(uint32_t op, uint32_t log2_size) noexcept nogil:
    cdef int32_t operand = sign_extend_12(op >> 12)
    if op >> 28 & OPARG_SHIFT:
        return <uint64_t> 1 << (operand & ((8 << log2_size) - 1))
    return cut(<uint64_t> <int64_t> operand, log2_size)


cdef inline uint64_t op_apply(uint32_t op, uint32_t log2_size, uint64_t old) noexcept nogil:
    # What the word becomes. Requires: op_is_known.
    cdef uint64_t operand = op_operand(op, log2_size)
    cdef uint32_t operation = op_operation(op)
    if operation == OP_SET:
        return operand
    if operation == OP_ADD:
        return cut(old + operand, log2_size)
    if operation == OP_OR:
        return old | operand
    if operation == OP_ANDN:
        return old & ~operand
    return old ^ operand


cdef inline Status op_compare(uint32_t op, uint32_t log2_size, uint64_t old, bint *held) noexcept nogil:
    # Signed comparison of what the word was. OK or UNKNOWN_OPERATION.
    cdef int64_t was = as_signed(old, log2_size)
    cdef int64_t argument = as_signed(<uint64_t> <int64_t> sign_extend_12(op), log2_size)
    cdef uint32_t comparison = op >> 24 & 15
    if comparison == CMP_EQ:
        held[0] = was == argument
    elif comparison == CMP_NE:
        held[0] = was != argument
    elif comparison == CMP_LT:
        held[0] = was < argument
    elif comparison == CMP_LE:
        held[0] = was <= argument
    elif comparison == CMP_GT:
        held[0] = was > argument
    elif comparison == CMP_GE:
        held[0] = was >= argument
    else:
        return UNKNOWN_OPERATION
    return OK
