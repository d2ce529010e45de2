"""Objects that all threads get: without a GIL nobody counts references to them, or each thread would write one line."""

cdef extern from *:
    """
    #if defined(Py_GIL_DISABLED) && SIZEOF_SIZE_T > 4
    static void pf_make_immortal(PyObject *o)
    {
        if (PyObject_IS_GC(o) && PyObject_GC_IsTracked(o))
            PyObject_GC_UnTrack(o);
        /* A count that does not fit makes an object of this thread immortal. Another's would be counted on, for ever. */
        Py_SET_REFCNT(o, (Py_ssize_t)UINT32_MAX + 1);
    }
    #else
    #define pf_make_immortal(o) ((void)(o))
    #endif
    """
    void make_immortal "pf_make_immortal"(object o)     # with a GIL: does nothing
