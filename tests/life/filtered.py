"""Run pytest where system calls are refused: ``python -m life.filtered ERRNO CALLS PYTEST_ARGUMENTS...``.

CALLS is "new", all of futex_waitv, futex2 and io_uring; "io_uring", that alone; or one operation of futex(2), "wake_op" or
"wait on what is shared": a filter of the kernel's (seccomp), as containers have. An exit status of 77: none may be installed
here.
"""

import ctypes
import sys

import pytest
from differential.kernel import PRIVATE, SYS_FUTEX, WAIT_BITSET, WAKE_OP

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 22, 38
SECCOMP_MODE_FILTER = 2
RET_ERRNO, RET_ALLOW = 0x0005_0000, 0x7FFF_0000
LOAD, EQUAL, AND, RETURN = 0x20, 0x15, 0x54, 0x06
NUMBER_AT, OPERATION_AT = 0, 24  # in struct seccomp_data, of a little-endian machine
OPERATION_MASK = 127
OPERATIONS = {
    "wake_op": (OPERATION_MASK, WAKE_OP),
    "wait on what is shared": (OPERATION_MASK | PRIVATE, WAIT_BITSET),
}
IO_URING = [425, 426, 427]
NEW = [449, 454, 455, 456, *IO_URING]
NUMBERS = {"new": NEW, "io_uring": IO_URING}
NOT_PERMITTED = 77


class Instruction(ctypes.Structure):
    """struct sock_filter."""

    _fields_ = (
        ("code", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),
        ("if_false", ctypes.c_uint8),
        ("k", ctypes.c_uint32),
    )


class Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("n", ctypes.c_uint16), ("instructions", ctypes.POINTER(Instruction)))


def refuse(calls, error):
    """Refuse calls of this process and its children with an errno, for ever; whether that is permitted."""
    refused = [(RETURN, 0, 0, RET_ERRNO | error)]
    code = [(LOAD, 0, 0, NUMBER_AT)]
    if calls in NUMBERS:
        for number in NUMBERS[calls]:
            code += [(EQUAL, 0, 1, number), *refused]
    else:
        mask, operation = OPERATIONS[calls]
        code += [(EQUAL, 0, 4, SYS_FUTEX), (LOAD, 0, 0, OPERATION_AT), (AND, 0, 0, mask)]
        code += [(EQUAL, 0, 1, operation), *refused]
    code += [(RETURN, 0, 0, RET_ALLOW)]
    instructions = (Instruction * len(code))(*code)
    program = Program(len(code), instructions)
    libc = ctypes.CDLL(None)
    return (
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
        and libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) == 0
    )


if __name__ == "__main__":
    sys.exit(pytest.main(sys.argv[3:]) if refuse(sys.argv[2], int(sys.argv[1])) else NOT_PERMITTED)
