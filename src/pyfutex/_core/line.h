/* Memory that shares no cache line with anything else. */
#ifndef PYFUTEX_LINE_H
#define PYFUTEX_LINE_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { PF_LINE = 64 };

/* Of a type or a variable: begins a line. */
#define PF_ON_A_LINE __attribute__((aligned(64)))

/* Zeroed; whole lines, so that what the heap has next is on another one. */
static inline void *pf_calloc_line(size_t size)
{
    void *p = NULL;
    size = (size + PF_LINE - 1) / PF_LINE * PF_LINE;
    if (posix_memalign(&p, PF_LINE, size) != 0)
        return NULL;
    memset(p, 0, size);
    return p;
}

#endif
