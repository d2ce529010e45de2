/* Small exact ints without a function call. */
#ifndef PYFUTEX_ARGUMENTS_H
#define PYFUTEX_ARGUMENTS_H

#include <Python.h>
#include <stdint.h>

/* Whether `o` is exactly an int of one digit or none and not negative; then *value is it. */
static inline int pf_small_int(PyObject *o, uint64_t *value)
{
    if (!PyLong_CheckExact(o))
        return 0;
#if PY_VERSION_HEX >= 0x030C0000
    if (!PyUnstable_Long_IsCompact((PyLongObject *)o))
        return 0;
    Py_ssize_t small = PyUnstable_Long_CompactValue((PyLongObject *)o);
    *value = (uint64_t)small;
    return small >= 0;
#else
    Py_ssize_t digits = Py_SIZE(o);
    if (digits & ~(Py_ssize_t)1)
        return 0;
    *value = digits ? ((PyLongObject *)o)->ob_digit[0] : 0;
    return 1;
#endif
}

#endif
