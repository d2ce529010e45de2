/* The threads of C11: thrd, mtx, cnd, call_once, tss, and atomics. */
#include <stdatomic.h>
#include <stdio.h>
#include <threads.h>
#include <time.h>

enum { THREADS = 4, ROUNDS = 60 };

static mtx_t plain, recursive, timed;
static cnd_t changed;
static once_flag once = ONCE_FLAG_INIT;
static tss_t key;
static int turn, n_once;
static long counter;
static atomic_int destroyed;
static atomic_long relaxed;
static atomic_flag spin = ATOMIC_FLAG_INIT;

static void destroy(void *value) {
    (void)value;
    atomic_fetch_add(&destroyed, 1);
}

static void initialise(void) {
    n_once++;
    tss_create(&key, destroy);
}

static int take_turns(void *arg) {
    int self = *(int *)arg;
    call_once(&once, initialise);
    tss_set(key, arg);
    for (int i = 0; i < ROUNDS; i++) {
        mtx_lock(&plain);
        while (turn != self)
            cnd_wait(&changed, &plain);
        turn = (turn + 1) % THREADS;
        counter++;
        cnd_broadcast(&changed);
        mtx_unlock(&plain);
        long seen = atomic_load_explicit(&relaxed, memory_order_relaxed);
        while (!atomic_compare_exchange_weak(&relaxed, &seen, seen + 1))
            ;
        while (atomic_flag_test_and_set(&spin))
            thrd_yield();
        atomic_flag_clear(&spin);
    }
    return tss_get(key) == arg ? 100 + self : -1;
}

int main(void) {
    thrd_t threads[THREADS];
    int numbers[THREADS], result, sum = 0;
    struct timespec soon;
    mtx_init(&plain, mtx_plain);
    mtx_init(&recursive, mtx_plain | mtx_recursive);
    mtx_init(&timed, mtx_timed);
    cnd_init(&changed);
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        thrd_create(&threads[i], take_turns, &numbers[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        thrd_join(threads[i], &result);
        sum += result;
    }
    printf("turns %ld, atomics %ld, results %d, once %d, destroyed %d\n", counter, (long)relaxed, sum, n_once,
           (int)destroyed);
    mtx_lock(&recursive);
    printf("recursive %d\n", mtx_lock(&recursive) == thrd_success);
    mtx_unlock(&recursive);
    mtx_unlock(&recursive);
    mtx_lock(&timed);
    timespec_get(&soon, TIME_UTC);
    soon.tv_nsec += 2000000;
    soon.tv_sec += soon.tv_nsec / 1000000000;
    soon.tv_nsec %= 1000000000;
    printf("timed %d, busy %d\n", mtx_timedlock(&timed, &soon) == thrd_timedout, mtx_trylock(&timed) == thrd_busy);
    printf("timed wait %d\n", cnd_timedwait(&changed, &timed, &soon) == thrd_timedout);
    thrd_sleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    return 0;
}
