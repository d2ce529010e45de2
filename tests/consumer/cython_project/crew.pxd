"""Threads that Python knows nothing of."""

cdef extern from "<pthread.h>" nogil:
    ctypedef unsigned long pthread_t
    int pthread_create(pthread_t *thread, const void *attributes, void *(*body)(void *) noexcept nogil, void *argument)
    int pthread_join(pthread_t thread, void **result)

cdef enum:
    MOST_MEMBERS = 16


cdef inline int run_crew(void *(*body)(void *) noexcept nogil, void *members, size_t size, int n) noexcept nogil:
    """Run `body` with each of n structs of `size` bytes, each in a thread, until all are over: 0 or an errno."""
    cdef pthread_t threads[MOST_MEMBERS]
    cdef int error = 0, started = 0, i
    while started < n and error == 0:
        error = pthread_create(&threads[started], NULL, body, <char *> members + started * size)
        started += error == 0
    for i in range(started):
        pthread_join(threads[i], NULL)
    return error
