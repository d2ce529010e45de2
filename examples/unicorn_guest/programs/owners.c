/* Robust and priority-inheritance mutexes, and both in one: what becomes of a lock whose owner has gone. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 4, ROUNDS = 50 };

static const char *name_of(int error) {
    switch (error) {
    case 0: return "0";
    case EBUSY: return "EBUSY";
    case EDEADLK: return "EDEADLK";
    case EINVAL: return "EINVAL";
    case ENOTRECOVERABLE: return "ENOTRECOVERABLE";
    case EOWNERDEAD: return "EOWNERDEAD";
    case EPERM: return "EPERM";
    case ETIMEDOUT: return "ETIMEDOUT";
    default: return "another error";
    }
}

static void make(pthread_mutex_t *mutex, int is_robust, int is_pi, int type) {
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, type);
    if (is_robust)
        pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    if (is_pi && pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT) != 0)
        abort();
    if (pthread_mutex_init(mutex, &attr) != 0)
        abort();
}

static struct timespec in_microseconds(long us) {
    struct timespec when;
    clock_gettime(CLOCK_REALTIME, &when);
    when.tv_nsec += us * 1000;
    when.tv_sec += when.tv_nsec / 1000000000;
    when.tv_nsec %= 1000000000;
    return when;
}

static pthread_mutex_t mutex;
static long counter;

static void *count(void *arg) {
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        if (pthread_mutex_lock(&mutex) != 0)
            abort();
        long seen = counter;
        if (i % 8 == 0)
            sched_yield();
        counter = seen + 1;
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static void *take_and_end(void *arg) {
    (void)arg;
    pthread_mutex_lock(&mutex);
    return NULL;
}

static void *await_dead_owner(void *arg) {
    int error = pthread_mutex_lock(&mutex);
    if (error == EOWNERDEAD) {
        __atomic_add_fetch((int *)arg, 1, __ATOMIC_SEQ_CST);
        error = pthread_mutex_consistent(&mutex);
    }
    if (error == 0)
        pthread_mutex_unlock(&mutex);
    return NULL;
}

static void *hold_for_a_while(void *arg) {
    pthread_mutex_lock(&mutex);
    sem_post(arg);
    usleep(3000);
    return NULL; /* with the lock held */
}

static void contend(const char *what) {
    pthread_t threads[THREADS];
    counter = 0;
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, count, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("%s: counted %ld\n", what, counter);
}

static void *try_and_wait(void *arg) {
    struct timespec soon = in_microseconds(2000);
    (void)arg;
    int tried = pthread_mutex_trylock(&mutex);
    int timed = pthread_mutex_timedlock(&mutex, &soon);
    int unlocked = pthread_mutex_unlock(&mutex);
    printf("  held by another: trylock %s, timedlock %s, unlock %s\n", name_of(tried), name_of(timed),
           name_of(unlocked));
    return NULL;
}

static void held(void) {
    pthread_t thread;
    pthread_mutex_lock(&mutex);
    pthread_create(&thread, NULL, try_and_wait, NULL);
    pthread_join(thread, NULL);
    printf("  held by oneself: lock %s", name_of(pthread_mutex_lock(&mutex)));
    printf(", unlock %s", name_of(pthread_mutex_unlock(&mutex)));
    printf(", again %s\n", name_of(pthread_mutex_unlock(&mutex)));
}

static void robust(const char *what, int is_pi) {
    pthread_t threads[THREADS];
    make(&mutex, 1, is_pi, PTHREAD_MUTEX_NORMAL);
    contend(what);

    pthread_create(&threads[0], NULL, take_and_end, NULL);
    pthread_join(threads[0], NULL);
    printf("  owner gone: lock %s", name_of(pthread_mutex_lock(&mutex)));
    printf(", consistent %s", name_of(pthread_mutex_consistent(&mutex)));
    printf(", unlock %s", name_of(pthread_mutex_unlock(&mutex)));
    printf(", lock %s", name_of(pthread_mutex_lock(&mutex)));
    printf(", unlock %s\n", name_of(pthread_mutex_unlock(&mutex)));

    /* An owner that goes while others wait: one of them is told, the others get the lock from it. */
    int told = 0;
    sem_t is_held;
    sem_init(&is_held, 0, 0);
    pthread_create(&threads[0], NULL, hold_for_a_while, &is_held);
    sem_wait(&is_held);
    for (int i = 1; i < THREADS; i++)
        pthread_create(&threads[i], NULL, await_dead_owner, &told);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("  owner goes while %d wait: %d told\n", THREADS - 1, told);

    /* Not made consistent: lost for good. */
    pthread_create(&threads[0], NULL, take_and_end, NULL);
    pthread_join(threads[0], NULL);
    printf("  owner gone: lock %s", name_of(pthread_mutex_lock(&mutex)));
    printf(", unlock %s", name_of(pthread_mutex_unlock(&mutex)));
    printf(", lock %s\n", name_of(pthread_mutex_lock(&mutex)));
}

int main(void) {
    robust("robust", 0);
    make(&mutex, 0, 1, PTHREAD_MUTEX_ERRORCHECK);
    contend("priority inheritance");
    held();
    robust("robust, priority inheritance", 1);
    return 0;
}
