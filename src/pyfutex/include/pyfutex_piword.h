/* A word of priority inheritance, which the kernel hands from thread to thread: what it is asked, on the bare word.
 *
 *     0                  free: taken by compare-and-swap with the thread's id, and let go by one with 0
 *     thread id          held
 *     WAITERS, id        held, with a queue in the kernel: an unlock gives the word to the first of it
 *     OWNER_DIED         its owner died; with an id, that is who has it now
 *
 * The kernel sets WAITERS and OWNER_DIED, and takes WAITERS away. Answers are 0 or a negative errno.
 */
#ifndef PYFUTEX_PIWORD_H
#define PYFUTEX_PIWORD_H

#include <errno.h>
#include <linux/futex.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Of Linux 5.14, and of headers as new. */
#define PYFUTEX_LOCK_PI2 13

static inline int pyfutex_piword_call(uint32_t *word, int operation, const struct timespec *deadline)
{
    return syscall(SYS_futex, word, operation, 0, deadline, NULL, 0) < 0 ? -errno : 0;
}

/* Whether the kernel knows priority inheritance. It refuses the address, if it looks at it. */
static inline int pyfutex_piword_is_known(void)
{
    static uint32_t words[2];
    return pyfutex_piword_call((uint32_t *)((char *)words + 1), FUTEX_TRYLOCK_PI, NULL) == -EINVAL;
}

/* 0; -EBUSY: somebody else's. Of a word that is not 0. */
static inline int pyfutex_piword_try(uint32_t *word)
{
    int answer = pyfutex_piword_call(word, FUTEX_TRYLOCK_PI, NULL);
    return answer == -EAGAIN || answer == -ESRCH ? -EBUSY : answer;
}

/* A deadline of CLOCK_MONOTONIC, on CLOCK_REALTIME as it goes now. */
static inline struct timespec pyfutex_piword_on_realtime(const struct timespec *deadline)
{
    struct timespec now, until;
    clock_gettime(CLOCK_MONOTONIC, &now);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += deadline->tv_sec - now.tv_sec;
    until.tv_nsec += deadline->tv_nsec - now.tv_nsec;
    if (until.tv_nsec < 0 || until.tv_nsec >= 1000000000) {
        int less = until.tv_nsec < 0;
        until.tv_nsec += less ? 1000000000 : -1000000000;
        until.tv_sec += less ? -1 : 1;
    }
    return until;
}

/* Take it, queued by priority. -ETIMEDOUT; -EAGAIN: try again; -ESRCH: its owner does not exist; -EDEADLK: the caller's, or its
 * owner waits for one of the caller's. Signal handlers run meanwhile and do not end it. `deadline`: absolute; NULL: none. */
static inline int pyfutex_piword_lock(uint32_t *word, const struct timespec *deadline, clockid_t clock)
{
    struct timespec until;
    int answer;
    if (deadline == NULL || clock == CLOCK_REALTIME)
        return pyfutex_piword_call(word, FUTEX_LOCK_PI, deadline);
    answer = pyfutex_piword_call(word, PYFUTEX_LOCK_PI2, deadline);
    if (answer != -ENOSYS)
        return answer;
    until = pyfutex_piword_on_realtime(deadline);
    return pyfutex_piword_call(word, FUTEX_LOCK_PI, &until);
}

/* Whether whoever had it before the caller died with it; said once. */
static inline uint32_t pyfutex_piword_died(uint32_t *word)
{
    /* Acquire: pairs with the release before the kernel handed the word on. */
    if (__builtin_expect(!(__atomic_load_n(word, __ATOMIC_ACQUIRE) & FUTEX_OWNER_DIED), 1))
        return 0;
    return __atomic_fetch_and(word, ~(uint32_t)FUTEX_OWNER_DIED, __ATOMIC_RELAXED) & FUTEX_OWNER_DIED;
}

/* Sleep on `word`, if it is `seen`, until FUTEX_CMP_REQUEUE_PI moves the sleeper to the queue of `target`, and then there: 0, the
 * target is the caller's. -ETIMEDOUT; -EAGAIN: the word differs, or a signal came after the move. */
static inline int pyfutex_piword_wait(uint32_t *word, uint32_t seen, uint32_t *target, const struct timespec *deadline,
                                  clockid_t clock)
{
    int operation = FUTEX_WAIT_REQUEUE_PI | (clock == CLOCK_REALTIME ? FUTEX_CLOCK_REALTIME : 0);
    return syscall(SYS_futex, word, operation, seen, deadline, target, 0) < 0 ? -errno : 0;
}

static inline int pyfutex_piword_unlock(uint32_t *word) { return pyfutex_piword_call(word, FUTEX_UNLOCK_PI, NULL); }

#endif
