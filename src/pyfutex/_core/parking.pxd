"""View of parking.h: how a thread of this process sleeps on a word, and is woken. Called through pyfutex._core.parker."""

from libc.stdint cimport uint32_t

from pyfutex._core.clock cimport Deadline


cdef extern from "parking.h" nogil:
    ctypedef struct Cells "pf_cells":
        pass

    void cells_init "pf_cells_init" (Cells *cells)
    int parking_wait "pf_parking_wait" (Cells *cells, uint32_t *word, uint32_t expected, uint32_t bitset,
                                        Deadline deadline)
    void parking_wake "pf_parking_wake" (Cells *cells, uint32_t *word, int n, uint32_t bitset)
