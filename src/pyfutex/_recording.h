/* Who is calling: its code, and its thread. */
#ifndef PYFUTEX_RECORDING_H
#define PYFUTEX_RECORDING_H

#include <Python.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A new reference. */
static inline PyObject *pf_code_of(PyFrameObject *frame) { return (PyObject *)PyFrame_GetCode(frame); }

/* Until CPython 3.12 an allocation may collect garbage. The GIL is held all the while, so nobody misses a collection. */
static inline int pf_gc_pause(void)
{
#if PY_VERSION_HEX < 0x030C0000
    return PyGC_Disable();
#else
    return 0;
#endif
}

static inline void pf_gc_resume(int was_enabled)
{
    if (was_enabled)
        PyGC_Enable();
}

static inline uint32_t pf_this_tid(void) { return (uint32_t)syscall(SYS_gettid); }

#endif
