/* Pages from the kernel: zeroed, aligned, and their content given back without unmapping them. */
#ifndef PYFUTEX_PAGES_H
#define PYFUTEX_PAGES_H

#include <stddef.h>
#include <sys/mman.h>

/* `size` zeroed bytes, page aligned, or NULL. */
static inline void *pf_map_pages(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

/* Give the content back; the pages stay readable and writable, and read as zero. */
static inline void pf_drop_pages(void *p, size_t size) { madvise(p, size, MADV_DONTNEED); }

static inline void pf_unmap_pages(void *p, size_t size) { munmap(p, size); }

#endif
