/* How deep this thread is in on_wake callbacks, and what it has put off until it is out of them. */
#ifndef PYFUTEX_DELIVERY_H
#define PYFUTEX_DELIVERY_H

#include <Python.h>

/* Small enough for the room that the loader keeps for libraries loaded later: no allocation, no call to find them. */
static __thread int pf_callback_depth __attribute__((tls_model("initial-exec")));
static __thread PyObject *pf_put_off __attribute__((tls_model("initial-exec"))); /* list of waiters, or NULL; owned */

#endif
