"""View of clock.h: nanoseconds and absolute deadlines."""

from libc.stdint cimport int64_t


cdef extern from "clock.h" nogil:
    const int64_t NEVER "PF_NEVER"
    const int CLOCK_MONOTONIC
    const int CLOCK_REALTIME

    ctypedef struct Deadline "pf_deadline":
        int64_t ns      # absolute, on `clock`; NEVER: none
        int clock

    int64_t now_ns "pf_now_ns" (int clock)
    Deadline deadline_never "pf_deadline_never" ()
    Deadline deadline_after "pf_deadline_after" (int64_t timeout_ns)
