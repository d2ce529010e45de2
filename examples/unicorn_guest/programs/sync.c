/* Mutexes of the four types, condition variables, barriers, rwlocks, semaphores and once, by several threads. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <time.h>

enum { THREADS = 4, ROUNDS = 60 };

static void check(int ok, const char *what) {
    if (!ok)
        printf("FAILED: %s\n", what);
}

/* Mutexes: each type guards a counter of its own. */

static pthread_mutex_t of_type[3];
static long counters[3];

static void *count(void *arg) {
    (void)arg;
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < 3; i++) {
            check(pthread_mutex_lock(&of_type[i]) == 0, "lock");
            counters[i]++;
            pthread_mutex_unlock(&of_type[i]);
        }
    return NULL;
}

static void mutexes(void) {
    static const int types[3] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK};
    pthread_t threads[THREADS];
    pthread_mutexattr_t attr;
    for (int i = 0; i < 3; i++) {
        pthread_mutexattr_init(&attr);
        pthread_mutexattr_settype(&attr, types[i]);
        pthread_mutex_init(&of_type[i], &attr);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, count, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("mutexes: %ld %ld %ld\n", counters[0], counters[1], counters[2]);
    pthread_mutex_lock(&of_type[1]);
    int again = pthread_mutex_lock(&of_type[1]);
    pthread_mutex_unlock(&of_type[1]);
    pthread_mutex_unlock(&of_type[1]);
    pthread_mutex_lock(&of_type[2]);
    int own = pthread_mutex_lock(&of_type[2]);
    pthread_mutex_unlock(&of_type[2]);
    int not_held = pthread_mutex_unlock(&of_type[2]);
    printf("recursive %d, own %d, not held %d\n", again, own == EDEADLK, not_held == EPERM);
    struct timespec soon;
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_nsec += 2000000;
    if (soon.tv_nsec >= 1000000000)
        soon.tv_sec++, soon.tv_nsec -= 1000000000;
    pthread_mutex_lock(&of_type[0]);
    printf("timed lock: %d\n", pthread_mutex_timedlock(&of_type[0], &soon) == ETIMEDOUT);
    pthread_mutex_unlock(&of_type[0]);
}

/* A condition variable: a bounded buffer, and a broadcast at the end. */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int buffer, is_full, is_closed;
static long sum;

static void *consume(void *arg) {
    (void)arg;
    pthread_mutex_lock(&lock);
    for (;;) {
        while (!is_full && !is_closed)
            pthread_cond_wait(&changed, &lock);
        if (!is_full)
            break;
        sum += buffer;
        is_full = 0;
        pthread_cond_broadcast(&changed);
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

static void condition(void) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, consume, NULL);
    pthread_mutex_lock(&lock);
    for (int i = 1; i <= ROUNDS; i++) {
        while (is_full)
            pthread_cond_wait(&changed, &lock);
        buffer = i;
        is_full = 1;
        pthread_cond_broadcast(&changed);
    }
    is_closed = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("condition: %ld\n", sum);

    pthread_condattr_t attr;
    pthread_cond_t alone;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&alone, &attr);
    struct timespec soon;
    clock_gettime(CLOCK_MONOTONIC, &soon);
    soon.tv_nsec += 2000000;
    if (soon.tv_nsec >= 1000000000)
        soon.tv_sec++, soon.tv_nsec -= 1000000000;
    pthread_mutex_lock(&lock);
    printf("timed wait: %d\n", pthread_cond_timedwait(&alone, &lock, &soon) == ETIMEDOUT);
    pthread_mutex_unlock(&lock);
}

/* A barrier: nobody is a phase ahead, and one thread of each phase is the serial one. */

static pthread_barrier_t barrier;
static int phases[THREADS], serial;

static void *pass(void *arg) {
    int self = *(int *)arg;
    for (int round = 0; round < 10; round++) {
        phases[self] = round;
        if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
            __atomic_add_fetch(&serial, 1, __ATOMIC_SEQ_CST);
        for (int i = 0; i < THREADS; i++)
            check(phases[i] == round, "everybody is in this phase");
        pthread_barrier_wait(&barrier);
    }
    return NULL;
}

static void barriers(void) {
    pthread_t threads[THREADS];
    int numbers[THREADS];
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        pthread_create(&threads[i], NULL, pass, &numbers[i]);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("barrier: %d serial threads\n", serial);
}

/* A read-write lock: readers see both halves alike. */

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static volatile long halves[2];

static void *write_halves(void *arg) {
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        pthread_rwlock_wrlock(&rwlock);
        halves[0]++;
        halves[1]++;
        pthread_rwlock_unlock(&rwlock);
    }
    return NULL;
}

static void *read_halves(void *arg) {
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        pthread_rwlock_rdlock(&rwlock);
        check(halves[0] == halves[1], "both halves are alike");
        pthread_rwlock_unlock(&rwlock);
    }
    return NULL;
}

static void rwlocks(void) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, i % 2 ? write_halves : read_halves, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("rwlock: %ld\n", halves[0]);
}

/* Semaphores: two of them pass a turn to and fro. */

static sem_t ping, pong;
static int turns;

static void *answer(void *arg) {
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        sem_wait(&ping);
        turns++;
        sem_post(&pong);
    }
    return NULL;
}

static void semaphores(void) {
    pthread_t thread;
    sem_init(&ping, 0, 0);
    sem_init(&pong, 0, 0);
    pthread_create(&thread, NULL, answer, NULL);
    for (int i = 0; i < ROUNDS; i++) {
        sem_post(&ping);
        sem_wait(&pong);
    }
    pthread_join(thread, NULL);
    struct timespec soon;
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_nsec += 2000000;
    if (soon.tv_nsec >= 1000000000)
        soon.tv_sec++, soon.tv_nsec -= 1000000000;
    int timed_out = sem_timedwait(&ping, &soon) == -1 && errno == ETIMEDOUT;
    printf("semaphores: %d turns, timed wait: %d\n", turns, timed_out);
}

/* Once, and values of each thread. */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static int initialised, destroyed;

static void destroy(void *value) {
    (void)value;
    __atomic_add_fetch(&destroyed, 1, __ATOMIC_SEQ_CST);
}

static void initialise(void) {
    initialised++;
    pthread_key_create(&key, destroy);
}

static void *specific(void *arg) {
    pthread_once(&once, initialise);
    pthread_setspecific(key, arg);
    return pthread_getspecific(key) == arg ? arg : NULL;
}

static void onces(void) {
    pthread_t threads[THREADS];
    int values[THREADS], kept = 0;
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, specific, &values[i]);
    for (int i = 0; i < THREADS; i++) {
        void *value;
        pthread_join(threads[i], &value);
        kept += value == &values[i];
    }
    printf("once: %d, values kept %d, destroyed %d\n", initialised, kept, destroyed);
}

int main(void) {
    mutexes();
    condition();
    barriers();
    rwlocks();
    semaphores();
    onces();
    return 0;
}
