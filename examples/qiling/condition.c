/* A bounded queue, then a broadcast to sleepers who hold nothing: musl moves the second kind by FUTEX_REQUEUE. */
#include <pthread.h>
#include <stdio.h>

enum { SLOTS = 4, ITEMS = 400, SLEEPERS = 3 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER, not_full = PTHREAD_COND_INITIALIZER;
static pthread_cond_t gate = PTHREAD_COND_INITIALIZER, arrived = PTHREAD_COND_INITIALIZER;
static int slots[SLOTS], used, waiting, open_gate, passed;

static void *produce(void *unused)
{
    for (int i = 1; i <= ITEMS; i++) {
        pthread_mutex_lock(&lock);
        while (used == SLOTS)
            pthread_cond_wait(&not_full, &lock);
        slots[used++] = i;
        pthread_cond_signal(&not_empty);
        pthread_mutex_unlock(&lock);
    }
    return unused;
}

static void *pass_gate(void *unused)
{
    pthread_mutex_lock(&lock);
    waiting++;
    pthread_cond_signal(&arrived);
    while (!open_gate)
        pthread_cond_wait(&gate, &lock);
    passed++;
    pthread_mutex_unlock(&lock);
    return unused;
}

int main(void)
{
    pthread_t producer, sleepers[SLEEPERS];
    int sum = 0;

    pthread_create(&producer, NULL, produce, NULL);
    for (int i = 0; i < ITEMS; i++) {
        pthread_mutex_lock(&lock);
        while (!used)
            pthread_cond_wait(&not_empty, &lock);
        sum += slots[--used];
        pthread_cond_signal(&not_full);
        pthread_mutex_unlock(&lock);
    }
    pthread_join(producer, NULL);
    printf("sum %d\n", sum);

    for (int i = 0; i < SLEEPERS; i++)
        pthread_create(&sleepers[i], NULL, pass_gate, NULL);
    pthread_mutex_lock(&lock);
    while (waiting < SLEEPERS)
        pthread_cond_wait(&arrived, &lock);
    open_gate = 1;
    pthread_cond_broadcast(&gate);
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < SLEEPERS; i++)
        pthread_join(sleepers[i], NULL);
    printf("passed %d\n", passed);
    return 0;
}
