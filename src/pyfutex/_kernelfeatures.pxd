"""What the running kernel's futexes can do, found out when this module is loaded: none of it comes or goes meanwhile."""

# The names of what is there, as `Kernel.supported` has them: a frozenset.
cdef object feature_names()

# OSError (ENOSYS), saying what is missing, where it is not there.
cdef int need_pi() except -1
cdef int need_requeue_pi() except -1
cdef int need_lock_pi2() except -1
cdef int need_waitv() except -1
cdef int need_futex2() except -1
