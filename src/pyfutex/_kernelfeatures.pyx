"""What the running kernel's futexes can do."""

from libc.errno cimport ENOSYS

from pyfutex._core.kernelcalls cimport (
    HAS_FUTEX2,
    HAS_LOCK_PI2,
    HAS_MPOL,
    HAS_NUMA,
    HAS_PI,
    HAS_REQUEUE_PI,
    HAS_WAITV,
    kernel_has,
)
from pyfutex._errors cimport raise_errno

cdef bint has_pi = kernel_has(HAS_PI)
cdef bint has_requeue_pi = kernel_has(HAS_REQUEUE_PI)
cdef bint has_lock_pi2 = kernel_has(HAS_LOCK_PI2)
cdef bint has_waitv = kernel_has(HAS_WAITV)
cdef bint has_futex2 = kernel_has(HAS_FUTEX2)


cdef object feature_names():
    cdef dict features = {
        "pi": has_pi,
        "requeue_pi": has_requeue_pi,
        "lock_pi2": has_lock_pi2,
        "waitv": has_waitv,
        "futex2": has_futex2,
        "numa": kernel_has(HAS_NUMA),
        "mpol": kernel_has(HAS_MPOL),
    }
    return frozenset([name for name, is_there in features.items() if is_there])


cdef int lacks(str what) except -1:
    raise_errno(ENOSYS, f"the running kernel lacks {what}")


cdef int need_pi() except -1:
    return 0 if has_pi else lacks("PI futexes")


cdef int need_requeue_pi() except -1:
    return 0 if has_requeue_pi else lacks("requeueing to PI futexes")


cdef int need_lock_pi2() except -1:
    return 0 if has_lock_pi2 else lacks("FUTEX_LOCK_PI2: a PI lock takes a deadline on CLOCK_REALTIME alone")


cdef int need_waitv() except -1:
    return 0 if has_waitv else lacks("futex_waitv")


cdef int need_futex2() except -1:
    return 0 if has_futex2 else lacks("the futex2 calls (futex_wait, futex_wake, futex_requeue)")
