/* The lock of pyfutex.sync in shared memory: 64 bytes that C and Python programs take alike, and that outlive their owner.
 *
 *     byte  0   what it is (pyfutex_shared.h)
 *          16   the word: 0, free
 *                         thread id (30 bits), held
 *                         bit 31, WAITERS: somebody may sleep on it; legal without a sleeper, illegal to lack with one
 *                         bit 30, OWNER_DIED: the kernel found its owner dead; nobody holds it
 *          20   how often it was taken with WAITERS in the word
 *          24   its state: 0, consistent; 1, its owner has not yet made good what a dead one left; 2, not recoverable
 *          28   of an RLock: how often its owner holds it beyond once
 *          36   20 bytes: where the C library keeps the links of its list of robust mutexes, at an offset of its own
 *          56   8 bytes, 0
 *
 * Zero bytes are a free lock. The list is the thread's, and the kernel walks it when the thread ends in whatever way: a word
 * that still holds the thread's id becomes OWNER_DIED, and a sleeper is woken. Whoever takes such a word holds the lock.
 *
 * A waiter that is killed loses no wake: a contended unlock leaves WAITERS in the word and wakes one in a single system call,
 * every taker keeps WAITERS, and a thread that was woken, or will be, names the word as its pending operation, on which the
 * kernel wakes the next one. WAITERS goes when a wake finds nobody, if nobody has taken the lock since.
 *
 * One of priority inheritance (PYFUTEX_PI in its head) is taken and let go by the same two swaps. Who finds more than they do
 * asks the kernel, which keeps its queue (pyfutex_piword.h). Its links are not marked as such for the kernel: the mark would only
 * spare it a wake that finds nobody, and musl would take it for a part of the address.
 *
 * All who map the memory trust each other: links are looked at before they are written through, which finds damage, not
 * malice.
 *
 * Not from a signal handler, not in the child of vfork, and not in one that was made past the C library's fork(), where the
 * thread does not know that it is another. Not in a child in a PID namespace of its own, before it opens them. Programs call the functions at the end; the others are what those are made of.
 */
#ifndef PYFUTEX_LOCK_H
#define PYFUTEX_LOCK_H

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>

#include "pyfutex_piword.h"
#include "pyfutex_robustlist.h"
#include "pyfutex_shared.h"

#if defined(__SANITIZE_THREAD__)
#define PYFUTEX_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PYFUTEX_THREAD_SANITIZER 1
#endif
#endif

typedef struct {
    pyfutex_shared shared;
    uint32_t word;  /* atomic; with `turns` as 64 bits, too */
    uint32_t turns; /* atomic; whoever holds it changes it */
    uint32_t state; /* whoever holds it */
    uint32_t depth; /* whoever holds it */
    uint32_t reserved;
    char links[20]; /* the thread whose id is in the word */
    uint64_t reserved2;
} pyfutex_lock;

enum {
    PYFUTEX_CONSISTENT = 0,
    PYFUTEX_INCONSISTENT = 1,
    PYFUTEX_NOT_RECOVERABLE = 2,
    /* The kernel walks 2048 entries of a list, the C library's own included. */
    PYFUTEX_MOST_HELD = 1024,
    PYFUTEX_MOST_PAUSES = 128,
};

/* A safety net, not the mechanism: a sleeper looks at the word again after so many seconds. */
#ifndef PYFUTEX_LOOK_AGAIN_S
#define PYFUTEX_LOOK_AGAIN_S 1
#endif

typedef uint64_t pyfutex_word_and_turns __attribute__((may_alias));

/* Of priority inheritance. Asked only where a swap was not enough. */
static __attribute__((noinline, unused)) int pyfutex_lock_is_pi(const pyfutex_lock *l)
{
    return (pyfutex_stamp_flags(__atomic_load_n(&l->shared.stamp, __ATOMIC_RELAXED)) & PYFUTEX_PI) != 0;
}

/* --- taking --------------------------------------------------------------------------------------------------------- */

static inline pyfutex_link *pyfutex_lock_node(pyfutex_lock *l, const pyfutex_thread *t)
{
    return (pyfutex_link *)((char *)&l->word - t->head->futex_offset);
}

/* Before any of the following, until the lock is had or given up. */
static inline void pyfutex_lock_begin(pyfutex_lock *l, pyfutex_thread *t)
{
    pyfutex_set_pending(t, pyfutex_lock_node(l, t));
}

static inline void pyfutex_lock_end(pyfutex_thread *t) { pyfutex_set_pending(t, NULL); }

static int pyfutex_lock_release(pyfutex_lock *l, pyfutex_thread *t);

/* It is held now, and somebody died with it: -EOWNERDEAD; -ENOTRECOVERABLE: it was let go again. */
static __attribute__((noinline, unused)) int pyfutex_lock_left(pyfutex_lock *l, pyfutex_thread *t)
{
    if (l->state == PYFUTEX_NOT_RECOVERABLE) {
        pyfutex_lock_release(l, t);
        return -ENOTRECOVERABLE;
    }
    l->state = PYFUTEX_INCONSISTENT;
    l->depth = 0;
    return -EOWNERDEAD;
}

/* It is held now, so linked, and no longer pending: 0, or as pyfutex_lock_left. */
static inline int pyfutex_lock_taken(pyfutex_lock *l, pyfutex_thread *t, uint32_t found)
{
    pyfutex_enlist(pyfutex_lock_node(l, t), t);
    pyfutex_lock_end(t);
    if (__builtin_expect((found | l->state) == 0, 1))
        return 0;
    if (found & FUTEX_WAITERS)
        __atomic_store_n(&l->turns, __atomic_load_n(&l->turns, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
    return (found & FUTEX_OWNER_DIED) | l->state ? pyfutex_lock_left(l, t) : 0;
}

/* What the kernel answered about one of priority inheritance, as pyfutex_lock_try says it. -EBUSY: ask again. */
static __attribute__((noinline, unused)) int pyfutex_lock_answered(pyfutex_lock *l, pyfutex_thread *t, int answer)
{
    if (answer == 0)
        return pyfutex_lock_taken(l, t, pyfutex_piword_died(&l->word));
    if (answer == -EAGAIN)
        return -EBUSY;
    if (answer != -EBUSY && answer != -EINTR)
        pyfutex_lock_end(t);
    return answer;
}

/* Try once. 0, -EOWNERDEAD: held. -EBUSY: somebody else's. -EDEADLK: the caller's. -ENOTRECOVERABLE. -ENOLCK: the thread holds
 * too many. After anything but -EBUSY nothing is pending. `has_slept`: others may sleep on the word still. */
static inline int pyfutex_lock_try(pyfutex_lock *l, pyfutex_thread *t, int has_slept)
{
    uint32_t seen = 0;
    uint32_t mine = has_slept ? t->tid | FUTEX_WAITERS : t->tid;
    if (__builtin_expect(t->n_more >= PYFUTEX_MOST_HELD - 1, 0)) {
        pyfutex_lock_end(t);
        return -ENOLCK;
    }
    PYFUTEX_STEP();
    while (!__atomic_compare_exchange_n(&l->word, &seen, mine | (seen & FUTEX_WAITERS), 0, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED)) {
        if ((seen & FUTEX_TID_MASK) == t->tid) {
            pyfutex_lock_end(t);
            return -EDEADLK;
        }
        if (seen & FUTEX_TID_MASK)
            return -EBUSY;
        if (pyfutex_lock_is_pi(l))
            return pyfutex_lock_answered(l, t, pyfutex_piword_try(&l->word));
    }
    return pyfutex_lock_taken(l, t, seen);
}

static inline void pyfutex_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

/* Try again for a while without a system call, more and more rarely: each look takes the word's cache line from its owner. As
 * pyfutex_lock_try. */
static inline int pyfutex_lock_spin(pyfutex_lock *l, pyfutex_thread *t)
{
    int pauses, i, answer;
    for (pauses = 1; pauses <= PYFUTEX_MOST_PAUSES; pauses *= 2) {
        PYFUTEX_STEP();
        if (!(__atomic_load_n(&l->word, __ATOMIC_RELAXED) & FUTEX_TID_MASK)) {
            answer = pyfutex_lock_try(l, t, 0);
            if (answer != -EBUSY)
                return answer;
        }
        for (i = 0; i < pauses; ++i)
            pyfutex_pause();
    }
    return -EBUSY;
}

/* Nobody let it go for long. If its owner is no more and the kernel did not say so, nobody will: the kernel's walk of its list
 * ended before (at links that were written over, or at memory that was unmapped), or a thread that was not its process's first
 * called exec, which gives it another id. 1: the word says so now. */
static inline int pyfutex_lock_look_after(pyfutex_lock *l)
{
    uint32_t seen = __atomic_load_n(&l->word, __ATOMIC_RELAXED);
    uint32_t owner = seen & FUTEX_TID_MASK;
    return owner != 0 && syscall(SYS_tkill, owner, 0) != 0 && errno == ESRCH &&
           __atomic_compare_exchange_n(&l->word, &seen, (seen & FUTEX_WAITERS) | FUTEX_OWNER_DIED, 0, __ATOMIC_RELAXED,
                                       __ATOMIC_RELAXED);
}

/* When to look again: `deadline`, or before. */
static inline const struct timespec *pyfutex_lock_next_look(const struct timespec *deadline, clockid_t clock,
                                                            struct timespec *soon)
{
    clock_gettime(clock, soon);
    soon->tv_sec += PYFUTEX_LOOK_AGAIN_S;
    if (deadline != NULL &&
        (deadline->tv_sec < soon->tv_sec || (deadline->tv_sec == soon->tv_sec && deadline->tv_nsec < soon->tv_nsec)))
        return deadline;
    return soon;
}

/* Sleep once. 0: try again. -ETIMEDOUT, -EINTR: nobody woke us. -EFAULT: the memory is gone. `deadline`: absolute, on `clock`;
 * NULL: none. Requires: pending. */
static inline int pyfutex_lock_sleep(pyfutex_lock *l, const struct timespec *deadline, clockid_t clock)
{
    struct timespec soon;
    const struct timespec *until;
    uint32_t seen = __atomic_load_n(&l->word, __ATOMIC_RELAXED);
    PYFUTEX_STEP();
    if (!(seen & FUTEX_TID_MASK))
        return 0;
    if (!(seen & FUTEX_WAITERS) && !__atomic_compare_exchange_n(&l->word, &seen, seen | FUTEX_WAITERS, 0,
                                                                __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        return 0;
    until = pyfutex_lock_next_look(deadline, clock, &soon);
    PYFUTEX_STEP();
    if (until->tv_sec < 0) /* The kernel refuses those. */
        return pyfutex_lock_look_after(l) ? 0 : -ETIMEDOUT;
    if (syscall(SYS_futex, &l->word, FUTEX_WAIT_BITSET | (clock == CLOCK_REALTIME ? FUTEX_CLOCK_REALTIME : 0),
                seen | FUTEX_WAITERS, until, NULL, FUTEX_BITSET_MATCH_ANY) == 0 ||
        errno == EAGAIN)
        return 0;
    if (errno != ETIMEDOUT)
        return -errno;
    return pyfutex_lock_look_after(l) || until == &soon ? 0 : -ETIMEDOUT;
}

/* Take one of priority inheritance, asleep in the kernel's queue. As pyfutex_lock_try, or -ETIMEDOUT; -EBUSY: call again;
 * -EINTR: likewise. Requires: pending. */
static __attribute__((noinline, unused)) int pyfutex_lock_queue(pyfutex_lock *l, pyfutex_thread *t,
                                                                const struct timespec *deadline, clockid_t clock)
{
    static const struct timespec past = {0, 0};
    struct timespec soon;
    const struct timespec *until;
    int answer = -ENOLCK;
    if (deadline != NULL && deadline->tv_sec < 0) /* The kernel refuses those. */
        deadline = &past;
    if (t->n_more < PYFUTEX_MOST_HELD - 1)
        answer = pyfutex_piword_lock(&l->word, deadline, clock);
    if (answer == -ESRCH) {
        answer = -EBUSY;
        if (!pyfutex_lock_look_after(l)) {
            /* Its owner has ended, is not waited for by its parent yet, and had a list that could not be read. */
            until = pyfutex_lock_next_look(deadline, clock, &soon);
            answer = -clock_nanosleep(clock, TIMER_ABSTIME, until, NULL);
            if (answer == 0)
                answer = until == deadline ? -ETIMEDOUT : -EBUSY;
        }
    }
    return pyfutex_lock_answered(l, t, answer);
}

/* --- letting go ----------------------------------------------------------------------------------------------------- */

/* What was written until now is seen by whoever takes the word once the kernel has stored to it. The thread sanitizer knows
 * neither fences nor what the kernel stores: there, a read-modify-write of the word itself that changes nothing is the release. */
static inline void pyfutex_release_by_kernel(uint32_t *word)
{
#ifdef PYFUTEX_THREAD_SANITIZER
    __atomic_fetch_or(word, 0, __ATOMIC_RELEASE);
#else
    (void)word;
    __atomic_thread_fence(__ATOMIC_RELEASE);
#endif
}

/* WAITERS goes, unless somebody took the lock after a wake that found nobody: then others may sleep. `turns`: of that time. */
static inline void pyfutex_lock_drop_waiters(pyfutex_lock *l, uint32_t turns)
{
    const uint32_t before[2] = {FUTEX_WAITERS, turns}, after[2] = {0, turns};
    uint64_t from, to;
    memcpy(&from, before, sizeof(from));
    memcpy(&to, after, sizeof(to));
    PYFUTEX_STEP();
    __atomic_compare_exchange_n((pyfutex_word_and_turns *)&l->word, &from, to, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/* Store WAITERS and wake one, in one step; if there was none, WAITERS goes. One of priority inheritance, the kernel gives to the
 * next: 0, or what it answered, and it is held still, and linked. Requires: held, pending, not linked. */
static __attribute__((noinline, unused)) int pyfutex_lock_pass_on(pyfutex_lock *l, pyfutex_thread *t)
{
    uint32_t turns = __atomic_load_n(&l->turns, __ATOMIC_RELAXED);
    /* Word = 1 << 31; and wake nobody more where the word was 0, which it was not. */
    uint32_t op = (uint32_t)(FUTEX_OP_SET | FUTEX_OP_OPARG_SHIFT) << 28 | (uint32_t)FUTEX_OP_CMP_EQ << 24 | 31u << 12;
    long woken;
    if (t->passing_on != NULL)
        t->passing_on(&l->word);
    if (pyfutex_lock_is_pi(l)) {
        int answer = pyfutex_piword_unlock(&l->word);
        if (answer != 0)
            pyfutex_enlist(pyfutex_lock_node(l, t), t);
        return answer;
    }
    PYFUTEX_STEP();
    woken = syscall(SYS_futex, &l->word, FUTEX_WAKE_OP, 1, NULL, &l->word, op);
    if (woken < 0) {
        /* Something that filters system calls does not know that one. */
        __atomic_store_n(&l->word, FUTEX_WAITERS, __ATOMIC_RELEASE);
        woken = syscall(SYS_futex, &l->word, FUTEX_WAKE, 1, NULL, NULL, 0);
    }
    if (woken == 0)
        pyfutex_lock_drop_waiters(l, turns);
    return 0;
}

/* 0; -EPERM: the caller does not hold it; -EBADMSG: its links were written over; another: of one of priority inheritance, the
 * word was, and it is held still. Requires: entered, as all that take a thread. */
static inline int pyfutex_lock_release(pyfutex_lock *l, pyfutex_thread *t)
{
    int answer = 0;
    uint32_t mine = t->tid;
    pyfutex_link *node = pyfutex_lock_node(l, t);
    int is_alone = pyfutex_is_alone(node, t);
    if (!__builtin_expect(is_alone, 1) && (__atomic_load_n(&l->word, __ATOMIC_RELAXED) & FUTEX_TID_MASK) != mine)
        return -EPERM;
    pyfutex_lock_begin(l, t);
    if (pyfutex_unlist(node, t, is_alone) != 0) {
        pyfutex_lock_end(t);
        return -EBADMSG;
    }
    if (l->state == PYFUTEX_INCONSISTENT)
        l->state = PYFUTEX_NOT_RECOVERABLE;
    PYFUTEX_STEP();
    if (!__atomic_compare_exchange_n(&l->word, &mine, 0, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
        /* Its links were the thread's; should the word have been written over, it is left to whoever that names. */
        if ((mine & FUTEX_TID_MASK) != t->tid)
            answer = -EPERM;
        else {
            pyfutex_release_by_kernel(&l->word);
            answer = pyfutex_lock_pass_on(l, t);
        }
    }
    pyfutex_lock_end(t);
    return answer;
}

/* What a dead owner left is made good. 0; -EPERM: the caller does not hold it; -EINVAL: it was consistent. */
static inline int pyfutex_lock_consistent(pyfutex_lock *l, const pyfutex_thread *t)
{
    if ((__atomic_load_n(&l->word, __ATOMIC_RELAXED) & FUTEX_TID_MASK) != t->tid || t->tid == 0)
        return -EPERM;
    if (l->state != PYFUTEX_INCONSISTENT)
        return -EINVAL;
    l->state = PYFUTEX_CONSISTENT;
    return 0;
}

/* --- for programs --------------------------------------------------------------------------------------------------- */
/*
 *     pyfutex_lock *lock = (pyfutex_lock *)mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
 *     if (pyfutex_open(lock) != 0)
 *         ...
 *     switch (pyfutex_acquire(lock)) {
 *     case -EOWNERDEAD:
 *         ... make good what its last owner left half done ...
 *         pyfutex_consistent(lock);
 *     case 0:
 *         ... what the lock is for ...
 *         pyfutex_release(lock);
 *     }
 *
 * C and C++ of GNU's dialects; nothing to link with but the C library. All answer 0 or a negative errno. A thread that holds
 * a lock must not unmap it. One file of a program's sources includes this header, so that a thread has one record.
 */

static inline int pyfutex_open_as(pyfutex_lock *l, uint32_t flags)
{
    uint64_t found;
    if ((uintptr_t)l % 8 != 0)
        return -EINVAL;
    if (pyfutex_this_thread() == NULL || (flags != 0 && !pyfutex_piword_is_known()))
        return -ENOSYS;
    if (pyfutex_shared_open(&l->shared, pyfutex_stamp(PYFUTEX_LOCK, flags, 0), &found) < 0)
        return -EBADMSG;
    return pyfutex_shared_enter(&l->shared, pyfutex_this_space());
}

/* Find the lock at `l`, or make it of zero bytes. -EINVAL: not at a multiple of 8; -EBADMSG: something else is there, or a lock
 * without an owner; -EXDEV: it is of another PID namespace or boot; -ENOSYS: there are no robust futexes here. Once, before anything else. */
static inline int pyfutex_open(pyfutex_lock *l) { return pyfutex_open_as(l, 0); }

/* The same for one of priority inheritance; neither opens one of the other sort. */
static inline int pyfutex_open_pi(pyfutex_lock *l) { return pyfutex_open_as(l, PYFUTEX_PI); }

/* Take it if nobody holds it. 0, or -EOWNERDEAD: its last owner died with it: **it is held now**. -EBUSY: somebody else holds it;
 * -EDEADLK: the caller does; -ENOTRECOVERABLE: nobody made good what a dead one left; -ENOLCK: the thread holds 1,024. */
static inline int pyfutex_try_acquire(pyfutex_lock *l)
{
    pyfutex_thread *t = pyfutex_this_thread();
    int answer;
    if (t == NULL)
        return -ENOSYS;
    pyfutex_lock_begin(l, t);
    answer = pyfutex_lock_try(l, t, 0);
    if (answer == -EBUSY)
        pyfutex_lock_end(t);
    return answer;
}

/* Take it, sleeping until `deadline`: absolute, on `clock`, CLOCK_MONOTONIC or CLOCK_REALTIME; NULL: as long as it takes. As
 * pyfutex_try_acquire, but -ETIMEDOUT for -EBUSY, and of one of priority inheritance -EDEADLK also if its owner waits for a lock
 * of the caller. Signal handlers run meanwhile and do not end it. */
static inline int pyfutex_acquire_until(pyfutex_lock *l, const struct timespec *deadline, clockid_t clock)
{
    pyfutex_thread *t = pyfutex_this_thread();
    int has_slept = 0;
    int answer;
    if (t == NULL)
        return -ENOSYS;
    pyfutex_lock_begin(l, t);
    answer = pyfutex_lock_spin(l, t);
    if (answer == -EBUSY && pyfutex_lock_is_pi(l)) {
        do
            answer = pyfutex_lock_queue(l, t, deadline, clock);
        while (answer == -EBUSY || answer == -EINTR);
    }
    if (answer != -EBUSY)
        return answer;
    while ((answer = pyfutex_lock_try(l, t, has_slept)) == -EBUSY) {
        answer = pyfutex_lock_sleep(l, deadline, clock);
        has_slept = 1;
        /* In the child, should a signal handler have forked meanwhile, the thread has another id. */
        t = pyfutex_this_thread();
        if (t == NULL)
            return -ENOSYS;
        if (answer != 0 && answer != -EINTR) {
            pyfutex_lock_end(t);
            break;
        }
    }
    return answer;
}

static inline int pyfutex_acquire(pyfutex_lock *l) { return pyfutex_acquire_until(l, NULL, CLOCK_MONOTONIC); }

/* -EPERM: the caller does not hold it; -EBADMSG: its links were written over, and it stays held. */
static inline int pyfutex_release(pyfutex_lock *l)
{
    pyfutex_thread *t = pyfutex_this_thread();
    return t == NULL ? -ENOSYS : pyfutex_lock_release(l, t);
}

/* Say, after -EOWNERDEAD, that what it protects is whole again. -EPERM: the caller does not hold it; -EINVAL: nobody died. */
static inline int pyfutex_consistent(pyfutex_lock *l)
{
    pyfutex_thread *t = pyfutex_this_thread();
    return t == NULL ? -ENOSYS : pyfutex_lock_consistent(l, t);
}

#endif
