/* The record that a thread has of itself, for pyfutex_lock.h. */
#ifndef PYFUTEX_SYNC_THREAD_H
#define PYFUTEX_SYNC_THREAD_H

#include <pthread.h>

#include "pyfutex_lock.h"
#include "thread_local.h"

static PF_THREAD_LOCAL pyfutex_thread pf_thread;

static void pf_thread_after_fork(void) { pyfutex_thread_forked(&pf_thread); }

static inline int pf_thread_watch_forks(void) { return pthread_atfork(NULL, NULL, pf_thread_after_fork); }

#endif
