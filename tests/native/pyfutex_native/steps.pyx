"""The places at which a build with -Dperturb=true delays a thread."""

from libc.stdint cimport uint64_t


cdef extern from *:
    """
    #include "steps.h"

    #if !PF_PERTURB
    static const uint64_t pf_step_state;
    #endif
    """
    const bint IS_PERTURBED "PF_PERTURB"
    void step "PF_STEP" () nogil
    const uint64_t step_state "pf_step_state"


PERTURBED = bool(IS_PERTURBED)


def take(int n):
    """Take n steps: what decides on the calling thread's next delay in this library."""
    cdef int _i
    with nogil:
        for _i in range(n):
            step()
    return step_state
