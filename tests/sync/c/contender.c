/* A program that takes locks of pyfutex.sync without Python: contender FILE WHAT [pi]. The file begins with locks, 64 bytes each, and
 * has a count of 8 bytes at 1024. Where a test has to look meanwhile, it says so in a line and waits for one. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pyfutex_lock.h"

enum { ROUNDS = 100000 };

static int (*open_one)(pyfutex_lock *) = pyfutex_open;
static int (*open_other)(pyfutex_lock *) = pyfutex_open_pi;
static pyfutex_lock *locks;
static volatile uint64_t *count;

static void check(int64_t answer, int64_t expected, const char *what)
{
    if (answer == expected)
        return;
    fprintf(stderr, "%s: %ld, not %ld\n", what, (long)answer, (long)expected);
    exit(1);
}

#define CHECK(call, expected) check((call), (expected), #call)

static void meet(void)
{
    puts("here");
    fflush(stdout);
    if (getchar() == EOF)
        exit(2);
}

static void open_locks(void)
{
    int i;
    CHECK(open_one((pyfutex_lock *)((char *)locks + 4)), -EINVAL);
    CHECK(open_one((pyfutex_lock *)((char *)locks + 2048 - 64)), -EBADMSG);
    for (i = 0; i < 8; ++i)
        CHECK(open_one(locks + i), 0);
    CHECK(open_other(locks), -EBADMSG);
}

static void count_up(void)
{
    int i;
    meet();
    for (i = 0; i < ROUNDS; ++i) {
        CHECK(pyfutex_acquire(locks), 0);
        *count += 1;
        CHECK(pyfutex_release(locks), 0);
    }
}

static void hold_and_die(void)
{
    CHECK(pyfutex_acquire(locks), 0);
    CHECK(pyfutex_acquire(locks + 1), 0);
    meet();
    raise(SIGKILL);
}

static void recover(void)
{
    CHECK(pyfutex_acquire(locks), -EOWNERDEAD);
    CHECK(pyfutex_consistent(locks), 0);
    CHECK(pyfutex_consistent(locks), -EINVAL);
    CHECK(pyfutex_release(locks), 0);
    CHECK(pyfutex_try_acquire(locks + 1), -EOWNERDEAD);
    CHECK(pyfutex_release(locks + 1), 0);
    CHECK(pyfutex_acquire(locks + 1), -ENOTRECOVERABLE);
    CHECK(pyfutex_try_acquire(locks + 1), -ENOTRECOVERABLE);
}

static void *hold_and_exit(void *unused)
{
    CHECK(pyfutex_acquire(locks), 0);
    CHECK(pyfutex_acquire(locks + 1), 0);
    meet();
    pthread_exit(unused);
}

/* Places of a semaphore with undo, behind its first 128 bytes. */
static void end_a_thread_with_permits(void)
{
    pthread_t thread;
    locks += 2;
    pthread_create(&thread, NULL, hold_and_exit, NULL);
    pthread_join(thread, NULL);
    meet();
}

static void end_a_thread(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, hold_and_exit, NULL);
    pthread_join(thread, NULL);
    meet();
}

static void wait_in_vain(void)
{
    static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME};
    static const struct timespec past = {-1, 0};
    struct timespec soon;
    size_t i;
    CHECK(pyfutex_try_acquire(locks), -EBUSY);
    for (i = 0; i < 2; ++i) {
        clock_gettime(clocks[i], &soon);
        CHECK(pyfutex_acquire_until(locks, &soon, clocks[i]), -ETIMEDOUT);
        soon.tv_nsec += 10000000;
        if (soon.tv_nsec >= 1000000000) {
            soon.tv_nsec -= 1000000000;
            soon.tv_sec += 1;
        }
        CHECK(pyfutex_acquire_until(locks, &soon, clocks[i]), -ETIMEDOUT);
    }
    CHECK(pyfutex_acquire_until(locks, &past, CLOCK_MONOTONIC), -ETIMEDOUT);
    CHECK(pyfutex_release(locks), -EPERM);
    CHECK(pyfutex_consistent(locks), -EPERM);
}

/* The child's list is its own from the start, whatever the C library left in it. */
static void take_in_a_child(void)
{
    const struct robust_list *list = &pyfutex_this_thread()->head->list;
    int status;
    pid_t child;
    CHECK(pyfutex_acquire(locks), 0);
    CHECK(pyfutex_acquire(locks + 1), 0);
    child = fork();
    if (child == 0) {
        CHECK(pyfutex_release(locks), -EPERM);
        CHECK(pyfutex_try_acquire(locks), -EBUSY);
        CHECK(pyfutex_acquire(locks + 2), 0);
        CHECK(pyfutex_acquire(locks + 3), 0);
        CHECK(pyfutex_release(locks + 2), 0);
        raise(SIGKILL);
    }
    waitpid(child, &status, 0);
    check(WTERMSIG(status), SIGKILL, "the child's end");
    CHECK(pyfutex_release(locks + 1), 0);
    CHECK(pyfutex_acquire(locks + 3), -EOWNERDEAD);
    CHECK(pyfutex_consistent(locks + 3), 0);
    CHECK(pyfutex_release(locks), 0);
    CHECK(pyfutex_release(locks + 3), 0);
    CHECK(list->next == list, 1);
    CHECK(pyfutex_acquire(locks), 0);
    CHECK(pyfutex_acquire(locks), -EDEADLK);
    CHECK(pyfutex_release(locks), 0);
}

/* Among robust mutexes of the C library, which are in the same list. */
static void mix(void)
{
    pthread_mutexattr_t robust;
    pthread_mutex_t *mutexes = (pthread_mutex_t *)((char *)locks + 2048);
    int i;
    pthread_mutexattr_init(&robust);
    pthread_mutexattr_setpshared(&robust, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST);
    for (i = 0; i < 3; ++i) {
        /* Of priority inheritance, which marks the link to it, where there is that. */
        pthread_mutexattr_setprotocol(&robust, i == 1 ? PTHREAD_PRIO_INHERIT : PTHREAD_PRIO_NONE);
        pthread_mutex_init(mutexes + i, &robust);
    }
    for (i = 0; i < 3; ++i) {
        CHECK(pthread_mutex_lock(mutexes + i), 0);
        CHECK(pyfutex_acquire(locks + i), 0);
    }
    CHECK(pyfutex_release(locks + 1), 0);
    CHECK(pthread_mutex_unlock(mutexes + 1), 0);
    CHECK(pthread_mutex_unlock(mutexes), 0);
    CHECK(pyfutex_release(locks), 0);
    CHECK(pthread_mutex_lock(mutexes), 0);
    CHECK(pyfutex_release(locks + 2), 0);
    if (fork() == 0) {
        CHECK(pyfutex_acquire(locks), 0);
        CHECK(pthread_mutex_lock(mutexes + 1), 0);
        CHECK(pyfutex_acquire(locks + 1), 0);
        raise(SIGKILL);
    }
    wait(NULL);
    CHECK(pthread_mutex_lock(mutexes + 1), EOWNERDEAD);
    CHECK(pyfutex_acquire(locks), -EOWNERDEAD);
    CHECK(pyfutex_acquire(locks + 1), -EOWNERDEAD);
}

/* A swap that comes late, after others came and went, takes nothing from who sleeps. */
static void drop_late(void)
{
    CHECK(pyfutex_acquire(locks), 0);
    CHECK(locks->turns, 0);
    locks->word |= FUTEX_WAITERS;
    CHECK(pyfutex_release(locks), 0);
    CHECK(locks->word, 0);
    locks->word = FUTEX_WAITERS;
    CHECK(pyfutex_acquire(locks), 0);
    CHECK(locks->turns, 1);
    CHECK(locks->word & FUTEX_WAITERS, FUTEX_WAITERS);
    pyfutex_lock_drop_waiters(locks, 1);
    CHECK(locks->word & FUTEX_WAITERS, FUTEX_WAITERS);
    CHECK(pyfutex_release(locks), 0);
    locks->word = FUTEX_WAITERS;
    pyfutex_lock_drop_waiters(locks, 0);
    CHECK(locks->word, FUTEX_WAITERS);
    pyfutex_lock_drop_waiters(locks, 1);
    CHECK(locks->word, 0);
}

static void *take_both(void *unused)
{
    CHECK(pyfutex_acquire(locks + 1), 0);
    meet();
    CHECK(pyfutex_acquire(locks), 0);
    CHECK(pyfutex_release(locks), 0);
    CHECK(pyfutex_release(locks + 1), 0);
    return unused;
}

static void wait_in_a_circle(void)
{
    pthread_t thread;
    CHECK(pyfutex_acquire(locks), 0);
    pthread_create(&thread, NULL, take_both, NULL);
    while (!(__atomic_load_n(&locks->word, __ATOMIC_RELAXED) & FUTEX_WAITERS))
        usleep(1000);
    CHECK(pyfutex_acquire(locks + 1), -EDEADLK);
    CHECK(pyfutex_release(locks), 0);
    pthread_join(thread, NULL);
}

static const struct {
    const char *name;
    void (*call)(void);
} things[] = {
    {"open", open_locks},
    {"count", count_up},
    {"hold", hold_and_die},
    {"recover", recover},
    {"end-a-thread", end_a_thread},
    {"end-a-thread-with-permits", end_a_thread_with_permits},
    {"wait-in-vain", wait_in_vain},
    {"drop-late", drop_late},
    {"fork", take_in_a_child},
    {"mix", mix},
    {"circle", wait_in_a_circle},
};

int main(int argc, char **argv)
{
    size_t i;
    int fd = argc >= 3 ? open(argv[1], O_RDWR) : -1;
    locks = (pyfutex_lock *)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (locks == MAP_FAILED)
        return 2;
    if (argc == 4) {
        open_one = pyfutex_open_pi;
        open_other = pyfutex_open;
    }
    count = (volatile uint64_t *)((char *)locks + 1024);
    if (strcmp(argv[2], "end-a-thread-with-permits") != 0)
        open_locks();
    for (i = 0; i < sizeof(things) / sizeof(things[0]); ++i)
        if (strcmp(things[i].name, argv[2]) == 0) {
            things[i].call();
            return 0;
        }
    return 2;
}
