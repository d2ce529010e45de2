/* An emulator in small: a software MMU, locks in guest memory, threads that Python knows nothing of. For C and for C++. */
#include <Python.h>
#include <pthread.h>

#include "mmu.h"

#define MOST_THREADS 16
#define MMU_CAPSULE "pyfutex.target_functions"

static const pyfutex_api *futexes;

/* --- the lock: 0 free, 1 held, 2 held and perhaps waited for --- */

typedef struct guest_lock {
    pyfutex_manager *manager;
    pyfutex_place word;
    void *memory; /* the mmu */
    int error;    /* the last refusal */
} guest_lock;

static uint64_t guest_swap(guest_lock *lock, uint64_t desired)
{
    uint64_t previous = 0;
    if (mmu_swap(lock->memory, lock->word.addr, lock->word.size, desired, &previous) != 0)
        lock->error = EFAULT;
    return previous;
}

static void guest_acquire(guest_lock *lock)
{
    uint64_t seen = 0;
    int answer;
    mmu_compare_and_swap(lock->memory, lock->word.addr, lock->word.size, 0, 1, &seen);
    if (seen == 0)
        return;
    while (lock->error == 0 && guest_swap(lock, 2) != 0) {
        answer = futexes->wait(lock->manager, &lock->word, 2, PYFUTEX_ANY, NULL);
        if (answer != 0 && answer != -EAGAIN)
            lock->error = -answer;
    }
}

static void guest_release(guest_lock *lock)
{
    int woken;
    if (guest_swap(lock, 0) != 2)
        return;
    woken = futexes->wake(lock->manager, &lock->word, 1, PYFUTEX_ANY);
    if (woken < 0)
        lock->error = -woken;
}

/* --- threads --- */

typedef struct job {
    guest_lock lock;
    uint64_t *counter; /* guarded by the lock, and by nothing else */
    unsigned rounds;
    uint64_t n_woken;
    const pyfutex_place *words;
    size_t n_words;
} job;

static int run_threads(void *(*body)(void *), job *jobs, unsigned n)
{
    pthread_t threads[MOST_THREADS];
    unsigned started = 0, i;
    int error = 0;
    while (started < n && error == 0) {
        error = pthread_create(&threads[started], NULL, body, &jobs[started]);
        started += error == 0;
    }
    for (i = 0; i < started; ++i)
        pthread_join(threads[i], NULL);
    return error;
}

static void *count_under_lock(void *argument)
{
    job *mine = (job *)argument;
    unsigned i;
    for (i = 0; i < mine->rounds && mine->lock.error == 0; ++i) {
        guest_acquire(&mine->lock);
        ++*mine->counter;
        guest_release(&mine->lock);
    }
    return NULL;
}

static void *wake_words(void *argument)
{
    job *mine = (job *)argument;
    size_t i;
    for (i = 0; i < mine->n_words; ++i) {
        int woken = futexes->wake(mine->lock.manager, &mine->words[i], 1, PYFUTEX_ANY);
        if (woken < 0)
            mine->lock.error = -woken;
        else
            mine->n_woken += (unsigned)woken;
    }
    return NULL;
}

static void count_call(void *context, int result)
{
    if (result == 0)
        __atomic_add_fetch((uint32_t *)context, 1, __ATOMIC_SEQ_CST);
}

/* --- for Python --- */

static void free_memory(PyObject *capsule)
{
    free(PyCapsule_GetContext(capsule));
}

static PyObject *new_memory(PyObject *self, PyObject *arguments)
{
    mmu *memory;
    PyObject *capsule, *mappable = Py_None;
    unsigned n_pages, i;
    (void)self;
    if (!PyArg_ParseTuple(arguments, "I|O", &n_pages, &mappable))
        return NULL;
    if (n_pages > N_PAGES)
        return PyErr_Format(PyExc_ValueError, "at most %u pages", N_PAGES);
    if ((memory = (mmu *)calloc(1, sizeof *memory)) == NULL)
        return PyErr_NoMemory();
    for (i = 0; i < n_pages; ++i)
        mmu_map(memory, i);
    if (mappable != Py_None && (memory->mappable = futexes->mappable_of(mappable)) == 0) {
        free(memory);
        return NULL;
    }
    if ((capsule = PyCapsule_New((void *)&mmu_functions, MMU_CAPSULE, NULL)) == NULL) {
        free(memory);
        return NULL;
    }
    /* The context first: without it the destructor would have nothing to free. */
    if (PyCapsule_SetContext(capsule, memory) != 0 || PyCapsule_SetDestructor(capsule, free_memory) != 0) {
        Py_DECREF(capsule);
        return NULL;
    }
    return capsule;
}

/* threads, rounds, size of the word: what was counted under a lock in guest memory, what the word holds, who is queued. */
static PyObject *count(PyObject *self, PyObject *arguments)
{
    static mmu memory;
    job jobs[MOST_THREADS];
    pyfutex_target *target;
    pyfutex_manager *manager;
    uint64_t counter = 0, left, n_queued;
    unsigned n_threads, rounds, size, i;
    int error;
    (void)self;
    if (!PyArg_ParseTuple(arguments, "III", &n_threads, &rounds, &size))
        return NULL;
    if (n_threads > MOST_THREADS)
        return PyErr_Format(PyExc_ValueError, "at most %d threads", MOST_THREADS);
    memset(&memory, 0, sizeof memory);
    memset(jobs, 0, sizeof jobs);
    mmu_map(&memory, 3);
    manager = futexes->manager_new(NULL);
    target = futexes->target_new(&mmu_functions, &memory);
    if (manager == NULL || target == NULL) {
        futexes->target_free(target);
        futexes->manager_free(manager);
        return PyErr_NoMemory();
    }
    for (i = 0; i < n_threads; ++i) {
        jobs[i].lock.manager = manager;
        jobs[i].lock.memory = &memory;
        jobs[i].lock.word.target = target;
        jobs[i].lock.word.addr = 3 * PAGE_BYTES + 64;
        jobs[i].lock.word.size = size;
        jobs[i].counter = &counter;
        jobs[i].rounds = rounds;
    }
    Py_BEGIN_ALLOW_THREADS
    error = run_threads(count_under_lock, jobs, n_threads);
    n_queued = futexes->manager_waiters(manager);
    mmu_load(&memory, 3 * PAGE_BYTES + 64, size, &left);
    futexes->target_free(target);
    futexes->manager_free(manager);
    Py_END_ALLOW_THREADS
    for (i = 0; i < n_threads && error == 0; ++i)
        error = jobs[i].lock.error;
    if (error != 0) {
        errno = error;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return Py_BuildValue("KKK", (unsigned long long)counter, (unsigned long long)left, (unsigned long long)n_queued);
}

/* manager, target, n, threads: queue a C waiter behind whoever waits at each of n words of 4 bytes from address 0 on, and wake
 * all of them from threads: how many were woken, and how many of ours were called. */
static PyObject *wake_from_threads(PyObject *self, PyObject *arguments)
{
    PyObject *manager_object, *target_object;
    pyfutex_manager *manager;
    const pyfutex_target *target;
    pyfutex_waiter *waiters;
    pyfutex_place *words;
    job jobs[MOST_THREADS];
    uint32_t n_called = 0;
    uint64_t n_woken = 0;
    unsigned n, n_threads, i;
    int error = 0;
    (void)self;
    if (!PyArg_ParseTuple(arguments, "OOII", &manager_object, &target_object, &n, &n_threads))
        return NULL;
    if (n_threads > MOST_THREADS)
        return PyErr_Format(PyExc_ValueError, "at most %d threads", MOST_THREADS);
    if ((manager = futexes->manager_of(manager_object)) == NULL || (target = futexes->target_of(target_object)) == NULL)
        return NULL;
    waiters = (pyfutex_waiter *)calloc(n, sizeof *waiters);
    words = (pyfutex_place *)calloc(n, sizeof *words);
    if (waiters == NULL || words == NULL) {
        free(waiters);
        free(words);
        return PyErr_NoMemory();
    }
    memset(jobs, 0, sizeof jobs);
    Py_BEGIN_ALLOW_THREADS
    for (i = 0; i < n; ++i) {
        words[i].target = target;
        words[i].addr = 4 * i;
        words[i].size = 4;
        futexes->waiter_init(&waiters[i], count_call, &n_called);
        if (futexes->wait_prepare(manager, &waiters[i], &words[i], 0, PYFUTEX_ANY, 0) != PYFUTEX_QUEUED)
            error = EINVAL;
    }
    for (i = 0; i < n_threads; ++i) {
        jobs[i].lock.manager = manager;
        jobs[i].words = words;
        jobs[i].n_words = n;
    }
    if (error == 0)
        error = run_threads(wake_words, jobs, n_threads);
    for (i = 0; i < n_threads; ++i) {
        n_woken += jobs[i].n_woken;
        if (jobs[i].lock.error != 0)
            error = jobs[i].lock.error;
    }
    /* Nothing is queued any more after this, or nothing may be freed. */
    for (i = 0; i < n; ++i)
        futexes->waiter_cancel(&waiters[i]);
    free(waiters);
    free(words);
    Py_END_ALLOW_THREADS
    if (error != 0) {
        errno = error;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return Py_BuildValue("KI", (unsigned long long)n_woken, (unsigned)n_called);
}

static PyMethodDef methods[] = {
    {"new_memory", new_memory, METH_VARARGS, "A capsule for pyfutex.NativeTarget: n pages are mapped."},
    {"count", count, METH_VARARGS, NULL},
    {"wake_from_threads", wake_from_threads, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "consumer", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_consumer(void)
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
