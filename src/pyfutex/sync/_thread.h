/* The record that a thread has of itself, for pyfutex_lock.h. */
#ifndef PYFUTEX_SYNC_THREAD_H
#define PYFUTEX_SYNC_THREAD_H

#include <pthread.h>

#include "_thread_pointer.h"
#include "pyfutex_lock.h"

#if PF_RECORD_IS_STATIC
static __thread pyfutex_thread pf_thread __attribute__((tls_model("initial-exec")));
#else
static __thread pyfutex_thread pf_thread;
#endif

static void pf_thread_after_fork(void) { pyfutex_thread_forked(&pf_thread); }

static inline int pf_thread_watch_forks(void) { return pthread_atfork(NULL, NULL, pf_thread_after_fork); }

#endif
