#include "pthreads.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>

static int mutex_loop(uint64_t n)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    int error = 0;
    for (uint64_t i = 0; i < n && error == 0; i++) {
        error = pthread_mutex_lock(&mutex);
        pthread_mutex_unlock(&mutex);
    }
    return error;
}

static int signal_loop(uint64_t n)
{
    pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    int error = 0;
    for (uint64_t i = 0; i < n && error == 0; i++)
        error = pthread_cond_signal(&condition);
    return error;
}

static int semaphore_loop(uint64_t n)
{
    sem_t semaphore;
    int failed = sem_init(&semaphore, 0, 0);
    for (uint64_t i = 0; i < n && failed == 0; i++)
        failed = sem_post(&semaphore) != 0 || sem_wait(&semaphore) != 0;
    return failed ? errno : 0;
}

int pthreads_loop(enum pthreads_operation operation, uint64_t n)
{
    switch (operation) {
    case PTHREADS_MUTEX:
        return mutex_loop(n);
    case PTHREADS_SIGNAL:
        return signal_loop(n);
    case PTHREADS_SEMAPHORE:
        return semaphore_loop(n);
    }
    return EINVAL;
}
