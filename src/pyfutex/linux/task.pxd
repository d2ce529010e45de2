"""Task: a guest thread, as futex(2) and its relatives see it."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from pyfutex._core.clock cimport Deadline
from pyfutex._core.family cimport CManager
from pyfutex._core.target cimport Sharing
from pyfutex.manager cimport Manager
from pyfutex.target cimport Target
from pyfutex.waiter cimport Waiter


cdef enum Restart:
    # What becomes of a call that a signal interrupts.
    BY_HANDLER      # issued again where the handler has SA_RESTART, else EINTR
    BY_BLOCK        # EINTR; restart_syscall goes on with the same deadline
    ALWAYS          # issued again, whatever the handler says
    UNTIL_REQUEUED  # issued again, but once it was requeued: then EAGAIN


cdef struct Place:
    # Where a futex word is, and who meets there.
    uint64_t addr
    Sharing sharing     # never by memory
    bint is_numa        # a node follows the word


cdef struct Blocked:
    # The call in which a task is blocked, or was last.
    Place place
    uint32_t val
    uint32_t bitset
    Deadline until
    Restart restart


cdef class Task:
    cdef object __weakref__
    cdef readonly uint32_t tid
    cdef readonly Target mem
    cdef readonly Manager manager
    cdef public object uid
    cdef object on_complete
    cdef object owner_alive             # whether the owner of a PI word is
    cdef object now
    cdef Waiter waiter                  # in every call of this task that blocks
    cdef CManager *m                    # of the manager
    cdef uint64_t registers             # all ones, as wide as one
    cdef uint64_t limit                 # the first address that no guest has
    cdef uint64_t clear_tid
    cdef uint64_t robust_head
    cdef Blocked blocked_in
    cdef Blocked restart_block          # what restart_syscall goes on with
    cdef bint is_restartable
    cdef bint is_narrow                 # ilp32
    cdef bint is_exchanged              # its fields of 64 bits have the upper word first
    cdef bint is_called                 # Python code answers for its memory
    cdef bint awaits_end                # blocked, or its end is for interrupt or result to tell
    cdef bint tells                     # its end is told by a callback or a queue
    cdef bint is_alive
    cdef int ended_with                 # after an interrupt
    cdef int level                      # priority

    cdef int value_after(self, int error, bint sa_restart) noexcept
    cdef int value_told(self) except? 0
    cdef bint shares_memory(self) except? True


# The time on a clock, as the guest sees it.
cdef int64_t task_now(Task task, int clock) except? -1
# RuntimeError if it cannot block.
cdef int task_may_block(Task task) except -1
# It is about to. Requires: task_may_block.
cdef void task_blocks(Task task, const Blocked *call) noexcept
# Both; its waiter is claimed in between.
cdef int task_block(Task task, const Blocked *call) except -1
