/* Threads count under a priority-inheritance mutex: FUTEX_LOCK_PI and FUTEX_UNLOCK_PI hand it over. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

enum { THREADS = 3, ROUNDS = 40 };

static pthread_mutex_t lock;
static int inside, overlaps, counter;

static void *count(void *unused)
{
    for (int i = 0; i < ROUNDS; i++) {
        pthread_mutex_lock(&lock);
        if (inside++)
            overlaps++;
        sched_yield(); /* others run into the lock */
        inside--;
        counter++;
        pthread_mutex_unlock(&lock);
    }
    return unused;
}

int main(void)
{
    pthread_mutexattr_t attributes;
    pthread_t threads[THREADS];

    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
    if (pthread_mutex_init(&lock, &attributes)) {
        puts("no priority inheritance");
        return 1;
    }
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, count, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("counted %d, overlaps %d\n", counter, overlaps);
    return 0;
}
