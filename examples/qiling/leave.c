/* The first thread leaves early; the program goes on, and ends as a whole when another thread says so. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_t first;
static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;

static void *wait_for_ever(void *unused)
{
    pthread_mutex_lock(&held);
    return unused;
}

static void *outlive(void *unused)
{
    pthread_t stuck;

    pthread_join(first, NULL);
    puts("first thread joined");
    pthread_mutex_lock(&held);
    pthread_create(&stuck, NULL, wait_for_ever, NULL);
    for (int i = 0; i < 50; i++)
        sched_yield();
    puts("leaving");
    exit(3);
    return unused;
}

int main(void)
{
    pthread_t other;

    first = pthread_self();
    pthread_create(&other, NULL, outlive, NULL);
    pthread_exit(NULL);
}
