/* A thread that makes the system calls it is told to, and a way to see that it sleeps in one. */
#ifndef PYFUTEX_TEST_CREW_H
#define PYFUTEX_TEST_CREW_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MEMBER_SIGNAL SIGUSR2
#define RESTART_SIGNAL SIGUSR1
#define N_ARGUMENTS 6

typedef struct {
    pthread_t thread;
    int tid;          /* 0: there is no thread */
    uint32_t given;   /* jobs so far; the thread sleeps on it */
    uint32_t done;    /* jobs that are over */
    int leaves;
    long number;
    long arguments[N_ARGUMENTS];
    long result;      /* of the last job: 0 or more, or a negative errno */
    int syscall_file; /* /proc/self/task/TID/syscall and stat */
    int stat_file;
} member;

static inline void do_nothing(int number) { (void)number; }

static inline void member_once(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = do_nothing; /* without SA_RESTART */
    sigaction(MEMBER_SIGNAL, &action, NULL);
    action.sa_flags = SA_RESTART;
    sigaction(RESTART_SIGNAL, &action, NULL);
}

static inline long member_call(long number, const long *a)
{
    long result = syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    return result == -1 ? -errno : result;
}

static inline void *member_main(void *argument)
{
    member *m = argument;
    uint32_t seen = 0;
    m->tid = (int)syscall(SYS_gettid);
    __atomic_store_n(&m->done, 0, __ATOMIC_RELEASE);
    syscall(SYS_futex, &m->done, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    for (;;) {
        uint32_t given;
        while ((given = __atomic_load_n(&m->given, __ATOMIC_ACQUIRE)) == seen)
            syscall(SYS_futex, &m->given, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
        seen = given;
        if (m->leaves)
            return NULL;
        m->result = member_call(m->number, m->arguments);
        __atomic_store_n(&m->done, seen, __ATOMIC_RELEASE);
    }
}

static inline int open_task_file(int tid, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/%s", tid, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* 0, or an errno. */
static inline int member_start(member *m)
{
    int failed;
    memset(m, 0, sizeof *m);
    m->done = UINT32_MAX;
    failed = pthread_create(&m->thread, NULL, member_main, m);
    if (failed != 0)
        return failed;
    while (__atomic_load_n(&m->done, __ATOMIC_ACQUIRE) == UINT32_MAX)
        syscall(SYS_futex, &m->done, FUTEX_WAIT_PRIVATE, UINT32_MAX, NULL, NULL, 0);
    m->syscall_file = open_task_file(m->tid, "syscall");
    m->stat_file = open_task_file(m->tid, "stat");
    return m->syscall_file < 0 || m->stat_file < 0 ? errno : 0;
}

static inline void member_begin(member *m)
{
    __atomic_store_n(&m->given, m->given + 1, __ATOMIC_RELEASE);
    syscall(SYS_futex, &m->given, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Returns once the thread is gone, its number included. It must be idle. */
static inline void member_end(member *m)
{
    m->leaves = 1;
    member_begin(m);
    pthread_join(m->thread, NULL);
    while (syscall(SYS_tgkill, getpid(), m->tid, 0) == 0)
        sched_yield();
    close(m->syscall_file);
    close(m->stat_file);
    m->tid = 0;
}

static inline void member_interrupt(member *m, int restarts)
{
    syscall(SYS_tgkill, getpid(), m->tid, restarts ? RESTART_SIGNAL : MEMBER_SIGNAL);
}

static inline int is_done(const member *m) { return __atomic_load_n(&m->done, __ATOMIC_ACQUIRE) == m->given; }

/* The kernel prints a call only for a thread that is off its processor and not runnable. `first`: its first argument, or
   NULL for any. */
static inline int is_in_call(int syscall_file, long number, const long *first)
{
    char text[128], *rest;
    ssize_t n = pread(syscall_file, text, sizeof text - 1, 0);
    if (n <= 0)
        return 0;
    text[n] = 0;
    return strtol(text, &rest, 10) == number && rest != text
        && (first == NULL || strtoul(rest, NULL, 16) == (unsigned long)*first);
}

/* Whether the thread is inside a call; its first argument. */
static inline int first_argument(int syscall_file, unsigned long *value)
{
    char text[128], *rest;
    ssize_t n = pread(syscall_file, text, sizeof text - 1, 0);
    if (n <= 0)
        return 0;
    text[n] = 0;
    if (strtol(text, &rest, 10) < 0 || rest == text)
        return 0;
    *value = strtoul(rest, NULL, 16);
    return 1;
}

static inline int is_asleep_interruptibly(int stat_file)
{
    char text[256], *end;
    ssize_t n = pread(stat_file, text, sizeof text - 1, 0);
    if (n <= 0)
        return 0;
    text[n] = 0;
    end = strrchr(text, ')');
    return end != NULL && end[1] == ' ' && end[2] == 'S';
}

static inline int sleeps_in_call(int syscall_file, int stat_file, long number, const long *first)
{
    return is_in_call(syscall_file, number, first) && is_asleep_interruptibly(stat_file)
        && is_in_call(syscall_file, number, first);
}

/* Wait until the job is over or its thread sleeps in its call: 1 if it is over, 0 if it sleeps. */
static inline int member_settle(const member *m)
{
    struct timespec moment = {0, 20000};
    for (unsigned looks = 0;; looks++) {
        if (is_done(m))
            return 1;
        if (sleeps_in_call(m->syscall_file, m->stat_file, m->number, &m->arguments[0]))
            return is_done(m);
        if (looks < 100)
            sched_yield();
        else
            nanosleep(&moment, NULL);
    }
}

#endif
