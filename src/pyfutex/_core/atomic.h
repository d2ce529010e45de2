/* Atomic accesses whose memory order is part of the name.
 *
 * Every access to a field that two threads may touch goes through one of these; a plain access of such a field is an
 * error. They compile to the compiler's __atomic builtins. Orders: relaxed, acquire, release, acq_rel; no order in the
 * name means sequentially consistent.
 *
 * fence() is the only standalone fence, and fence_after_rmw() completes it where a sequentially consistent
 * read-modify-write is not a full barrier by itself. docs/memory-model.md says which line needs which.
 */
#ifndef PYFUTEX_ATOMIC_H
#define PYFUTEX_ATOMIC_H

#include <stdint.h>

#include "steps.h"

#define PF_AT(ACCESS, ...) (PF_STEP(), __atomic_##ACCESS(__VA_ARGS__))

#define PF_DEFINE_ATOMICS(SUFFIX, TYPE)                                                                               \
    static inline TYPE pf_load_relaxed_##SUFFIX(const TYPE *p) { return PF_AT(load_n, p, __ATOMIC_RELAXED); }         \
    static inline TYPE pf_load_acquire_##SUFFIX(const TYPE *p) { return PF_AT(load_n, p, __ATOMIC_ACQUIRE); }         \
    static inline TYPE pf_load_##SUFFIX(const TYPE *p) { return PF_AT(load_n, p, __ATOMIC_SEQ_CST); }                 \
    static inline void pf_store_relaxed_##SUFFIX(TYPE *p, TYPE v) { PF_AT(store_n, p, v, __ATOMIC_RELAXED); }         \
    static inline void pf_store_release_##SUFFIX(TYPE *p, TYPE v) { PF_AT(store_n, p, v, __ATOMIC_RELEASE); }         \
    static inline void pf_store_##SUFFIX(TYPE *p, TYPE v) { PF_AT(store_n, p, v, __ATOMIC_SEQ_CST); }                 \
    static inline TYPE pf_exchange_##SUFFIX(TYPE *p, TYPE v) { return PF_AT(exchange_n, p, v, __ATOMIC_SEQ_CST); }    \
    static inline TYPE pf_fetch_add_##SUFFIX(TYPE *p, TYPE v) { return PF_AT(fetch_add, p, v, __ATOMIC_SEQ_CST); }    \
    static inline TYPE pf_fetch_sub_##SUFFIX(TYPE *p, TYPE v) { return PF_AT(fetch_sub, p, v, __ATOMIC_SEQ_CST); }    \
    static inline TYPE pf_fetch_and_##SUFFIX(TYPE *p, TYPE v) { return PF_AT(fetch_and, p, v, __ATOMIC_SEQ_CST); }    \
    static inline TYPE pf_fetch_or_##SUFFIX(TYPE *p, TYPE v) { return PF_AT(fetch_or, p, v, __ATOMIC_SEQ_CST); }      \
    static inline TYPE pf_fetch_xor_##SUFFIX(TYPE *p, TYPE v) { return PF_AT(fetch_xor, p, v, __ATOMIC_SEQ_CST); }    \
    static inline TYPE pf_fetch_add_relaxed_##SUFFIX(TYPE *p, TYPE v)                                                 \
    {                                                                                                                 \
        return PF_AT(fetch_add, p, v, __ATOMIC_RELAXED);                                                              \
    }                                                                                                                 \
    static inline TYPE pf_fetch_sub_release_##SUFFIX(TYPE *p, TYPE v)                                                 \
    {                                                                                                                 \
        return PF_AT(fetch_sub, p, v, __ATOMIC_RELEASE);                                                              \
    }                                                                                                                 \
    /* Compare and swap: whether `desired` was stored; sequentially consistent on success, acquire on failure. */     \
    static inline int pf_cas_##SUFFIX(TYPE *p, TYPE expected, TYPE desired)                                           \
    {                                                                                                                 \
        return PF_AT(compare_exchange_n, p, &expected, desired, 0, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE);               \
    }                                                                                                                 \
    /* Compare and swap that tells what was there: equal to `expected` when `desired` was stored. */                  \
    static inline TYPE pf_cas_previous_##SUFFIX(TYPE *p, TYPE expected, TYPE desired)                                 \
    {                                                                                                                 \
        PF_AT(compare_exchange_n, p, &expected, desired, 0, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE);                      \
        return expected;                                                                                              \
    }

PF_DEFINE_ATOMICS(u8, uint8_t)
PF_DEFINE_ATOMICS(u16, uint16_t)
PF_DEFINE_ATOMICS(u32, uint32_t)
PF_DEFINE_ATOMICS(u64, uint64_t)
PF_DEFINE_ATOMICS(i64, int64_t)

#undef PF_DEFINE_ATOMICS

#if defined(__SANITIZE_THREAD__)
#define PF_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PF_THREAD_SANITIZER 1
#endif
#endif

/* Full barrier. The thread sanitizer knows no fences: there, a read-modify-write that nobody reads takes its place. */
static inline void pf_fence(void)
{
    PF_STEP();
#ifdef PF_THREAD_SANITIZER
    uint32_t nothing = 0;
    __atomic_fetch_add(&nothing, 1, __ATOMIC_SEQ_CST);
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* Full barrier right after a sequentially consistent read-modify-write: free where that was one already (x86). */
static inline void pf_fence_after_rmw(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __asm__ __volatile__("" ::: "memory");
#else
    pf_fence();
#endif
}

/* One step of a short spin. */
static inline void pf_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("isb" ::: "memory");
#endif
}

#define pf_likely(condition) __builtin_expect(!!(condition), 1)
#define pf_unlikely(condition) __builtin_expect(!!(condition), 0)

static inline void pf_prefetch(const void *p) { __builtin_prefetch(p, 1, 3); }

#endif
