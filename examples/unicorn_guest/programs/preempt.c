/* Threads that are stopped anywhere: between a load and its store, and between a load and its compare-and-swap. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum { THREADS = 3, ROUNDS = 4000 };

static volatile long plain;
static atomic_long word, retried;

static void *count(void *arg) {
    long again = 0;
    for (int i = 0; i < ROUNDS; i++) {
        plain = plain + 1;
        long seen = atomic_load(&word);
        while (!atomic_compare_exchange_weak(&word, &seen, seen + 1))
            again++;
    }
    atomic_fetch_add(&retried, again);
    return arg;
}

int main(void) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, count, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("%ld lost, %ld retried, %ld counted\n", THREADS * ROUNDS - plain, (long)retried, (long)word);
    return 0;
}
