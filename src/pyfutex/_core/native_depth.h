/* How deep this thread is in callbacks of native waiters, and the calls that it has put off until it is out of them. */
#ifndef PYFUTEX_NATIVE_DEPTH_H
#define PYFUTEX_NATIVE_DEPTH_H

#include "thread_local.h"

static PF_THREAD_LOCAL int pf_native_depth;
static PF_THREAD_LOCAL void *pf_native_put_off;      /* the oldest Portion, or NULL */
static PF_THREAD_LOCAL void *pf_native_put_off_last; /* the newest */

#endif
