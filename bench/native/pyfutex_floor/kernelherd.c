#define _GNU_SOURCE

#include "kernelherd.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STACK (64 * 1024)

static void *sleep_until_free(void *argument)
{
    struct kernelherd *herd = argument;
    while (!__atomic_load_n(&herd->is_free, __ATOMIC_ACQUIRE))
        syscall(SYS_futex, &herd->words[0], FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    return NULL;
}

static int64_t move(struct kernelherd *herd, uint32_t from)
{
    long moved = syscall(SYS_futex, &herd->words[from], FUTEX_REQUEUE_PRIVATE, 0, (uintptr_t)INT32_MAX,
                         &herd->words[1 - from], 0);
    return moved < 0 ? -errno : moved;
}

int kernelherd_gather(struct kernelherd *herd, uint32_t size)
{
    pthread_attr_t attributes;
    memset(herd, 0, sizeof(*herd));
    herd->threads = calloc(size ? size : 1, sizeof(pthread_t));
    if (herd->threads == NULL)
        return ENOMEM;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    int error = 0;
    while (herd->size < size && error == 0) {
        error = pthread_create(&herd->threads[herd->size], &attributes, sleep_until_free, herd);
        herd->size += error == 0;
    }
    pthread_attr_destroy(&attributes);
    /* Who has been moved was asleep. */
    for (int64_t asleep = 0, moved; error == 0 && asleep < size; asleep += moved) {
        moved = move(herd, 0);
        error = moved < 0 ? (int)-moved : 0;
        sched_yield();
    }
    herd->at = 1;
    if (error != 0)
        kernelherd_scatter(herd);
    return error;
}

int64_t kernelherd_move(struct kernelherd *herd)
{
    int64_t moved = move(herd, herd->at);
    herd->at = 1 - herd->at;
    return moved;
}

void kernelherd_scatter(struct kernelherd *herd)
{
    __atomic_store_n(&herd->is_free, 1, __ATOMIC_RELEASE);
    /* The word tells those who are about to sleep; both are woken, for some may have been moved. */
    for (int i = 0; i < 2; i++) {
        __atomic_store_n(&herd->words[i], 1, __ATOMIC_SEQ_CST);
        syscall(SYS_futex, &herd->words[i], FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
    }
    for (uint32_t i = 0; i < herd->size; i++)
        pthread_join(herd->threads[i], NULL);
    free(herd->threads);
    herd->threads = NULL;
    herd->size = 0;
}
