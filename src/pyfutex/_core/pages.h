/* Pages from the kernel: zeroed, aligned, and their content given back without unmapping them. */
#ifndef PYFUTEX_PAGES_H
#define PYFUTEX_PAGES_H

#include <stddef.h>
#include <sys/mman.h>

#define PF_HUGE_PAGE ((size_t)1 << 21)

/* `size` zeroed bytes, page aligned, or NULL. */
static inline void *pf_map_pages(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    if (size >= 2 * PF_HUGE_PAGE)
        madvise(p, size, MADV_HUGEPAGE);
    return p;
}

/* Give the content back; the pages stay readable and writable, and read as zero. */
static inline void pf_drop_pages(void *p, size_t size) { madvise(p, size, MADV_DONTNEED); }

static inline void pf_unmap_pages(void *p, size_t size) { munmap(p, size); }

#endif
