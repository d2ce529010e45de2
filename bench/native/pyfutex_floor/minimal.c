#define _GNU_SOURCE

#include "minimal.h"
#include "stopwatch.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CACHE_LINE 64
#define WORDS_PER_LINE (CACHE_LINE / sizeof(uint64_t))

__extension__ typedef unsigned __int128 product_t;

static inline uint64_t multiply_fold(uint64_t a, uint64_t b)
{
    product_t product = (product_t)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t minimal_wake(const struct minimal_manager *m, uint64_t space, const uint64_t *offsets, uint64_t mask,
                      uint64_t n)
{
    uint64_t found = 0;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t mixed = multiply_fold(offsets[i & mask] ^ m->seed_offset, space ^ m->seed_space);
        uint64_t hash = mixed * UINT64_C(0x9E3779B97F4A7C15);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        const struct minimal_table *t = __atomic_load_n(&m->table, __ATOMIC_ACQUIRE);
        found += __atomic_load_n(&t->counts[hash >> (64 - t->log2_size)], __ATOMIC_ACQUIRE) != 0;
    }
    return found;
}

void minimal_fence(uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static inline long futex(uint32_t *word, int op, uint32_t val, uint64_t val2, uint32_t *word2, uint32_t val3)
{
    return syscall(SYS_futex, word, op, val, val2, word2, val3);
}

static long kernel_wake(uint32_t *word, int n) { return futex(word, FUTEX_WAKE_PRIVATE, n, 0, NULL, 0); }

static inline long kernel_lock_unlock_pi(uint32_t *word, int flag)
{
    long failed = futex(word, FUTEX_LOCK_PI | flag, 0, 0, NULL, 0);
    return failed != 0 ? failed : futex(word, FUTEX_UNLOCK_PI | flag, 0, 0, NULL, 0);
}

/* Answers 0 if the call failed with `expected`. */
static inline long failed_with(int expected, long result) { return result == -1 && errno == expected ? 0 : -1; }

static inline long kernel_wait_timed_out(uint32_t *word, int flag)
{
    struct timespec long_ago = {0, 0};
    return failed_with(ETIMEDOUT, futex(word, FUTEX_WAIT_BITSET | flag, 0, (uintptr_t)&long_ago, NULL, UINT32_MAX));
}

static long kernel_once(enum minimal_kernel_operation operation, uint32_t *words, int flag)
{
    uint32_t *word = &words[0], *word2 = &words[1];
    switch (operation) {
    case KERNEL_WAKE:
        return futex(word, FUTEX_WAKE | flag, 1, 0, NULL, 0);
    case KERNEL_WAIT_REFUSED:
        return failed_with(EAGAIN, futex(word, FUTEX_WAIT | flag, 1, 0, NULL, 0));
    case KERNEL_WAIT_TIMED_OUT:
        return kernel_wait_timed_out(word, flag);
    case KERNEL_REQUEUE:
        return futex(word, FUTEX_REQUEUE | flag, 1, INT32_MAX, word2, 0);
    case KERNEL_CMP_REQUEUE:
        return futex(word, FUTEX_CMP_REQUEUE | flag, 1, INT32_MAX, word2, 0);
    case KERNEL_WAKE_OP:
        return futex(word, FUTEX_WAKE_OP | flag, 1, 1, word2, FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 0));
    case KERNEL_LOCK_UNLOCK_PI:
        return kernel_lock_unlock_pi(word, flag);
    }
    errno = EINVAL;
    return -1;
}

int minimal_kernel(enum minimal_kernel_operation operation, int is_private, uint64_t n)
{
    uint32_t words[2] = {0, 0};
    for (uint64_t i = 0; i < n; i++)
        if (kernel_once(operation, words, is_private ? FUTEX_PRIVATE_FLAG : 0) != 0)
            return -errno;
    return 0;
}

static inline uint64_t xorshift(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

void minimal_chase_link(uint64_t *lines, uint64_t n_lines, uint64_t seed)
{
    uint64_t state = seed | 1;
    for (uint64_t i = 0; i < n_lines; i++)
        lines[i * WORDS_PER_LINE] = i;
    /* Swapping only with an earlier line leaves a single cycle. */
    for (uint64_t i = n_lines - 1; i > 0; i--) {
        uint64_t j = xorshift(&state) % i;
        uint64_t kept = lines[i * WORDS_PER_LINE];
        lines[i * WORDS_PER_LINE] = lines[j * WORDS_PER_LINE];
        lines[j * WORDS_PER_LINE] = kept;
    }
}

uint64_t minimal_chase(const uint64_t *lines, uint64_t start, uint64_t steps)
{
    uint64_t line = start;
    for (uint64_t i = 0; i < steps; i++)
        line = lines[line * WORDS_PER_LINE];
    return line;
}

/* One player owns words[own]: it sleeps there until the other has raised it, and raises the other's in turn. */
struct game {
    struct {
        uint32_t value;
        char apart[CACHE_LINE - sizeof(uint32_t)];
    } words[2];
    int cpu_second;
    uint32_t rounds;
    int error;
};

static int pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static void raise_and_wake(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_SEQ_CST);
    kernel_wake(word, 1);
}

static void wait_beyond(uint32_t *word, uint32_t value)
{
    while (__atomic_load_n(word, __ATOMIC_SEQ_CST) == value)
        futex(word, FUTEX_WAIT_PRIVATE, value, 0, NULL, 0);
}

static void *play_second(void *argument)
{
    struct game *g = argument;
    g->error = pin(g->cpu_second);
    for (uint32_t i = 0; i < g->rounds; i++) {
        wait_beyond(&g->words[1].value, i);
        raise_and_wake(&g->words[0].value, i + 1);
    }
    return NULL;
}

static void play_first(struct game *g, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        raise_and_wake(&g->words[1].value, i + 1);
        wait_beyond(&g->words[0].value, i);
    }
}

int64_t minimal_round_trips(int cpu_first, int cpu_second, uint32_t warmup, uint32_t trips)
{
    struct game g = {.cpu_second = cpu_second, .rounds = warmup + trips};
    pthread_t second;
    cpu_set_t before;
    int error = pthread_getaffinity_np(pthread_self(), sizeof(before), &before);
    if (error == 0)
        error = pin(cpu_first);
    if (error == 0)
        error = pthread_create(&second, NULL, play_second, &g);
    if (error != 0)
        return -error;
    play_first(&g, 0, warmup);
    int64_t start = stopwatch_clock(CLOCK_MONOTONIC);
    play_first(&g, warmup, warmup + trips);
    int64_t elapsed = stopwatch_clock(CLOCK_MONOTONIC) - start;
    pthread_join(second, NULL);
    pthread_setaffinity_np(pthread_self(), sizeof(before), &before);
    return g.error != 0 ? -g.error : elapsed;
}
