/* Variables that each thread has for itself, a few bytes each. */
#ifndef PYFUTEX_THREAD_LOCAL_H
#define PYFUTEX_THREAD_LOCAL_H

#include <features.h> /* says which C library this is */

#ifdef __GLIBC__
/* In the room that the loader keeps for libraries loaded later: no allocation, no call to find them. */
#define PF_THREAD_LOCAL __thread __attribute__((tls_model("initial-exec")))
#else
/* musl keeps no such room, and refuses to load who asks for it. */
#define PF_THREAD_LOCAL __thread
#endif

#endif
