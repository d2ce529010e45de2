/* The empty methods of floor.pyx, written by hand: METH_FASTCALL | METH_KEYWORDS, keywords matched against interned
 * names. They show what the code that Cython generates for a signature costs. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define MAX_PARAMETERS 6

/* Parameters of a method: `required` and then optional ones, the first `positional` of all by position too. */
struct signature {
    const char *method;
    Py_ssize_t required;
    Py_ssize_t positional;
    const char *names[MAX_PARAMETERS + 1];
    PyObject *interned[MAX_PARAMETERS];
};

static struct signature wake = {"wake", 2, 3, {"mem", "addr", "n", "bitset", "private"}, {NULL}};
static struct signature prepare = {"wait_prepare", 4, 4, {"w", "mem", "addr", "val", "bitset", "private"}, {NULL}};
static struct signature complete = {"wait_complete", 1, 1, {"w"}, {NULL}};

static Py_ssize_t find_name(const struct signature *s, PyObject *name)
{
    for (Py_ssize_t i = 0; i < MAX_PARAMETERS && s->interned[i] != NULL; i++)
        if (s->interned[i] == name)
            return i;
    for (Py_ssize_t i = 0; i < MAX_PARAMETERS && s->interned[i] != NULL; i++) {
        int same = PyObject_RichCompareBool(s->interned[i], name, Py_EQ);
        if (same != 0)
            return same < 0 ? -1 : i;
    }
    PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", s->method, name);
    return -1;
}

static int bind_keywords(const struct signature *s, PyObject *const *args, Py_ssize_t n_args, PyObject *kwnames,
                         PyObject **values)
{
    Py_ssize_t n_keywords = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    for (Py_ssize_t k = 0; k < n_keywords; k++) {
        Py_ssize_t i = find_name(s, PyTuple_GET_ITEM(kwnames, k));
        if (i < 0)
            return -1;
        if (values[i] != NULL) {
            PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%s'", s->method, s->names[i]);
            return -1;
        }
        values[i] = args[n_args + k];
    }
    return 0;
}

/* Fills values[] with borrowed references, NULL where an optional argument is absent. */
static inline int bind(const struct signature *s, PyObject *const *args, Py_ssize_t n_args, PyObject *kwnames,
                       PyObject **values)
{
    if (n_args > s->positional) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most %zd positional arguments", s->method, s->positional);
        return -1;
    }
    for (Py_ssize_t i = 0; i < n_args; i++)
        values[i] = args[i];
    if (kwnames != NULL && bind_keywords(s, args, n_args, kwnames, values) < 0)
        return -1;
    for (Py_ssize_t i = n_args; i < s->required; i++)
        if (values[i] == NULL) {
            PyErr_Format(PyExc_TypeError, "%s() missing argument '%s'", s->method, s->names[i]);
            return -1;
        }
    return 0;
}

static PyObject *manager_wake(PyObject *self, PyObject *const *args, Py_ssize_t n_args, PyObject *kwnames)
{
    PyObject *values[MAX_PARAMETERS] = {NULL};
    (void)self;
    return bind(&wake, args, n_args, kwnames, values) < 0 ? NULL : PyLong_FromLong(0);
}

static PyObject *manager_wait_prepare(PyObject *self, PyObject *const *args, Py_ssize_t n_args, PyObject *kwnames)
{
    PyObject *values[MAX_PARAMETERS] = {NULL};
    (void)self;
    if (bind(&prepare, args, n_args, kwnames, values) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *manager_wait_complete(PyObject *self, PyObject *const *args, Py_ssize_t n_args, PyObject *kwnames)
{
    PyObject *values[MAX_PARAMETERS] = {NULL};
    (void)self;
    if (bind(&complete, args, n_args, kwnames, values) < 0)
        return NULL;
    Py_RETURN_TRUE;
}

static PyObject *futex_wake(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    (void)self;
    (void)args;
    if (n_args > 1) {
        PyErr_SetString(PyExc_TypeError, "wake() takes at most 1 argument");
        return NULL;
    }
    return PyLong_FromLong(0);
}

#define KEYWORDS(function) ((PyCFunction)(void (*)(void))(function)), METH_FASTCALL | METH_KEYWORDS

static PyMethodDef manager_methods[] = {
    {"wake", KEYWORDS(manager_wake), "Wake nobody."},
    {"wait_prepare", KEYWORDS(manager_wait_prepare), "Queue nothing."},
    {"wait_complete", KEYWORDS(manager_wait_complete), "Complete nothing."},
    {NULL, NULL, 0, NULL},
};

static PyMethodDef futex_methods[] = {
    {"wake", (PyCFunction)(void (*)(void))futex_wake, METH_FASTCALL, "Wake nobody."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot manager_slots[] = {{Py_tp_methods, manager_methods}, {0, NULL}};
static PyType_Slot futex_slots[] = {{Py_tp_methods, futex_methods}, {0, NULL}};

static PyType_Spec specs[] = {
    {"pyfutex_floor.handfloor.Manager", sizeof(PyObject), 0, Py_TPFLAGS_DEFAULT, manager_slots},
    {"pyfutex_floor.handfloor.Futex", sizeof(PyObject), 0, Py_TPFLAGS_DEFAULT, futex_slots},
};

static int intern_names(struct signature *s)
{
    for (Py_ssize_t i = 0; s->names[i] != NULL; i++)
        if (s->interned[i] == NULL && (s->interned[i] = PyUnicode_InternFromString(s->names[i])) == NULL)
            return -1;
    return 0;
}

static int handfloor_exec(PyObject *module)
{
    if (intern_names(&wake) < 0 || intern_names(&prepare) < 0 || intern_names(&complete) < 0)
        return -1;
    for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
        PyObject *type = PyType_FromModuleAndSpec(module, &specs[i], NULL);
        if (type == NULL)
            return -1;
        int failed = PyModule_AddType(module, (PyTypeObject *)type);
        Py_DECREF(type);
        if (failed < 0)
            return -1;
    }
    return 0;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, handfloor_exec},
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "handfloor",
    .m_doc = "Empty methods written by hand in C.",
    .m_size = 0,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit_handfloor(void) { return PyModuleDef_Init(&module_definition); }
