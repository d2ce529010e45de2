/* The host kernel's futex calls as an engine of their own: futex(2), futex_waitv(2) and the futex2 calls.
 *
 * Each returns what the register would hold: 0 or more, or a negative errno. `flag` is FUTEX_PRIVATE_FLAG or 0.
 */
#ifndef PYFUTEX_KERNELCALLS_H
#define PYFUTEX_KERNELCALLS_H

#include "futexcall.h"

/* Newer than the headers of some systems. The numbers are the same on all machines that CPython's tiers name. */
#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
#ifndef SYS_futex_wake
#define SYS_futex_wake 454
#define SYS_futex_wait 455
#define SYS_futex_requeue 456
#endif
#define PF_LOCK_PI2 13
#define PF_FLAG_U32 2
#define PF_FLAG_NUMA 4
#define PF_FLAG_MPOL 8

/* struct futex_waitv of the uapi header. */
typedef struct {
    uint64_t val;
    uint64_t uaddr;
    uint32_t flags;
    uint32_t reserved;
} pf_waitv;

#define PF_WAITV_MAX 128

static inline long pf_answer(long result) { return result >= 0 ? result : -errno; }

static inline long pf_legacy(uint32_t *word, int op, uint32_t val, uintptr_t timeout_or_val2, uint32_t *word2,
                             uint32_t val3)
{
    PF_STEP();
    return pf_answer(syscall(SYS_futex, word, op, val, timeout_or_val2, word2, val3));
}

static inline long pf_kernel_wait(uint32_t *word, uint32_t val, uint32_t bitset, pf_deadline deadline, int flag)
{
    return -pf_futex_wait_as(word, val, bitset, deadline, flag);
}

static inline long pf_kernel_wake(uint32_t *word, int n, uint32_t bitset, int flag)
{
    return pf_legacy(word, FUTEX_WAKE_BITSET | flag, n, 0, NULL, bitset);
}

static inline long pf_kernel_requeue(uint32_t *word, uint32_t *word2, uint32_t n_wake, uint32_t n_requeue, int flag)
{
    return pf_legacy(word, FUTEX_REQUEUE | flag, n_wake, n_requeue, word2, 0);
}

static inline long pf_kernel_cmp_requeue(uint32_t *word, uint32_t *word2, uint32_t val, uint32_t n_wake,
                                         uint32_t n_requeue, int flag)
{
    return pf_legacy(word, FUTEX_CMP_REQUEUE | flag, n_wake, n_requeue, word2, val);
}

static inline long pf_kernel_wake_op(uint32_t *word, uint32_t *word2, uint32_t op, uint32_t n, uint32_t n2, int flag)
{
    return pf_legacy(word, FUTEX_WAKE_OP | flag, n, n2, word2, op);
}

/* Without a deadline, or with one on the realtime clock, the older of the two calls will do. */
static inline long pf_kernel_lock_pi(uint32_t *word, pf_deadline deadline, int flag)
{
    struct timespec until;
    int op = deadline.ns == PF_NEVER || deadline.clock == CLOCK_REALTIME ? FUTEX_LOCK_PI : PF_LOCK_PI2;
    return pf_legacy(word, op | flag, 0, (uintptr_t)pf_limit(deadline, &until), NULL, 0);
}

static inline long pf_kernel_trylock_pi(uint32_t *word, int flag)
{
    return pf_legacy(word, FUTEX_TRYLOCK_PI | flag, 0, 0, NULL, 0);
}

static inline long pf_kernel_unlock_pi(uint32_t *word, int flag)
{
    return pf_legacy(word, FUTEX_UNLOCK_PI | flag, 0, 0, NULL, 0);
}

static inline long pf_kernel_wait_requeue_pi(uint32_t *word, uint32_t *word2, uint32_t val, pf_deadline deadline,
                                             int flag)
{
    struct timespec until;
    return pf_legacy(word, FUTEX_WAIT_REQUEUE_PI | pf_clock_flag(deadline) | flag, val,
                     (uintptr_t)pf_limit(deadline, &until), word2, 0);
}

static inline long pf_kernel_cmp_requeue_pi(uint32_t *word, uint32_t *word2, uint32_t val, uint32_t n_requeue, int flag)
{
    return pf_legacy(word, FUTEX_CMP_REQUEUE_PI | flag, 1, n_requeue, word2, val);
}

/* `clock` of a call without a deadline is not looked at. */
static inline long pf_kernel_waitv(const pf_waitv *items, uint32_t n, pf_deadline deadline)
{
    struct timespec until;
    PF_STEP();
    return pf_answer(syscall(SYS_futex_waitv, items, n, 0, pf_limit(deadline, &until), deadline.clock));
}

/* The futex2 flags that mean the same as `flag`, for a word of 32 bits. FUTEX2_PRIVATE has the value of the old flag. */
static inline uint32_t pf_flags2(int flag) { return PF_FLAG_U32 | flag; }

static inline long pf_kernel_wait2(uint32_t *word, uint32_t val, uint32_t bitset, pf_deadline deadline, int flag)
{
    struct timespec until;
    return pf_answer(syscall(SYS_futex_wait, word, (unsigned long)val, (unsigned long)bitset, pf_flags2(flag),
                             pf_limit(deadline, &until), deadline.clock));
}

static inline long pf_kernel_wake2(uint32_t *word, int n, uint32_t bitset, int flag)
{
    return pf_answer(syscall(SYS_futex_wake, word, (unsigned long)bitset, n, pf_flags2(flag)));
}

/* Always compares. */
static inline long pf_kernel_requeue2(uint32_t *word, uint32_t *word2, uint32_t val, uint32_t n_wake,
                                      uint32_t n_requeue, int flag)
{
    pf_waitv pair[2] = {{val, (uintptr_t)word, pf_flags2(flag), 0}, {0, (uintptr_t)word2, pf_flags2(flag), 0}};
    return pf_answer(syscall(SYS_futex_requeue, pair, 0, n_wake, n_requeue));
}

/* What the running kernel has. Each is asked by a call that changes nothing and whose only other answer is known. */
enum pf_feature {
    PF_HAS_PI,
    PF_HAS_REQUEUE_PI,
    PF_HAS_LOCK_PI2,
    PF_HAS_WAITV,
    PF_HAS_FUTEX2,
    PF_HAS_NUMA,
    PF_HAS_MPOL,
};

static inline int pf_kernel_has(enum pf_feature feature)
{
    /* A word with its node number, which a call with NUMA fills in; and an address that no futex can have. */
    uint32_t pair[2] __attribute__((aligned(8))) = {0, UINT32_MAX};
    uint32_t *crooked = (uint32_t *)((char *)pair + 1);
    pf_deadline never = pf_deadline_never();
    switch (feature) {
    case PF_HAS_PI:
        return pf_kernel_trylock_pi(crooked, FUTEX_PRIVATE_FLAG) == -EINVAL;
    case PF_HAS_REQUEUE_PI:
        return pf_kernel_cmp_requeue_pi(crooked, pair, 0, 0, FUTEX_PRIVATE_FLAG) == -EINVAL;
    case PF_HAS_LOCK_PI2:
        return pf_legacy(crooked, PF_LOCK_PI2 | FUTEX_PRIVATE_FLAG, 0, 0, NULL, 0) == -EINVAL;
    case PF_HAS_WAITV:
        return pf_kernel_waitv(NULL, 0, never) == -EINVAL;
    case PF_HAS_FUTEX2:
        return pf_kernel_wake2(crooked, 0, UINT32_MAX, FUTEX_PRIVATE_FLAG) == -EINVAL
            && pf_kernel_wait2(crooked, 0, UINT32_MAX, never, FUTEX_PRIVATE_FLAG) == -EINVAL
            && pf_kernel_requeue2(crooked, crooked, 0, 0, 0, FUTEX_PRIVATE_FLAG) == -EINVAL;
    case PF_HAS_NUMA:
        return pf_kernel_wake2(pair, 0, UINT32_MAX, FUTEX_PRIVATE_FLAG | PF_FLAG_NUMA) == 0;
    case PF_HAS_MPOL:
        return pf_kernel_wake2(pair, 0, UINT32_MAX, FUTEX_PRIVATE_FLAG | PF_FLAG_MPOL) == 0;
    }
    return 0;
}

#endif
