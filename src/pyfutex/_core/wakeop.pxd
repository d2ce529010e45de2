"""FUTEX_WAKE_OP's operation word: decoding it, the new value, the comparison. Pure arithmetic.

    bits 28..31 operation, of which bit 31 means: the operand is 1 << (oparg & 31)
    bits 24..27 comparison
    bits 12..23 oparg, bits 0..11 cmparg, both sign-extended from their twelfth bit

An unknown operation is refused before anything is changed; an unknown comparison after the operation, as Linux does.
"""

from libc.stdint cimport int32_t, uint32_t

from pyfutex._core.atomic cimport exchange_u32, fetch_add_u32, fetch_and_u32, fetch_or_u32, fetch_xor_u32
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


cdef inline uint32_t op_operation(uint32_t op) noexcept nogil:
    return op >> 28 & 7


cdef inline bint op_is_known(uint32_t op) noexcept nogil:
    return op_operation(op) <= OP_XOR


cdef inline uint32_t op_operand(uint32_t op) noexcept nogil:
    cdef uint32_t operand = <uint32_t> sign_extend_12(op >> 12)
    if op >> 28 & OPARG_SHIFT:
        return <uint32_t> 1 << (operand & 31)
    return operand


cdef inline uint32_t op_apply(uint32_t op, uint32_t old) noexcept nogil:
    # What the word becomes. Requires: op_is_known.
    cdef uint32_t operand = op_operand(op)
    cdef uint32_t operation = op_operation(op)
    if operation == OP_SET:
        return operand
    if operation == OP_ADD:
        return old + operand
    if operation == OP_OR:
        return old | operand
    if operation == OP_ANDN:
        return old & ~operand
    return old ^ operand


cdef inline Status op_compare(uint32_t op, uint32_t old, bint *held) noexcept nogil:
    # Signed comparison of what the word was. OK or UNKNOWN_OPERATION.
    cdef int32_t was = <int32_t> old
    cdef int32_t argument = sign_extend_12(op)
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


cdef inline uint32_t op_apply_atomically(uint32_t op, uint32_t *word) noexcept nogil:
    # Change *word and return what it was. Requires: op_is_known.
    # One read-modify-write, no loop: nobody who keeps changing the word can hold us up under the bucket locks.
    cdef uint32_t operand = op_operand(op)
    cdef uint32_t operation = op_operation(op)
    if operation == OP_SET:
        return exchange_u32(word, operand)
    if operation == OP_ADD:
        return fetch_add_u32(word, operand)
    if operation == OP_OR:
        return fetch_or_u32(word, operand)
    if operation == OP_ANDN:
        return fetch_and_u32(word, ~operand)
    return fetch_xor_u32(word, operand)
