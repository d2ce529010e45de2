/* Signals: handlers, what they interrupt and what starts again, masks, stacks, faults. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t handled, last, code, depth, deepest, on_stack;
static volatile uintptr_t fault_at;
static sigjmp_buf back;
static char stack[65536];

static void count(int signo) {
    handled++;
    last = signo;
}

static void describe(int signo, siginfo_t *info, void *context) {
    char here;
    (void)context;
    count(signo);
    code = info->si_code;
    on_stack = &here >= stack && &here < stack + sizeof stack;
}

static void nest(int signo) {
    if (++depth > deepest)
        deepest = depth;
    if (signo == SIGUSR1)
        raise(SIGUSR2);
    depth--;
}

static void compute(int signo) {
    volatile double a = 1.5, b = signo;
    volatile long double c = 2.5L;
    a = a * b + 3.25;
    c = c * c / 7;
    handled++;
}

static void escape(int signo, siginfo_t *info, void *context) {
    (void)signo;
    (void)context;
    fault_at = (uintptr_t)info->si_addr;
    siglongjmp(back, 1);
}

static void on(int signo, void (*handler)(int), int flags) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigaction(signo, &action, NULL);
}

static void on_info(int signo, void (*handler)(int, siginfo_t *, void *), int flags) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handler;
    action.sa_flags = flags | SA_SIGINFO;
    sigaction(signo, &action, NULL);
}

static void raising(void) {
    on_info(SIGUSR1, describe, 0);
    raise(SIGUSR1);
    printf("raised: handled %d, from tkill %d\n", (int)handled, code == SI_TKILL);
    kill(getpid(), SIGUSR1);
    printf("killed: handled %d, from kill %d\n", (int)handled, code == SI_USER);
    on(SIGUSR1, nest, 0);
    on(SIGUSR2, nest, 0);
    raise(SIGUSR1);
    printf("nested: %d deep\n", (int)deepest);
    on(SIGUSR1, SIG_IGN, 0);
    raise(SIGUSR1);
    on(SIGUSR1, count, SA_RESETHAND);
    raise(SIGUSR1);
    struct sigaction now;
    sigaction(SIGUSR1, NULL, &now);
    printf("reset: %d\n", now.sa_handler == SIG_DFL);
}

static void stacks(void) {
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&alternate, NULL);
    on_info(SIGUSR1, describe, SA_ONSTACK);
    raise(SIGUSR1);
    printf("alternate stack: %d", (int)on_stack);
    on_info(SIGUSR1, describe, 0);
    raise(SIGUSR1);
    printf(", without: %d\n", (int)on_stack);
}

/* A timer that rings at any instruction must leave every register as it was. */
static void numbers(void) {
    struct itimerval timer = {{0, 500}, {0, 500}};
    double sum = 0.5;
    long double product = 1;
    uint64_t hash = 1;
    handled = 0;
    on(SIGALRM, compute, SA_RESTART);
    setitimer(ITIMER_REAL, &timer, NULL);
    for (int i = 1; handled < 5; i = i % 1000 + 1) {
        double before = sum;
        for (int k = 1; k <= 1000; k++) {
            sum = sum * 0.9375 + k / 3.0;
            product = product * 1.00048828125L - product / k;
            hash = (hash ^ k) * 1099511628211u + (hash >> 7);
            if (product == 0)
                product = 1;
        }
        if (i > 1 && sum != before) {
            printf("FAILED: floating point\n");
            break;
        }
        hash = product = 1;
    }
    memset(&timer, 0, sizeof timer);
    setitimer(ITIMER_REAL, &timer, NULL);
    printf("floating point: %.10f, handled %d\n", sum, handled >= 5);
}

static void masks(void) {
    sigset_t set, old, pending;
    handled = 0;
    on(SIGUSR1, count, 0);
    on(SIGUSR2, count, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, &old);
    raise(SIGUSR1);
    raise(SIGUSR1);
    sigpending(&pending);
    printf("blocked: handled %d, pending %d", (int)handled, sigismember(&pending, SIGUSR1));
    int result = sigsuspend(&old);
    printf(", after sigsuspend %d (%d)", (int)handled, result == -1 && errno == EINTR);
    sigprocmask(SIG_SETMASK, NULL, &set);
    printf(", still blocked %d\n", sigismember(&set, SIGUSR1));
    raise(SIGUSR1);
    int taken = 0;
    sigwait(&set, &taken);
    printf("sigwait: %d, handled %d\n", taken == SIGUSR1, (int)handled);
    struct timespec shortly = {0, 1000000};
    result = sigtimedwait(&set, NULL, &shortly);
    printf("sigtimedwait: %d\n", result == -1 && errno == EAGAIN);
    sigprocmask(SIG_SETMASK, &old, NULL);
}

/* What a signal does to a thread that waits. */

static sem_t semaphore;
static int waited, waited_errno;
static volatile int is_over;

static void *await(void *arg) {
    (void)arg;
    waited = sem_wait(&semaphore);
    waited_errno = errno;
    is_over = 1;
    return NULL;
}

static void *sleep_long(void *arg) {
    struct timespec *left = arg, request = {500, 0};
    waited = nanosleep(&request, left);
    waited_errno = errno;
    is_over = 1;
    return NULL;
}

/* Whatever the thread does when the first signal comes, it waits when a later one does. */
static void pester(pthread_t thread) {
    while (!is_over) {
        pthread_kill(thread, SIGUSR1);
        usleep(1000);
    }
    pthread_join(thread, NULL);
}

static void interrupts(void) {
    pthread_t thread;
    struct timespec left = {0, 0};
    sem_init(&semaphore, 0, 0);

    on(SIGUSR1, count, 0);
    is_over = 0;
    pthread_create(&thread, NULL, await, NULL);
    pester(thread);
    printf("without SA_RESTART: sem_wait %d, EINTR %d\n", waited, waited_errno == EINTR);

    on(SIGUSR1, count, SA_RESTART);
    handled = is_over = 0;
    pthread_create(&thread, NULL, await, NULL);
    for (int i = 0; i < 5; i++) {
        pthread_kill(thread, SIGUSR1);
        while (handled <= i)
            usleep(1000);
    }
    sem_post(&semaphore);
    pthread_join(thread, NULL);
    printf("with SA_RESTART: handled %d, sem_wait %d\n", (int)handled, waited);

    is_over = 0;
    pthread_create(&thread, NULL, sleep_long, &left);
    pester(thread);
    printf("nanosleep: %d, EINTR %d, most of it left %d\n", waited, waited_errno == EINTR, left.tv_sec > 400);
}

static void *never(void *arg) {
    (void)arg;
    for (;;)
        pause();
    return NULL;
}

static void timers_and_cancels(void) {
    struct itimerval timer = {{0, 2000}, {0, 2000}};
    pthread_t thread;
    void *result;
    handled = 0;
    on(SIGALRM, count, 0);
    setitimer(ITIMER_REAL, &timer, NULL);
    while (handled < 3)
        pause();
    timer.it_interval.tv_usec = timer.it_value.tv_usec = 0;
    setitimer(ITIMER_REAL, &timer, NULL);
    printf("interval timer: %d\n", last == SIGALRM);
    pthread_create(&thread, NULL, never, NULL);
    pthread_cancel(thread);
    pthread_join(thread, &result);
    printf("cancelled: %d\n", result == PTHREAD_CANCELED);
}

static void faults(void) {
    volatile int *volatile nowhere = (volatile int *)0x40;
    volatile int one = 1, zero = 0;
    on_info(SIGSEGV, escape, SA_ONSTACK);
    on_info(SIGFPE, escape, SA_ONSTACK);
    if (sigsetjmp(back, 1) == 0)
        *nowhere = 1;
    printf("fault at %#lx\n", (unsigned long)fault_at);
    if (sigsetjmp(back, 1) == 0)
        printf("%d\n", one / zero);
    printf("division by zero\n");
    fflush(stdout);
    on(SIGSEGV, SIG_DFL, 0);
}

int main(void) {
    raising();
    stacks();
    numbers();
    masks();
    interrupts();
    timers_and_cancels();
    faults();
    return 0;
}
