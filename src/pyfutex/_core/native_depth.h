/* How deep this thread is in callbacks of native waiters, and the calls that it has put off until it is out of them. */
#ifndef PYFUTEX_NATIVE_DEPTH_H
#define PYFUTEX_NATIVE_DEPTH_H

/* Small enough for the room that the loader keeps for libraries loaded later: no allocation, no call to find them. */
static __thread int pf_native_depth __attribute__((tls_model("initial-exec")));
static __thread void *pf_native_put_off __attribute__((tls_model("initial-exec")));      /* the oldest Portion, or NULL */
static __thread void *pf_native_put_off_last __attribute__((tls_model("initial-exec"))); /* the newest */

#endif
