/* The calling thread's parker: a thread-local pointer, and a key whose destructor gives it back when the thread ends. */
#ifndef PYFUTEX_THREAD_PARKER_H
#define PYFUTEX_THREAD_PARKER_H

#include <pthread.h>
#include <stdlib.h>

#include "thread_local.h"

static PF_THREAD_LOCAL void *pf_thread_parker;
static pthread_key_t pf_parker_key;

static inline int pf_parker_key_init(void (*give_back)(void *))
{
    return pthread_key_create(&pf_parker_key, give_back);
}

static inline void pf_set_thread_parker(void *parker)
{
    pf_thread_parker = parker;
    pthread_setspecific(pf_parker_key, parker);
}

static inline void *pf_get_thread_parker(void) { return pf_thread_parker; }

/* For the destructor alone, which the key calls with its own value reset. */
static inline void pf_forget_thread_parker(void) { pf_thread_parker = NULL; }

#endif
