/* The address from which a thread finds its thread-local storage.
 *
 * What the C library lays out once for all threads lies at one distance from it in each of them, so that a module finds there
 * what another one defines without a call. glibc has room for that in a library that is loaded late; musl has not.
 */
#ifndef PYFUTEX_SYNC_THREAD_POINTER_H
#define PYFUTEX_SYNC_THREAD_POINTER_H

#include <stddef.h> /* and whatever says which C library this is */
#include <stdlib.h>

#if defined(__GLIBC__) && defined(__x86_64__)
#define PF_RECORD_IS_STATIC 1
static inline char *pf_thread_pointer(void)
{
    char *pointer;
    __asm__("mov %%fs:0, %0" : "=r"(pointer));
    return pointer;
}
#elif defined(__GLIBC__) && defined(__aarch64__)
#define PF_RECORD_IS_STATIC 1
static inline char *pf_thread_pointer(void)
{
    char *pointer;
    __asm__("mrs %0, tpidr_el0" : "=r"(pointer));
    return pointer;
}
#else
#define PF_RECORD_IS_STATIC 0
static inline char *pf_thread_pointer(void) { return NULL; }
#endif

#endif
