/* Two sleepers on one word, each with a bit of its own: a wake for one bit must leave the other asleep and findable. */
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As in linux/futex.h, which musl-gcc does not find. */
enum { FUTEX_WAIT_BITSET_PRIVATE = 9 | 128, FUTEX_WAKE_BITSET_PRIVATE = 10 | 128 };

static uint32_t word;
static uint32_t bits[2] = {1, 2};

static void *sleep_on(void *bit)
{
    syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, *(uint32_t *)bit);
    printf("bit %u woken\n", *(uint32_t *)bit);
    return bit;
}

int main(void)
{
    pthread_t sleepers[2];

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 0; i < 2; i++)
        pthread_create(&sleepers[i], NULL, sleep_on, &bits[i]);
    for (int i = 1; i >= 0; i--) {
        while (syscall(SYS_futex, &word, FUTEX_WAKE_BITSET_PRIVATE, 2, NULL, NULL, bits[i]) != 1)
            sched_yield();
        pthread_join(sleepers[i], NULL);
    }
    return 0;
}
