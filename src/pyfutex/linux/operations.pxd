"""The operations of futex(2) for a task, on decoded arguments: what the guest's register gets, or None, blocked.

Addresses have the width of a register. An OSError of a Python target propagates: who calls makes an errno of it.
"""

from libc.stdint cimport int32_t, uint32_t, uint64_t

from pyfutex._core.target cimport Sharing
from pyfutex.linux.task cimport Blocked, Task


# An errno as the register holds it.
cdef object failure(int error)

cdef object wake(Task task, uint64_t addr, int32_t n, uint32_t bitset, Sharing sharing)
# `call`: the word, what it has to hold, until when. The deadline is looked at once the word was compared.
cdef object wait(Task task, const Blocked *call)
cdef object requeue(Task task, uint64_t addr, uint64_t addr2, int32_t n_wake, int32_t n_requeue, bint compares,
                    uint32_t expected, Sharing sharing)
cdef object wake_op(Task task, uint64_t addr, uint64_t addr2, uint32_t op, int32_t n, int32_t n2, Sharing sharing)
