"""The operations of futex(2) for a task, on decoded arguments: what the guest's register gets, or None, blocked.

An OSError of a Python target propagates: who calls makes an errno of it.
"""

from libc.stdint cimport int32_t, uint32_t, uint64_t

from pyfutex._core.key cimport LOG2_SIZE_U32
from pyfutex._core.status cimport MISMATCH, OK, Status
from pyfutex._core.target cimport READ, Sharing, word_close, word_open
from pyfutex._core.word cimport Word, word_compare
from pyfutex.linux.task cimport Blocked, Place, Task


cdef enum:
    MOST_ENTRIES = 128      # of futex_waitv


cdef inline bint differs(Task task, uint64_t addr, Sharing sharing, uint32_t val) noexcept:
    """Whether the engine can read this word, and it holds another value: no need to look any further at a wait for it."""
    cdef Word word
    cdef Status status
    if addr > task.limit or word_open(&task.mem.c, addr, LOG2_SIZE_U32, sharing, READ, &word) != OK:
        return False
    status = word_compare(&word, val)
    word_close(&word)
    return status == MISMATCH


# An errno as the register holds it.
cdef object failure(int error)

# n <= 0 wakes one; with `is_strict`, 0 wakes none.
cdef object wake(Task task, const Place *place, int32_t n, uint32_t bitset, bint is_strict)
# `call`: the word, what it has to hold, until when. The deadline is looked at once the word was compared.
cdef object wait(Task task, const Blocked *call)
# The same on n words at once, 1 to 128. In the register: the index of one that was woken.
cdef object wait_vector(Task task, const Place *places, const uint32_t *values, unsigned int n, const Blocked *call)
cdef object requeue(Task task, const Place *place, const Place *place2, int32_t n_wake, int32_t n_requeue, bint compares,
                    uint32_t expected)
cdef object wake_op(Task task, const Place *place, const Place *place2, uint32_t op, int32_t n, int32_t n2)

cdef object lock_pi(Task task, const Blocked *call)
cdef object try_lock_pi(Task task, const Place *place)
cdef object unlock_pi(Task task, const Place *place)
cdef object wait_requeue_pi(Task task, const Blocked *call, const Place *place2)
cdef object cmp_requeue_pi(Task task, const Place *place, const Place *place2, int32_t n_wake, int32_t n_requeue,
                           uint32_t expected)
