/* Two threads lock two mutexes in opposite order, and never come back. */
#include <pthread.h>
#include <stdio.h>

static pthread_mutex_t locks[2] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER};
static pthread_barrier_t both_hold_one;

static void *lock_both(void *own)
{
    int mine = *(int *)own;

    pthread_mutex_lock(&locks[mine]);
    pthread_barrier_wait(&both_hold_one);
    pthread_mutex_lock(&locks[1 - mine]);
    return own;
}

int main(void)
{
    static int numbers[2] = {0, 1};
    pthread_t threads[2];

    pthread_barrier_init(&both_hold_one, NULL, 2);
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, lock_both, &numbers[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    puts("not reached");
    return 0;
}
