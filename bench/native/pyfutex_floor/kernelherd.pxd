"""kernelherd.h, declared."""

from libc.stdint cimport int64_t, uint32_t


cdef extern from "kernelherd.h" nogil:
    struct kernelherd:
        pass

    int kernelherd_gather(kernelherd *herd, uint32_t size)
    int64_t kernelherd_move(kernelherd *herd)
    void kernelherd_scatter(kernelherd *herd)
