/* How deep this thread is in on_wake callbacks, and what it has put off until it is out of them. */
#ifndef PYFUTEX_DELIVERY_H
#define PYFUTEX_DELIVERY_H

#include <Python.h>

#include "thread_local.h"

static PF_THREAD_LOCAL int pf_callback_depth;
static PF_THREAD_LOCAL PyObject *pf_put_off; /* list of waiters, or NULL; owned */

#endif
