/* What pyfutex's libraries ask the C library for, refused at the n-th time.
 *
 * Their tables of addresses lead to the functions below instead, from the first call of scarcity_begin on: so nothing else in the
 * process is refused anything, and pyfutex is what is installed, not a build of its own. Only calls of the thread that
 * rations itself are counted and refused; what is in use is counted over all threads.
 */
#ifndef PYFUTEX_NATIVE_SCARCITY_H
#define PYFUTEX_NATIVE_SCARCITY_H

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

static __thread long scarcity_asked = -1; /* -1: not rationed */
static __thread long scarcity_refused_at; /* -1: each */
static long scarcity_in_use; /* atomic. Blocks and mappings */

static int refused(void)
{
    return scarcity_asked >= 0 && (scarcity_asked++ == scarcity_refused_at || scarcity_refused_at == -1);
}

static void *counted(void *p)
{
    __atomic_add_fetch(&scarcity_in_use, p != NULL, __ATOMIC_RELAXED);
    return p;
}

static void *scarce_malloc(size_t size) { return refused() ? NULL : counted(malloc(size)); }

static void *scarce_calloc(size_t n, size_t size) { return refused() ? NULL : counted(calloc(n, size)); }

static void *scarce_realloc(void *p, size_t size)
{
    if (refused())
        return NULL;
    return p == NULL ? counted(malloc(size)) : realloc(p, size);
}

static int scarce_posix_memalign(void **p, size_t alignment, size_t size)
{
    int error = refused() ? ENOMEM : posix_memalign(p, alignment, size);
    __atomic_add_fetch(&scarcity_in_use, error == 0, __ATOMIC_RELAXED);
    return error;
}

static void scarce_free(void *p)
{
    __atomic_sub_fetch(&scarcity_in_use, p != NULL, __ATOMIC_RELAXED);
    free(p);
}

static void *scarce_mmap(void *where, size_t size, int protection, int flags, int fd, off_t offset)
{
    void *p;
    if (refused()) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    p = mmap(where, size, protection, flags, fd, offset);
    __atomic_add_fetch(&scarcity_in_use, p != MAP_FAILED, __ATOMIC_RELAXED);
    return p;
}

static int scarce_munmap(void *p, size_t size)
{
    __atomic_sub_fetch(&scarcity_in_use, 1, __ATOMIC_RELAXED);
    return munmap(p, size);
}

static int scarce_eventfd(unsigned int initial, int flags)
{
    if (refused()) {
        errno = EMFILE;
        return -1;
    }
    return eventfd(initial, flags);
}

static const struct {
    const char *name;
    void *function;
} scarce[] = {
    {"malloc", (void *)scarce_malloc},   {"calloc", (void *)scarce_calloc},
    {"realloc", (void *)scarce_realloc}, {"posix_memalign", (void *)scarce_posix_memalign},
    {"free", (void *)scarce_free},       {"mmap", (void *)scarce_mmap},
    {"mmap64", (void *)scarce_mmap},     {"munmap", (void *)scarce_munmap},
    {"eventfd", (void *)scarce_eventfd},
};

/* glibc has added the library's address to what the dynamic section says; musl has not. */
static const char *scarcity_address(const struct dl_phdr_info *library, ElfW(Addr) value)
{
    return (const char *)(value < library->dlpi_addr ? library->dlpi_addr + value : value);
}

/* Whether the entry was one of ours, or not to be changed; 0 with errno where its page cannot be written. */
static int scarcity_replace(const struct dl_phdr_info *library, const char *name, const ElfW(Rela) *entry)
{
    void **slot = (void **)(library->dlpi_addr + entry->r_offset);
    uintptr_t page = (uintptr_t)slot & -(uintptr_t)sysconf(_SC_PAGESIZE);
    size_t i;
    for (i = 0; i < sizeof scarce / sizeof *scarce; i++)
        if (strcmp(name, scarce[i].name) == 0) {
            if (mprotect((void *)page, (uintptr_t)(slot + 1) - page, PROT_READ | PROT_WRITE) != 0)
                return 0;
            *slot = scarce[i].function;
        }
    return 1;
}

static int scarcity_enter(struct dl_phdr_info *library, size_t size, void *n_libraries)
{
    const ElfW(Dyn) *entry = NULL;
    const ElfW(Sym) *symbols = NULL;
    const char *names = NULL;
    const ElfW(Rela) *tables[2] = {NULL, NULL};
    size_t sizes[2] = {0, 0}, i, j;
    (void)size;
    if (strstr(library->dlpi_name, "/pyfutex/") == NULL)
        return 0;
    for (i = 0; i < library->dlpi_phnum; i++)
        if (library->dlpi_phdr[i].p_type == PT_DYNAMIC)
            entry = (const ElfW(Dyn) *)(library->dlpi_addr + library->dlpi_phdr[i].p_vaddr);
    for (; entry != NULL && entry->d_tag != DT_NULL; entry++) {
        if (entry->d_tag == DT_SYMTAB)
            symbols = (const ElfW(Sym) *)scarcity_address(library, entry->d_un.d_ptr);
        else if (entry->d_tag == DT_STRTAB)
            names = scarcity_address(library, entry->d_un.d_ptr);
        else if (entry->d_tag == DT_RELA)
            tables[0] = (const ElfW(Rela) *)scarcity_address(library, entry->d_un.d_ptr);
        else if (entry->d_tag == DT_RELASZ)
            sizes[0] = entry->d_un.d_val;
        else if (entry->d_tag == DT_JMPREL)
            tables[1] = (const ElfW(Rela) *)scarcity_address(library, entry->d_un.d_ptr);
        else if (entry->d_tag == DT_PLTRELSZ)
            sizes[1] = entry->d_un.d_val;
    }
    if (symbols == NULL || names == NULL)
        return -1;
    for (i = 0; i < 2; i++)
        for (j = 0; j < sizes[i] / sizeof(ElfW(Rela)); j++)
            if (ELF64_R_SYM(tables[i][j].r_info) != 0 &&
                !scarcity_replace(library, names + symbols[ELF64_R_SYM(tables[i][j].r_info)].st_name, &tables[i][j]))
                return -1;
    *(int *)n_libraries += 1;
    return 0;
}

/* Lead all libraries of pyfutex that are loaded here: how many, or -1. */
static int scarcity_begin(void)
{
    int n = 0;
    return dl_iterate_phdr(scarcity_enter, &n) == 0 ? n : -1;
}

static void scarcity_ration(long refused_at)
{
    scarcity_refused_at = refused_at;
    scarcity_asked = 0;
}

static long scarcity_end(void)
{
    long asked = scarcity_asked;
    scarcity_asked = -1;
    return asked;
}

#endif
