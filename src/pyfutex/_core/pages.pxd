"""View of pages.h: pages from the kernel for tables and parkers."""


cdef extern from "pages.h" nogil:
    void *map_pages "pf_map_pages" (size_t size)
    void drop_pages "pf_drop_pages" (void *p, size_t size)
    void unmap_pages "pf_unmap_pages" (void *p, size_t size)
