/* Sleepers moved from word to word: FUTEX_CMP_REQUEUE counts what it woke and moved, FUTEX_WAKE_OP wakes on both words. */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As in linux/futex.h, which musl-gcc does not find. */
enum { FUTEX_WAIT = 0, FUTEX_REQUEUE = 3, FUTEX_CMP_REQUEUE = 4, FUTEX_WAKE_OP = 5, FUTEX_PRIVATE_FLAG = 128 };
enum { FUTEX_OP_ADD = 1, FUTEX_OP_CMP_EQ = 0 };
#define FUTEX_OP(op, oparg, cmp, cmparg) ((op) << 28 | (cmp) << 24 | (oparg) << 12 | (cmparg))

enum { SLEEPERS = 4 };

static uint32_t first = 7, second = 5;

static long futex(uint32_t *word, int operation, long value, long value2, uint32_t *word2, long value3)
{
    return syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, value2, word2, value3);
}

static void *sleep_on_first(void *unused)
{
    futex(&first, FUTEX_WAIT, 7, 0, NULL, 0);
    return unused;
}

int main(void)
{
    pthread_t sleepers[SLEEPERS];
    long result;

    for (int i = 0; i < SLEEPERS; i++)
        pthread_create(&sleepers[i], NULL, sleep_on_first, NULL);
    /* A requeue of everybody onto the same word moves nobody, and counts them. */
    while (futex(&first, FUTEX_REQUEUE, 0, INT_MAX, &first, 0) != SLEEPERS)
        sched_yield();

    result = futex(&first, FUTEX_CMP_REQUEUE, 1, INT_MAX, &second, 8);
    printf("wrong value: %s\n", result == -1 && errno == EAGAIN ? "EAGAIN" : "accepted");
    result = futex(&first, FUTEX_CMP_REQUEUE, 1, 2, &second, 7);
    printf("woken and moved: %ld\n", result);
    result = futex(&first, FUTEX_WAKE_OP, 1, INT_MAX, &second,
                   FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 5));
    printf("woken on both words: %ld, second is %u\n", result, second);
    for (int i = 0; i < SLEEPERS; i++)
        pthread_join(sleepers[i], NULL);
    return 0;
}
