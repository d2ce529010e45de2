/* How deep this thread is in on_wake callbacks, and what it has put off until it is out of them. */
#ifndef PYFUTEX_DELIVERY_H
#define PYFUTEX_DELIVERY_H

#include <Python.h>

static __thread int pf_callback_depth;
static __thread PyObject *pf_put_off; /* list of waiters, or NULL; owned */

#endif
