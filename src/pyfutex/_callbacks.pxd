"""Calling an `on_wake`: a Python callable, or a C function in a capsule."""

from cpython.exc cimport PyErr_WriteUnraisable
from cpython.ref cimport Py_DECREF, PyObject

from pyfutex._core.checks cimport check_no_lock


cdef extern from "Python.h":
    PyObject *PyObject_CallOneArg(object called, object argument)   # NULL with an exception set
    bint PyCapsule_CheckExact(object o)
    bint PyCapsule_IsValid(object capsule, const char *name)
    void *PyCapsule_GetPointer(object capsule, const char *name)
    void *PyCapsule_GetContext(object capsule)

cdef extern from *:
    """
    #define PF_ON_WAKE "pyfutex.on_wake"
    """
    const char *ON_WAKE "PF_ON_WAKE"

ctypedef void (*CCallback)(void *context, int result) noexcept


cdef inline int check_on_wake(object on_wake) except -1:
    if on_wake is not None and not callable(on_wake) and not PyCapsule_IsValid(on_wake, ON_WAKE):
        raise TypeError('on_wake must be callable, or a capsule named "pyfutex.on_wake"')
    return 0


# Exceptions go to sys.unraisablehook. Requires: attached, no lock held.
cdef inline void call_on_wake(object on_wake, object waiter, int result) noexcept:
    cdef PyObject *returned
    check_no_lock()
    if PyCapsule_CheckExact(on_wake):
        (<CCallback> PyCapsule_GetPointer(on_wake, ON_WAKE))(PyCapsule_GetContext(on_wake), result)
        return
    returned = PyObject_CallOneArg(on_wake, waiter)
    if returned == NULL:
        PyErr_WriteUnraisable(on_wake)
    else:
        Py_DECREF(<object> returned)
