/* A thread ends with a robust mutex locked, once while another waits for it and once before: both learn of the death. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

static pthread_mutex_t lock;
static int locked;

static void *lock_and_end(void *unused)
{
    pthread_mutex_lock(&lock);
    __atomic_store_n(&locked, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < 200; i++)
        sched_yield(); /* the other thread may come to sleep on the mutex meanwhile */
    return unused;
}

static void take_over(const char *when)
{
    int error = pthread_mutex_lock(&lock);

    printf("%s: %s\n", when, error == EOWNERDEAD ? "owner died" : error ? "failed" : "locked");
    if (error == EOWNERDEAD)
        pthread_mutex_consistent(&lock);
    pthread_mutex_unlock(&lock);
}

int main(void)
{
    pthread_mutexattr_t attributes;
    pthread_t owner;

    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&lock, &attributes);

    pthread_create(&owner, NULL, lock_and_end, NULL);
    while (!__atomic_load_n(&locked, __ATOMIC_SEQ_CST))
        sched_yield();
    take_over("while its owner ends");
    pthread_join(owner, NULL);

    pthread_create(&owner, NULL, lock_and_end, NULL);
    pthread_join(owner, NULL);
    take_over("after its owner ended");
    take_over("made consistent");
    return 0;
}
