/* Waits that nobody ends: each must come back with ETIMEDOUT, on its clock, and no earlier than asked. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <time.h>

enum { WAIT_MS = 60 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct timespec later(clockid_t clock)
{
    struct timespec deadline;

    clock_gettime(clock, &deadline);
    deadline.tv_nsec += WAIT_MS * 1000000L;
    deadline.tv_sec += deadline.tv_nsec / 1000000000L;
    deadline.tv_nsec %= 1000000000L;
    return deadline;
}

static void report(const char *what, int error, clockid_t clock, const struct timespec *deadline)
{
    struct timespec now;
    int early;

    clock_gettime(clock, &now);
    early = now.tv_sec < deadline->tv_sec ||
            (now.tv_sec == deadline->tv_sec && now.tv_nsec < deadline->tv_nsec);
    printf("%s: %s%s\n", what, error == ETIMEDOUT ? "timed out" : "did not time out", early ? ", early" : "");
}

static void wait_on(const char *what, clockid_t clock)
{
    pthread_condattr_t attributes;
    pthread_cond_t never;
    struct timespec deadline;
    int error;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, clock);
    pthread_cond_init(&never, &attributes);
    pthread_mutex_lock(&lock);
    deadline = later(clock);
    error = pthread_cond_timedwait(&never, &lock, &deadline);
    pthread_mutex_unlock(&lock);
    report(what, error, clock, &deadline);
}

static void *lock_in_vain(void *unused)
{
    struct timespec deadline = later(CLOCK_REALTIME);
    int error = pthread_mutex_timedlock(&lock, &deadline);

    report("mutex, realtime", error, CLOCK_REALTIME, &deadline);
    return unused;
}

int main(void)
{
    struct timespec deadline;
    pthread_t thread;
    sem_t semaphore;
    int error;

    wait_on("condition, realtime", CLOCK_REALTIME);
    wait_on("condition, monotonic", CLOCK_MONOTONIC);
    sem_init(&semaphore, 0, 0);
    deadline = later(CLOCK_REALTIME);
    error = sem_timedwait(&semaphore, &deadline) ? errno : 0;
    report("semaphore, realtime", error, CLOCK_REALTIME, &deadline);
    pthread_mutex_lock(&lock);
    pthread_create(&thread, NULL, lock_in_vain, NULL);
    pthread_join(thread, NULL);
    pthread_mutex_unlock(&lock);
    return 0;
}
