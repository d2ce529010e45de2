/* Rounds through a barrier, with a reader-writer lock and a semaphore inside each. */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>

enum { THREADS = 3, ROUNDS = 20 };

static pthread_barrier_t barrier;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static sem_t tokens;
static int written, stale, serial;

static void *run(void *unused)
{
    for (int round = 1; round <= ROUNDS; round++) {
        sem_wait(&tokens);
        pthread_rwlock_wrlock(&rwlock);
        written++;
        pthread_rwlock_unlock(&rwlock);
        sem_post(&tokens);
        if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
            __atomic_fetch_add(&serial, 1, __ATOMIC_SEQ_CST);
        pthread_rwlock_rdlock(&rwlock);
        if (written != round * THREADS)
            __atomic_fetch_add(&stale, 1, __ATOMIC_SEQ_CST);
        pthread_rwlock_unlock(&rwlock);
        pthread_barrier_wait(&barrier);
    }
    return unused;
}

int main(void)
{
    pthread_t threads[THREADS];

    pthread_barrier_init(&barrier, NULL, THREADS);
    sem_init(&tokens, 0, 1);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, run, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("written %d, stale %d, serial %d\n", written, stale, serial);
    return 0;
}
