/* Threads that count under one lock of pyfutex.sync, for a sanitizer to watch; with NO_LOCK, without it. Some end with the lock
 * held, and the next one goes on; some are handed it while they sleep. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "pyfutex_lock.h"

enum { THREADS = 4, GENERATIONS = 3, ROUNDS = 4000, HANDED = 50 };

static pyfutex_lock lock __attribute__((aligned(8)));
static uint64_t count;

static void check(int holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "crowd: %s\n", what);
    _exit(3);
}

static void take(void)
{
#ifndef NO_LOCK
    int answer = pyfutex_acquire(&lock);
    if (answer == -EOWNERDEAD)
        answer = pyfutex_consistent(&lock);
    check(answer == 0, "not taken");
#endif
}

static void let_go(void)
{
#ifndef NO_LOCK
    check(pyfutex_release(&lock) == 0, "not let go");
#endif
}

static void *work(void *dies)
{
    int i;
    for (i = 0; i < ROUNDS; ++i) {
        take();
        count += 1;
        let_go();
    }
    if (dies != NULL)
        take();
    return NULL;
}

static void *count_once(void *unused)
{
    take();
    count += 1;
    let_go();
    return unused;
}

static void hand_on(void)
{
    pthread_t other;
    take();
    pthread_create(&other, NULL, count_once, NULL);
#ifndef NO_LOCK
    while (!(__atomic_load_n(&lock.word, __ATOMIC_RELAXED) & FUTEX_WAITERS))
        sched_yield();
#endif
    count += 1;
    let_go();
    pthread_join(other, NULL);
}

int main(void)
{
    pthread_t threads[THREADS];
    int i, n;
    check(pyfutex_open(&lock) == 0, "not opened");
    for (i = 0; i < HANDED; ++i)
        hand_on();
    for (n = 0; n < GENERATIONS; ++n) {
        for (i = 0; i < THREADS; ++i)
            pthread_create(&threads[i], NULL, work, NULL);
        for (i = 0; i < THREADS; ++i)
            pthread_join(threads[i], NULL);
        pthread_create(&threads[0], NULL, work, &count);
        pthread_join(threads[0], NULL);
    }
    return count == 2 * HANDED + GENERATIONS * (THREADS + 1) * (uint64_t)ROUNDS ? 0 : 4;
}
