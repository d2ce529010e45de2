"""One wait of a coroutine for a word of real memory, whoever in the kernel waits for it."""

from libc.stdint cimport uint32_t, uint64_t


cdef extern from "errno.h":
    const int ECANCELED         # libc.errno lacks it


cdef class WordWait:
    cdef object future      # None: its await was given up
    cdef object kept        # what keeps the word's memory there
    cdef uint32_t *host
    cdef uint32_t val
    cdef int flag           # PRIVATE_FLAG or 0
    cdef int answer         # of the kernel: 0, woken; or a negative errno
    cdef bint is_ending     # the kernel was asked to wait no longer
    cdef readonly bint is_over
    cdef uint64_t number    # its name, in its engine


# A wait for the word at `addr` while it holds `val`, not yet in the kernel. The errors of `Kernel.wait`.
cdef WordWait word_wait(object future, object mem, object addr, object val, object private)

# The kernel has answered, and holds it no more.
cdef int word_answered(WordWait wait, int answer) except -1

# Its await is given up: whether the kernel holds it still. A wake that was spent on it is passed on, now or later.
cdef bint word_abandon(WordWait wait) except -1
