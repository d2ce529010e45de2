/* Waits on a clock of the caller's choice, which glibc has and musl has not. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <time.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static sem_t semaphore;
static int is_set;

static struct timespec in_microseconds(clockid_t clock, long us) {
    struct timespec when;
    clock_gettime(clock, &when);
    when.tv_nsec += us * 1000;
    when.tv_sec += when.tv_nsec / 1000000000;
    when.tv_nsec %= 1000000000;
    return when;
}

static int has_come(clockid_t clock, struct timespec when) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec > when.tv_sec || (now.tv_sec == when.tv_sec && now.tv_nsec >= when.tv_nsec);
}

static void *wait_for_what_is_held(void *arg) {
    clockid_t clock = *(clockid_t *)arg;
    struct timespec when = in_microseconds(clock, 2000);
    printf("  mutex %d", pthread_mutex_clocklock(&mutex, clock, &when) == ETIMEDOUT);
    printf(", reader %d", pthread_rwlock_clockrdlock(&rwlock, clock, &when) == ETIMEDOUT);
    printf(", writer %d", pthread_rwlock_clockwrlock(&rwlock, clock, &when) == ETIMEDOUT);
    printf(", semaphore %d", sem_clockwait(&semaphore, clock, &when) == -1 && errno == ETIMEDOUT);
    printf(", in time %d\n", has_come(clock, when));
    return NULL;
}

static void *set(void *arg) {
    (void)arg;
    pthread_mutex_lock(&mutex);
    is_set = 1;
    pthread_cond_signal(&condition);
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static void on(const char *name, clockid_t clock) {
    pthread_t thread;
    struct timespec when = in_microseconds(clock, 2000);
    int error;
    printf("%s\n", name);
    pthread_mutex_lock(&mutex);
    error = pthread_cond_clockwait(&condition, &mutex, clock, &when);
    printf("  condition: timed out %d, in time %d\n", error == ETIMEDOUT, has_come(clock, when));
    when = in_microseconds(clock, 60 * 1000000L);
    is_set = error = 0;
    pthread_create(&thread, NULL, set, NULL);
    while (!is_set && error == 0)
        error = pthread_cond_clockwait(&condition, &mutex, clock, &when);
    printf("  condition: set %d, error %d\n", is_set, error);
    pthread_join(thread, NULL);
    pthread_rwlock_wrlock(&rwlock);
    pthread_create(&thread, NULL, wait_for_what_is_held, &clock);
    pthread_join(thread, NULL);
    pthread_rwlock_unlock(&rwlock);
    pthread_mutex_unlock(&mutex);
}

int main(void) {
    sem_init(&semaphore, 0, 0);
    on("monotonic", CLOCK_MONOTONIC);
    on("realtime", CLOCK_REALTIME);
    return 0;
}
