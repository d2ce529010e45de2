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
 * All who map the memory trust each other: links are looked at before they are written through, which finds damage, not
 * malice.
 *
 * Not from a signal handler, not in the child of vfork, and not in one that was made past the C library's fork(), where the
 * thread does not know that it is another. Not in a child in a PID namespace of its own, before it opens them. Programs call the functions at the end; the others are what those are made of.
 */
#ifndef PYFUTEX_LOCK_H
#define PYFUTEX_LOCK_H

#include <linux/futex.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>

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

/* What a thread knows of itself. */
typedef struct {
    uint32_t tid; /* 0: not asked yet, or before a fork */
    uint32_t n_held;
    struct robust_list_head *head;
} pyfutex_thread;

enum {
    PYFUTEX_CONSISTENT = 0,
    PYFUTEX_INCONSISTENT = 1,
    PYFUTEX_NOT_RECOVERABLE = 2,
    /* The kernel walks 2048 entries of a list, the C library's own included. */
    PYFUTEX_MOST_HELD = 1024,
    PYFUTEX_SPINS = 100,
};

/* A safety net, not the mechanism: a sleeper looks at the word again after so many seconds. */
#ifndef PYFUTEX_LOOK_AGAIN_S
#define PYFUTEX_LOOK_AGAIN_S 1
#endif

/* A link, which need not lie at a multiple of its size: with musl's offset it does not. */
typedef void *pyfutex_link __attribute__((aligned(4), may_alias));

typedef uint64_t pyfutex_word_and_turns __attribute__((may_alias));

/* --- a thread's list ------------------------------------------------------------------------------------------------ */

/* Fill in *t for the calling thread: 0; -ENOSYS: there are no robust lists here. */
static inline int pyfutex_thread_enter(pyfutex_thread *t)
{
    size_t size = 0;
    struct robust_list_head *head = NULL;
    pthread_mutexattr_t robust;
    pthread_mutex_t mutex;
    /* musl makes the list known with a thread's first robust mutex between processes. */
    pthread_mutexattr_init(&robust);
    pthread_mutexattr_setpshared(&robust, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST);
    if (pthread_mutex_init(&mutex, &robust) == 0 && pthread_mutex_lock(&mutex) == 0) {
        pthread_mutex_unlock(&mutex);
        pthread_mutex_destroy(&mutex);
    }
    pthread_mutexattr_destroy(&robust);
    if (syscall(SYS_get_robust_list, 0, &head, &size) != 0 || head == NULL || size != sizeof(*head))
        return -ENOSYS;
    /* glibc's and musl's offsets are those that the layout has room for. */
    if (head->futex_offset != -32 && head->futex_offset != -28)
        return -ENOSYS;
    t->head = head;
    t->n_held = 0;
    t->tid = (uint32_t)syscall(SYS_gettid);
    return 0;
}

/* In the child of a fork the thread has another id and holds nothing. musl leaves it the parent's list, whose nodes the parent
 * goes on to use. */
static inline void pyfutex_thread_forked(pyfutex_thread *t)
{
    if (t->head != NULL && t->head->futex_offset == 0)
        t->head->list.next = &t->head->list;
    t->tid = 0;
    t->n_held = 0;
}

static inline pyfutex_link *pyfutex_lock_node(pyfutex_lock *l, const pyfutex_thread *t)
{
    return (pyfutex_link *)((char *)&l->word - t->head->futex_offset);
}

/* The kernel reads the list and the pending operation of a thread that is gone: no more than the compiler has to be kept
 * from reordering. */
static inline void pyfutex_set_pending(pyfutex_thread *t, void *node)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    t->head->list_op_pending = (struct robust_list *)node;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* A link's lowest bit is not part of the address: the kernel's mark of a PI mutex. */
static inline void *pyfutex_unmarked(void *link) { return (void *)((uintptr_t)link & ~(uintptr_t)1); }

/* Each node of the list is preceded by a link to the one before it, but for the head. */
static inline pyfutex_link *pyfutex_back_link(void *node) { return (pyfutex_link *)node - 1; }

/* Whether it can be a link at all: most of what is written over one cannot, and to follow that would be the end. */
static inline int pyfutex_is_link(const void *link)
{
    return link != NULL && ((uintptr_t)link & 3) == 0 && (uint64_t)(uintptr_t)link >> 56 == 0;
}

static inline void pyfutex_enlist(pyfutex_link *node, pyfutex_thread *t)
{
    struct robust_list *head = &t->head->list;
    void *first = pyfutex_unmarked(head->next);
    node[0] = head->next;
    *pyfutex_back_link(node) = head;
    if (first != head)
        *pyfutex_back_link(first) = node;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    head->next = (struct robust_list *)node;
    t->n_held += 1;
}

/* Join what stands before a node and after it. 0; -EBADMSG: somebody wrote over the links, nothing was changed. */
static __attribute__((noinline, unused)) int pyfutex_cut_out(const pyfutex_link *node, pyfutex_thread *t)
{
    void *head = &t->head->list;
    void *before = pyfutex_unmarked(*pyfutex_back_link((void *)node));
    void *after = pyfutex_unmarked(node[0]);
    void *listed;
    if (!pyfutex_is_link(before) || !pyfutex_is_link(after))
        return -EBADMSG;
    /* Where the process maps the memory twice, the list may know it by the other address, and that shows the same links. */
    listed = pyfutex_unmarked(*(pyfutex_link *)before);
    if (listed != node &&
        (!pyfutex_is_link(listed) || (((uintptr_t)listed ^ (uintptr_t)node) & 4095) != 0 ||
         pyfutex_unmarked(*pyfutex_back_link(listed)) != before || pyfutex_unmarked(*(pyfutex_link *)listed) != after))
        return -EBADMSG;
    if (after != head && pyfutex_unmarked(*pyfutex_back_link(after)) != listed)
        return -EBADMSG;
    *(pyfutex_link *)before = node[0];
    if (after != head)
        *pyfutex_back_link(after) = *pyfutex_back_link((void *)node);
    return 0;
}

static inline int pyfutex_unlist(pyfutex_link *node, pyfutex_thread *t)
{
    struct robust_list *head = &t->head->list;
    /* It is the only one of the list, as it mostly is. */
    if (__builtin_expect((void *)head->next == node && node[0] == head && *pyfutex_back_link(node) == head, 1))
        head->next = head;
    else if (pyfutex_cut_out(node, t) != 0)
        return -EBADMSG;
    /* Code with a record of its own may have taken it in the same thread. */
    t->n_held -= t->n_held != 0;
    return 0;
}

/* --- taking --------------------------------------------------------------------------------------------------------- */

/* Before any of the following, until the lock is had or given up. */
static inline void pyfutex_lock_begin(pyfutex_lock *l, pyfutex_thread *t)
{
    pyfutex_set_pending(t, pyfutex_lock_node(l, t));
}

static inline void pyfutex_lock_end(pyfutex_thread *t) { pyfutex_set_pending(t, NULL); }

/* It is held now, so linked, and no longer pending: 0, or -EOWNERDEAD. -ENOTRECOVERABLE: it was let go again. */
static int pyfutex_lock_release(pyfutex_lock *l, pyfutex_thread *t);

static inline int pyfutex_lock_taken(pyfutex_lock *l, pyfutex_thread *t, uint32_t found)
{
    pyfutex_enlist(pyfutex_lock_node(l, t), t);
    pyfutex_lock_end(t);
    if (__builtin_expect((found | l->state) == 0, 1))
        return 0;
    if (found & FUTEX_WAITERS)
        __atomic_store_n(&l->turns, __atomic_load_n(&l->turns, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
    if ((found & FUTEX_OWNER_DIED) | l->state) {
        if (l->state == PYFUTEX_NOT_RECOVERABLE) {
            pyfutex_lock_release(l, t);
            return -ENOTRECOVERABLE;
        }
        l->state = PYFUTEX_INCONSISTENT;
        l->depth = 0;
        return -EOWNERDEAD;
    }
    return 0;
}

/* Try once. 0, -EOWNERDEAD: held. -EBUSY: somebody else's. -EDEADLK: the caller's. -ENOTRECOVERABLE. -ENOLCK: the thread holds
 * too many. After anything but -EBUSY nothing is pending. `has_slept`: others may sleep on the word still. */
static inline int pyfutex_lock_try(pyfutex_lock *l, pyfutex_thread *t, int has_slept)
{
    uint32_t seen = 0;
    uint32_t mine = has_slept ? t->tid | FUTEX_WAITERS : t->tid;
    if (__builtin_expect(t->n_held >= PYFUTEX_MOST_HELD, 0)) {
        pyfutex_lock_end(t);
        return -ENOLCK;
    }
    while (!__atomic_compare_exchange_n(&l->word, &seen, mine | (seen & FUTEX_WAITERS), 0, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED)) {
        if ((seen & FUTEX_TID_MASK) == t->tid) {
            pyfutex_lock_end(t);
            return -EDEADLK;
        }
        if (seen & FUTEX_TID_MASK)
            return -EBUSY;
    }
    return pyfutex_lock_taken(l, t, seen);
}

/* Try again for a while without a system call. As pyfutex_lock_try. */
static inline int pyfutex_lock_spin(pyfutex_lock *l, pyfutex_thread *t)
{
    int spins, answer;
    for (spins = 0; spins < PYFUTEX_SPINS; ++spins) {
        if (!(__atomic_load_n(&l->word, __ATOMIC_RELAXED) & FUTEX_TID_MASK)) {
            answer = pyfutex_lock_try(l, t, 0);
            if (answer != -EBUSY)
                return answer;
        }
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ volatile("isb" ::: "memory");
#endif
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

/* Sleep once. 0: try again. -ETIMEDOUT, -EINTR: nobody woke us. -EFAULT: the memory is gone. `deadline`: absolute, on `clock`;
 * NULL: none. Requires: pending. */
static inline int pyfutex_lock_sleep(pyfutex_lock *l, const struct timespec *deadline, clockid_t clock)
{
    struct timespec soon;
    const struct timespec *until = &soon;
    uint32_t seen = __atomic_load_n(&l->word, __ATOMIC_RELAXED);
    if (!(seen & FUTEX_TID_MASK))
        return 0;
    if (!(seen & FUTEX_WAITERS) && !__atomic_compare_exchange_n(&l->word, &seen, seen | FUTEX_WAITERS, 0,
                                                                __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        return 0;
    clock_gettime(clock, &soon);
    soon.tv_sec += PYFUTEX_LOOK_AGAIN_S;
    if (deadline != NULL &&
        (deadline->tv_sec < soon.tv_sec || (deadline->tv_sec == soon.tv_sec && deadline->tv_nsec < soon.tv_nsec)))
        until = deadline;
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
    __atomic_compare_exchange_n((pyfutex_word_and_turns *)&l->word, &from, to, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/* Store WAITERS and wake one, in one step; if there was none, WAITERS goes. Requires: held, pending. */
static __attribute__((noinline, unused)) void pyfutex_lock_pass_on(pyfutex_lock *l)
{
    uint32_t turns = __atomic_load_n(&l->turns, __ATOMIC_RELAXED);
    /* Word = 1 << 31; and wake nobody more where the word was 0, which it was not. */
    uint32_t op = (uint32_t)(FUTEX_OP_SET | FUTEX_OP_OPARG_SHIFT) << 28 | (uint32_t)FUTEX_OP_CMP_EQ << 24 | 31u << 12;
    long woken = syscall(SYS_futex, &l->word, FUTEX_WAKE_OP, 1, NULL, &l->word, op);
    if (woken < 0) {
        /* Something that filters system calls does not know that one. */
        __atomic_store_n(&l->word, FUTEX_WAITERS, __ATOMIC_RELEASE);
        woken = syscall(SYS_futex, &l->word, FUTEX_WAKE, 1, NULL, NULL, 0);
    }
    if (woken == 0)
        pyfutex_lock_drop_waiters(l, turns);
}

/* 0; -EPERM: the caller does not hold it; -EBADMSG: its links were written over. Requires: entered, as all that take a
 * thread. */
static inline int pyfutex_lock_release(pyfutex_lock *l, pyfutex_thread *t)
{
    uint32_t mine = t->tid;
    pyfutex_link *node = pyfutex_lock_node(l, t);
    if ((__atomic_load_n(&l->word, __ATOMIC_RELAXED) & FUTEX_TID_MASK) != mine)
        return -EPERM;
    pyfutex_lock_begin(l, t);
    if (pyfutex_unlist(node, t) != 0) {
        pyfutex_lock_end(t);
        return -EBADMSG;
    }
    if (l->state == PYFUTEX_INCONSISTENT)
        l->state = PYFUTEX_NOT_RECOVERABLE;
    if (!__atomic_compare_exchange_n(&l->word, &mine, 0, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
        pyfutex_release_by_kernel(&l->word);
        pyfutex_lock_pass_on(l);
    }
    pyfutex_lock_end(t);
    return 0;
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

static inline pyfutex_thread *pyfutex_thread_record(void)
{
    static __thread pyfutex_thread record;
    return &record;
}

static inline void pyfutex_forked(void) { pyfutex_thread_forked(pyfutex_thread_record()); }

static inline void pyfutex_watch_forks(void) { (void)pthread_atfork(NULL, NULL, pyfutex_forked); }

/* The calling thread's record; NULL: there are no robust lists here. */
static inline pyfutex_thread *pyfutex_this_thread(void)
{
    static pthread_once_t watching = PTHREAD_ONCE_INIT;
    pyfutex_thread *t = pyfutex_thread_record();
    if (__builtin_expect(t->tid != 0, 1))
        return t;
    pthread_once(&watching, pyfutex_watch_forks);
    return pyfutex_thread_enter(t) == 0 ? t : NULL;
}

/* Find the lock at `l`, or make it of zero bytes. -EINVAL: not at a multiple of 8; -EBADMSG: something else is there, or a lock
 * without an owner; -EXDEV: it is of another PID namespace or boot; -ENOSYS: there are no robust futexes here. Once, before anything else. */
static inline int pyfutex_open(pyfutex_lock *l)
{
    uint64_t found;
    int answer;
    if ((uintptr_t)l % 8 != 0)
        return -EINVAL;
    if (pyfutex_this_thread() == NULL)
        return -ENOSYS;
    answer = pyfutex_shared_open(&l->shared, pyfutex_stamp(PYFUTEX_LOCK, 0, 0), &found);
    return answer < 0 ? answer : pyfutex_shared_enter(&l->shared, pyfutex_this_space());
}

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
 * pyfutex_try_acquire, but -ETIMEDOUT for -EBUSY. Signal handlers run meanwhile and do not end it. */
static inline int pyfutex_acquire_until(pyfutex_lock *l, const struct timespec *deadline, clockid_t clock)
{
    pyfutex_thread *t = pyfutex_this_thread();
    int has_slept = 0;
    int answer;
    if (t == NULL)
        return -ENOSYS;
    pyfutex_lock_begin(l, t);
    answer = pyfutex_lock_spin(l, t);
    if (answer != -EBUSY)
        return answer;
    while ((answer = pyfutex_lock_try(l, t, has_slept)) == -EBUSY) {
        answer = pyfutex_lock_sleep(l, deadline, clock);
        has_slept = 1;
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
