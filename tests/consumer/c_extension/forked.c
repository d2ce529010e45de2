/* What is left of queued waiters in the child of a fork(2), and in its parent. For C and for C++. */
#include <Python.h>
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pyfutex.h"

static const pyfutex_api *futexes;

typedef struct scene {
    pyfutex_manager *manager;
    pyfutex_queue *queue;
    uint32_t cells[3];
    pyfutex_place words[3];
    pyfutex_waiter waiters[3]; /* called, put into the queue, polled */
    uint32_t n_calls;
} scene;

static void count_call(void *context, int result)
{
    (void)result;
    ++((scene *)context)->n_calls;
}

/* Queue all; the number of the first that was refused, or 0. */
static int queue_all(scene *s)
{
    int i;
    for (i = 0; i < 3; ++i)
        if (futexes->wait_prepare(s->manager, &s->waiters[i], &s->words[i], 0, PYFUTEX_ANY, 0) != PYFUTEX_QUEUED)
            return i + 1;
    return 0;
}

/* Wake all and look at each; what was not as it should be, or 0. */
static int wake_all(scene *s)
{
    int i;
    for (i = 0; i < 3; ++i)
        if (futexes->wake(s->manager, &s->words[i], PYFUTEX_ALL, PYFUTEX_ANY) != 1)
            return 10 + i;
    if (s->n_calls != 1)
        return 20;
    if (futexes->queue_pop(s->queue) != &s->waiters[1] || futexes->queue_pop(s->queue) != NULL)
        return 21;
    return futexes->waiter_result(&s->waiters[2]) == 0 ? 0 : 22;
}

static int in_child(scene *s)
{
    int i, fault;
    if (futexes->manager_waiters(s->manager) != 0)
        return 30;
    for (i = 0; i < 3; ++i) {
        if (futexes->wake(s->manager, &s->words[i], PYFUTEX_ALL, PYFUTEX_ANY) != 0)
            return 40 + i;
        if (futexes->waiter_result(&s->waiters[i]) != -ECANCELED || futexes->waiter_cancel(&s->waiters[i]) != 0)
            return 50 + i;
    }
    if (s->n_calls != 0 || futexes->queue_pop(s->queue) != NULL)
        return 60;
    if ((fault = queue_all(s)) != 0 || (fault = wake_all(s)) != 0)
        return fault;
    futexes->queue_free(s->queue);
    return futexes->manager_free(s->manager) == 0 ? 0 : 61;
}

/* What was not as it should be in the child, and in the parent afterwards. */
static PyObject *fork_with_waiters(PyObject *self, PyObject *unused)
{
    scene s;
    pid_t child;
    int i, status = 0, fault;
    (void)self;
    (void)unused;
    memset(&s, 0, sizeof s);
    s.manager = futexes->manager_new(NULL);
    s.queue = futexes->queue_new();
    if (s.manager == NULL || s.queue == NULL)
        return PyErr_NoMemory();
    for (i = 0; i < 3; ++i) {
        s.words[i].target = futexes->host_target();
        s.words[i].addr = (uintptr_t)&s.cells[i];
        s.words[i].size = 4;
    }
    futexes->waiter_init(&s.waiters[0], count_call, &s);
    futexes->waiter_init_queue(&s.waiters[1], s.queue, NULL);
    futexes->waiter_init(&s.waiters[2], NULL, NULL);
    if (queue_all(&s) != 0 || futexes->queue_fileno(s.queue) < 0 || (child = fork()) < 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    if (child == 0)
        _exit(in_child(&s));
    Py_BEGIN_ALLOW_THREADS
    waitpid(child, &status, 0);
    fault = wake_all(&s);
    futexes->queue_free(s.queue);
    if (futexes->manager_free(s.manager) != 0)
        fault = 61;
    Py_END_ALLOW_THREADS
    return Py_BuildValue("ii", WIFEXITED(status) ? WEXITSTATUS(status) : -1, fault);
}

static PyMethodDef methods[] = {
    {"fork_with_waiters", fork_with_waiters, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "forked", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_forked(void)
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
