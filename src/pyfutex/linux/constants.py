"""The constants of futex(2) and of the calls around it, under the names of the kernel's user interface."""

from typing import Final

# Operations of futex(2), and the flags that go with them.
FUTEX_WAIT: Final = 0
FUTEX_WAKE: Final = 1
FUTEX_FD: Final = 2
FUTEX_REQUEUE: Final = 3
FUTEX_CMP_REQUEUE: Final = 4
FUTEX_WAKE_OP: Final = 5
FUTEX_LOCK_PI: Final = 6
FUTEX_UNLOCK_PI: Final = 7
FUTEX_TRYLOCK_PI: Final = 8
FUTEX_WAIT_BITSET: Final = 9
FUTEX_WAKE_BITSET: Final = 10
FUTEX_WAIT_REQUEUE_PI: Final = 11
FUTEX_CMP_REQUEUE_PI: Final = 12
FUTEX_LOCK_PI2: Final = 13

FUTEX_PRIVATE_FLAG: Final = 128
FUTEX_CLOCK_REALTIME: Final = 256
FUTEX_CMD_MASK: Final = ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME)

FUTEX_WAIT_PRIVATE: Final = FUTEX_WAIT | FUTEX_PRIVATE_FLAG
FUTEX_WAKE_PRIVATE: Final = FUTEX_WAKE | FUTEX_PRIVATE_FLAG
FUTEX_REQUEUE_PRIVATE: Final = FUTEX_REQUEUE | FUTEX_PRIVATE_FLAG
FUTEX_CMP_REQUEUE_PRIVATE: Final = FUTEX_CMP_REQUEUE | FUTEX_PRIVATE_FLAG
FUTEX_WAKE_OP_PRIVATE: Final = FUTEX_WAKE_OP | FUTEX_PRIVATE_FLAG
FUTEX_LOCK_PI_PRIVATE: Final = FUTEX_LOCK_PI | FUTEX_PRIVATE_FLAG
FUTEX_LOCK_PI2_PRIVATE: Final = FUTEX_LOCK_PI2 | FUTEX_PRIVATE_FLAG
FUTEX_UNLOCK_PI_PRIVATE: Final = FUTEX_UNLOCK_PI | FUTEX_PRIVATE_FLAG
FUTEX_TRYLOCK_PI_PRIVATE: Final = FUTEX_TRYLOCK_PI | FUTEX_PRIVATE_FLAG
FUTEX_WAIT_BITSET_PRIVATE: Final = FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG
FUTEX_WAKE_BITSET_PRIVATE: Final = FUTEX_WAKE_BITSET | FUTEX_PRIVATE_FLAG
FUTEX_WAIT_REQUEUE_PI_PRIVATE: Final = FUTEX_WAIT_REQUEUE_PI | FUTEX_PRIVATE_FLAG
FUTEX_CMP_REQUEUE_PI_PRIVATE: Final = FUTEX_CMP_REQUEUE_PI | FUTEX_PRIVATE_FLAG

FUTEX_BITSET_MATCH_ANY: Final = 0xFFFF_FFFF

# Flags of futex_waitv, futex_wake, futex_wait and futex_requeue.
FUTEX2_SIZE_U8: Final = 0x00
FUTEX2_SIZE_U16: Final = 0x01
FUTEX2_SIZE_U32: Final = 0x02
FUTEX2_SIZE_U64: Final = 0x03
FUTEX2_SIZE_MASK: Final = 0x03
FUTEX2_NUMA: Final = 0x04
FUTEX2_MPOL: Final = 0x08
FUTEX2_PRIVATE: Final = FUTEX_PRIVATE_FLAG
FUTEX_32: Final = FUTEX2_SIZE_U32
FUTEX_NO_NODE: Final = -1
FUTEX_WAITV_MAX: Final = 128

# Bits of the word of a PI or a robust futex.
FUTEX_WAITERS: Final = 0x8000_0000
FUTEX_OWNER_DIED: Final = 0x4000_0000
FUTEX_TID_MASK: Final = 0x3FFF_FFFF

# Robust lists. Sizes in bytes, for both widths of a register.
ROBUST_LIST_LIMIT: Final = 2048
FUTEX_ROBUST_MOD_PI: Final = 1
ROBUST_LIST_HEAD_SIZE: Final = 24
ROBUST_LIST_HEAD_SIZE_ILP32: Final = 12
FUTEX_WAITV_SIZE: Final = 24

# FUTEX_WAKE_OP.
FUTEX_OP_SET: Final = 0
FUTEX_OP_ADD: Final = 1
FUTEX_OP_OR: Final = 2
FUTEX_OP_ANDN: Final = 3
FUTEX_OP_XOR: Final = 4
FUTEX_OP_OPARG_SHIFT: Final = 8
FUTEX_OP_CMP_EQ: Final = 0
FUTEX_OP_CMP_NE: Final = 1
FUTEX_OP_CMP_LT: Final = 2
FUTEX_OP_CMP_LE: Final = 3
FUTEX_OP_CMP_GT: Final = 4
FUTEX_OP_CMP_GE: Final = 5

# What a call that a signal interrupted answers when it is to be issued again, as the kernel's signal delivery sees it.
RESTART: Final = -513


def FUTEX_OP(op: int, oparg: int, cmp: int, cmparg: int) -> int:
    """The fourth argument `val3` of FUTEX_WAKE_OP.

    Parameters
    ----------
    op, cmp : int
        FUTEX_OP_SET and its like, with FUTEX_OP_OPARG_SHIFT added where the operand is 1 << oparg; FUTEX_OP_CMP_EQ and
        its like. 4 bits each.
    oparg, cmparg : int
        Operands. 12 bits each, which the kernel extends by their sign.

    Returns
    -------
    int
        32 bits.
    """
    return (op & 15) << 28 | (cmp & 15) << 24 | (oparg & 0xFFF) << 12 | cmparg & 0xFFF
