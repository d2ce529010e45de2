/* The smallest module that needs pyfutex: it is built against headers of other times. */
#include <Python.h>
#include "pyfutex.h"

static const pyfutex_api *futexes;

/* What a wait on a word that holds another value answers, and a wake with nobody there. */
static PyObject *answers(PyObject *self, PyObject *unused)
{
    uint32_t cell = 1;
    pyfutex_place word = {futexes->host_target(), (uintptr_t)&cell, 4, 0};
    pyfutex_manager *m = futexes->manager_new(NULL);
    int waited, woken;
    (void)self;
    (void)unused;
    if (m == NULL)
        return PyErr_NoMemory();
    Py_BEGIN_ALLOW_THREADS
    waited = futexes->wait(m, &word, 0, PYFUTEX_ANY, NULL);
    woken = futexes->wake(m, &word, PYFUTEX_ALL, PYFUTEX_ANY);
    futexes->manager_free(m);
    Py_END_ALLOW_THREADS
    return Py_BuildValue("ii", waited, woken);
}

static PyMethodDef methods[] = {{"answers", answers, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "small", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_small(void)
{
    PyObject *made;
    if ((futexes = pyfutex_import()) == NULL)
        return NULL;
    made = PyModule_Create(&module);
#ifdef Py_GIL_DISABLED
    if (made != NULL)
        PyUnstable_Module_SetGIL(made, Py_MOD_GIL_NOT_USED);
#endif
    return made;
}
