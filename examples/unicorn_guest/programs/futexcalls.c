/* Every operation of futex(2) and the newer calls, made without a C library in between. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { WAIT, WAKE, REQUEUE = 3, CMP_REQUEUE, WAKE_OP, LOCK_PI, UNLOCK_PI, TRYLOCK_PI, WAIT_BITSET, WAKE_BITSET,
       WAIT_REQUEUE_PI, CMP_REQUEUE_PI, LOCK_PI2, PRIVATE = 128, REALTIME = 256 };
enum { NR_WAITV = 449, NR_WAKE = 454, NR_WAIT, NR_REQUEUE };
enum { SIZE_U32 = 2 };
enum { THREADS = 5 };

struct entry {
    uint64_t val, uaddr;
    uint32_t flags, reserved;
};

static uint32_t words[8];

static long result_of(long result) {
    return result == -1 ? -errno : result;
}

static long futex(uint32_t *uaddr, int op, uint32_t val, uintptr_t timeout, uint32_t *uaddr2, uint32_t val3) {
    return result_of(syscall(SYS_futex, uaddr, op, val, timeout, uaddr2, val3));
}

/* Threads that wait in a call; each says what the call returned. */

static long returned[THREADS];
static int n_started;

static struct timespec in_a_minute(void) {
    struct timespec when;
    clock_gettime(CLOCK_MONOTONIC, &when);
    when.tv_sec += 60;
    return when;
}

static void *in_wait(void *arg) {
    long *result = arg;
    *result = futex(&words[0], WAIT | PRIVATE, 0, 0, NULL, 0);
    return NULL;
}

static void *in_bitset_wait(void *arg) {
    long *result = arg;
    struct timespec when = in_a_minute();
    *result = futex(&words[0], WAIT_BITSET | PRIVATE, 0, (uintptr_t)&when, NULL, 1u << (result - returned));
    return NULL;
}

static void *in_waitv(void *arg) {
    long *result = arg;
    struct entry entries[3];
    struct timespec when = in_a_minute();
    for (int i = 0; i < 3; i++)
        entries[i] = (struct entry){0, (uintptr_t)&words[i], SIZE_U32 | PRIVATE, 0};
    *result = result_of(syscall(NR_WAITV, entries, 3, 0, &when, CLOCK_MONOTONIC));
    return NULL;
}

static void *in_new_wait(void *arg) {
    long *result = arg;
    *result = result_of(syscall(NR_WAIT, &words[0], 0UL, 0xFFFFFFFFUL, SIZE_U32 | PRIVATE, NULL, 0));
    return NULL;
}

static void *in_requeue_wait(void *arg) {
    long *result = arg;
    *result = futex(&words[0], WAIT_REQUEUE_PI | PRIVATE, 0, 0, &words[4], 0);
    if (*result == 0)
        *result = futex(&words[4], UNLOCK_PI | PRIVATE, 0, 0, NULL, 0);
    return NULL;
}

static pthread_t threads[THREADS];

static void start(int n, void *(*body)(void *)) {
    n_started = n;
    for (int i = 0; i < n; i++) {
        returned[i] = 1000;
        pthread_create(&threads[i], NULL, body, &returned[i]);
    }
}

/* Wakes until so many have been woken: how they are spread over the calls depends on who waits already. */
static void wake(uint32_t *uaddr, int op, int n, uint32_t bitset) {
    for (int woken = 0; woken < n;) {
        long now = futex(uaddr, op | PRIVATE, n - woken, 0, NULL, bitset);
        if (now < 0) {
            printf("wake: %ld\n", now);
            return;
        }
        woken += now;
        if (now == 0)
            usleep(1000);
    }
}

static void finish(const char *what) {
    long sum = 0;
    for (int i = 0; i < n_started; i++) {
        pthread_join(threads[i], NULL);
        sum += returned[i];
    }
    printf("%s: %ld\n", what, sum);
}

static void waits(void) {
    start(THREADS, in_wait);
    wake(&words[0], WAKE, THREADS, 0);
    finish("wait");
    start(THREADS, in_bitset_wait);
    for (int i = THREADS - 1; i >= 0; i--)
        wake(&words[0], WAKE_BITSET, 1, 1u << i);
    finish("wait by bitset");
    start(3, in_waitv);
    wake(&words[2], WAKE, 3, 0);
    finish("waitv, third word");
    start(THREADS, in_new_wait);
    for (long woken = 0; woken < THREADS;) {
        long now = result_of(syscall(NR_WAKE, &words[0], 0xFFFFFFFFUL, THREADS, SIZE_U32 | PRIVATE));
        woken += now;
        if (now == 0)
            usleep(1000);
    }
    finish("futex_wait");
}

static void requeues(void) {
    long moved = 0;
    start(THREADS, in_wait);
    while (moved < THREADS) {
        moved += futex(&words[0], REQUEUE | PRIVATE, 0, INT_MAX, &words[1], 0);
        usleep(1000);
    }
    wake(&words[1], WAKE, THREADS, 0);
    finish("requeued");
    start(THREADS, in_wait);
    for (moved = 0; moved < THREADS; usleep(1000))
        moved += futex(&words[0], CMP_REQUEUE | PRIVATE, 1, INT_MAX, &words[1], 0);
    while (futex(&words[1], WAKE | PRIVATE, 1, 0, NULL, 0) == 1)
        ;
    finish("compared and requeued");
    start(THREADS, in_wait);
    for (moved = 0; moved < THREADS; usleep(1000)) {
        struct entry entries[2] = {{0, (uintptr_t)&words[0], SIZE_U32 | PRIVATE, 0},
                                   {0, (uintptr_t)&words[1], SIZE_U32 | PRIVATE, 0}};
        moved += result_of(syscall(NR_REQUEUE, entries, 0, 0, INT_MAX));
    }
    wake(&words[1], WAKE, THREADS, 0);
    finish("futex_requeue");
    /* To a PI futex: the first gets the lock, and hands it to the next. */
    start(THREADS, in_requeue_wait);
    for (moved = 0; moved < THREADS; usleep(1000))
        moved += futex(&words[0], CMP_REQUEUE_PI | PRIVATE, 1, INT_MAX, &words[4], 0);
    finish("requeued to a PI futex");
    printf("  which is free: %u\n", words[4]);
}

static void wake_ops(void) {
    static const struct {
        const char *name;
        uint32_t op, arg, cmp, with;
    } cases[] = {
        {"set", 0, 7, 0, 5}, {"add", 1, 7, 1, 5}, {"or", 2, 8, 2, 6}, {"andn", 3, 4, 3, 5},
        {"xor", 4, 6, 4, 9}, {"add 1 << 4", 1 | 8, 4, 5, 5}, {"add -1", 1, 0xFFF, 0, 5}, {"bad", 7, 0, 0, 0},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        words[2] = 5;
        uint32_t code = cases[i].op << 28 | cases[i].cmp << 24 | cases[i].arg << 12 | cases[i].with;
        long result = futex(&words[0], WAKE_OP | PRIVATE, 1, 1, &words[2], code);
        printf("wake_op %s: %ld, %d\n", cases[i].name, result, (int)words[2]);
    }
    words[2] = 0;
    start(THREADS, in_wait);
    for (long woken = 0; woken < THREADS; usleep(1000))
        woken += futex(&words[2], WAKE_OP | PRIVATE, 1, THREADS, &words[0], 1 << 28);
    finish("wake_op");
}

static void errors(void) {
    static const struct timespec bad = {0, 1000000000}, past = {1, 0}, none = {0, 0};
    uint32_t *odd = (uint32_t *)((char *)words + 1), *nowhere = (uint32_t *)16;
    void *closed = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    printf("value differs: %ld\n", futex(&words[0], WAIT | PRIVATE, 1, 0, NULL, 0));
    printf("no time: %ld\n", futex(&words[0], WAIT | PRIVATE, 0, (uintptr_t)&none, NULL, 0));
    printf("past: %ld\n", futex(&words[0], WAIT_BITSET | PRIVATE, 0, (uintptr_t)&past, NULL, 1));
    printf("past, realtime: %ld\n", futex(&words[0], WAIT_BITSET | PRIVATE | REALTIME, 0, (uintptr_t)&past, NULL, 1));
    printf("bad time: %ld\n", futex(&words[0], WAIT | PRIVATE, 0, (uintptr_t)&bad, NULL, 0));
    printf("time nowhere: %ld\n", futex(&words[0], WAIT | PRIVATE, 0, 16, NULL, 0));
    printf("no bitset: %ld\n", futex(&words[0], WAKE_BITSET | PRIVATE, 1, 0, NULL, 0));
    printf("misaligned: %ld %ld\n", futex(odd, WAIT | PRIVATE, 0, 0, NULL, 0), futex(odd, WAKE, 1, 0, NULL, 0));
    printf("nowhere: %ld %ld %ld\n", futex(nowhere, WAIT | PRIVATE, 0, 0, NULL, 0),
           futex(nowhere, WAKE | PRIVATE, 1, 0, NULL, 0), futex(nowhere, WAKE, 1, 0, NULL, 0));
    printf("closed: %ld\n", futex(closed, WAIT, 0, 0, NULL, 0));
    printf("unknown: %ld %ld\n", futex(&words[0], 14, 0, 0, NULL, 0), futex(&words[0], WAKE | REALTIME, 0, 0, NULL, 0));
    printf("negative: %ld\n", futex(&words[0], REQUEUE | PRIVATE, -1, 1, &words[1], 0));
    printf("not the owner: %ld\n", futex(&words[0], UNLOCK_PI | PRIVATE, 0, 0, NULL, 0));
    printf("waitv: %ld %ld\n", result_of(syscall(NR_WAITV, NULL, 1, 0, NULL, 0)),
           result_of(syscall(NR_WAITV, words, 129, 0, NULL, 0)));
    printf("robust list: %ld\n", result_of(syscall(SYS_set_robust_list, words, 23)));
}

static void locks(void) {
    long tid = syscall(SYS_gettid), locked = futex(&words[5], LOCK_PI | PRIVATE, 0, 0, NULL, 0);
    printf("lock_pi: %ld, holds %d", locked, words[5] == tid);
    printf(", again %ld", futex(&words[5], LOCK_PI | PRIVATE, 0, 0, NULL, 0));
    printf(", try %ld", futex(&words[5], TRYLOCK_PI | PRIVATE, 0, 0, NULL, 0));
    locked = futex(&words[5], UNLOCK_PI | PRIVATE, 0, 0, NULL, 0);
    printf(", unlock %ld, holds %u\n", locked, words[5]);
}

int main(void) {
    if (result_of(syscall(NR_WAKE, words, 0xFFFFFFFFUL, 0, SIZE_U32 | PRIVATE)) == -ENOSYS)
        return 77; /* a kernel older than 6.7 */
    waits();
    requeues();
    wake_ops();
    errors();
    locks();
    return 0;
}
