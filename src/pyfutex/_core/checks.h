/* What a build with -Dchecks=true asserts: who holds which lock, in which order locks are taken, and that queues hold
 * living waiters alone. A check that fails says what, in which function and on which thread, and aborts.
 *
 * In any other build every name here expands to an expression that is not evaluated.
 *
 * Each thread has a list of the word locks that it holds: a lock's word is full, and does not say whose it is. Every
 * library has its own copy of the code below, and all share one list a thread, whose pthread key stands in a capsule in
 * `sys`. It is fetched when a library is loaded, by a thread that is attached because it imports.
 */
#ifndef PYFUTEX_CHECKS_H
#define PYFUTEX_CHECKS_H

#include <stddef.h>
#include <stdint.h>

#include "build_options.h"

/* What a lock is. Under a mutex, which is outside all others, its holder may sleep and call Python. */
enum pf_lock_rank { PF_BUCKET_LOCK = 1, PF_PI_LOCK = 2, PF_MUTEX = 4 };

#if PF_CHECKS

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PF_MOST_HELD = 128, PF_POISON_BYTE = 0xDB };

typedef struct {
    const uint32_t *word;
    int rank;
} pf_held_lock;

typedef struct {
    uint32_t n;
    pf_held_lock locks[PF_MOST_HELD];
} pf_held;

static pthread_key_t *pf_held_key;

/* Attached, since a library is loaded by an import; one at a time, since the loader calls it under its lock. */
__attribute__((constructor)) static void pf_checks_begin(void)
{
    PyObject *capsule = PySys_GetObject("_pyfutex_checks");
    if (capsule == NULL) {
        pf_held_key = malloc(sizeof(pthread_key_t));
        if (pf_held_key == NULL || pthread_key_create(pf_held_key, free) != 0)
            abort();
        capsule = PyCapsule_New(pf_held_key, NULL, NULL);
        if (capsule == NULL || PySys_SetObject("_pyfutex_checks", capsule) != 0)
            abort();
        Py_DECREF(capsule);
        return;
    }
    pf_held_key = PyCapsule_GetPointer(capsule, NULL);
    if (pf_held_key == NULL)
        abort();
}

/* The name that Cython made a C name of: it puts the length before each part of the module's. */
static inline const char *pf_plain_name(const char *name)
{
    static const char prefix[] = "__pyx_f_";
    char *rest;
    if (strncmp(name, prefix, sizeof prefix - 1) != 0)
        return name;
    name += sizeof prefix - 1;
    while (*name >= '1' && *name <= '9') {
        size_t length = strtoul(name, &rest, 10);
        name = strnlen(rest, length + 1) > length ? rest + length + 1 : rest;
    }
    return name;
}

__attribute__((noreturn, cold, noinline)) static void pf_check_failed(const char *what, const char *where)
{
    char text[256];
    int n = snprintf(text, sizeof text, "pyfutex: check failed in %s, thread %ld: %s\n", pf_plain_name(where),
                     (long) syscall(SYS_gettid), what);
    /* Past the buffers of stdio, which abort() does not write. */
    ssize_t written = write(2, text, n < (int) sizeof text ? (size_t) n : sizeof text - 1);
    (void) written;
    abort();
}

static inline pf_held *pf_held_here(void)
{
    pf_held *held = pthread_getspecific(*pf_held_key);
    if (held == NULL) {
        held = calloc(1, sizeof *held);
        if (held == NULL || pthread_setspecific(*pf_held_key, held) != 0)
            abort();
    }
    return held;
}

/* The entry of a lock in the list of this thread, or NULL. */
static inline pf_held_lock *pf_held_entry(const uint32_t *word)
{
    pf_held *held = pf_held_here();
    for (uint32_t i = held->n; i-- > 0;)
        if (held->locks[i].word == word)
            return &held->locks[i];
    return NULL;
}

/* Whether this thread holds a lock of one of the ranks. */
static inline int pf_holds_a(int ranks)
{
    const pf_held *held = pf_held_here();
    for (uint32_t i = 0; i < held->n; i++)
        if (held->locks[i].rank & ranks)
            return 1;
    return 0;
}

static inline void pf_check_may_lock(const uint32_t *word, const char *where)
{
    const pf_held *held = pf_held_here();
    for (uint32_t i = 0; i < held->n; i++) {
        if (held->locks[i].word == word)
            pf_check_failed("it locks what it holds already", where);
        if (held->locks[i].rank == PF_BUCKET_LOCK && held->locks[i].word > word)
            pf_check_failed("bucket locks are taken by ascending address", where);
    }
}

static inline void pf_note_locked(const uint32_t *word, const char *where)
{
    pf_held *held = pf_held_here();
    if (held->n == PF_MOST_HELD)
        pf_check_failed("it holds more locks than anybody has a use for", where);
    held->locks[held->n].word = word;
    held->locks[held->n].rank = PF_BUCKET_LOCK;
    held->n++;
}

static inline void pf_note_unlocked(const uint32_t *word, const char *where)
{
    pf_held_lock *entry = pf_held_entry(word);
    pf_held *held = pf_held_here();
    if (entry == NULL)
        pf_check_failed("it lets go of a lock that it does not hold", where);
    *entry = held->locks[--held->n];
}

static inline void pf_note_rank(const uint32_t *word, enum pf_lock_rank rank, const char *where)
{
    pf_held_lock *entry = pf_held_entry(word);
    if (entry == NULL)
        pf_check_failed("it does not hold the lock", where);
    entry->rank = rank;
}

/* By its first two words, the links of a waiter. */
static inline int pf_is_poison(const void *p)
{
    unsigned char poison[16];
    memset(poison, PF_POISON_BYTE, sizeof poison);
    return memcmp(p, poison, sizeof poison) == 0;
}

#define PF_CHECK(condition, what) ((condition) ? (void) 0 : pf_check_failed(what, __func__))
#define PF_CHECK_MAY_LOCK(word) pf_check_may_lock(word, __func__)
#define PF_NOTE_LOCKED(word) pf_note_locked(word, __func__)
#define PF_NOTE_UNLOCKED(word) pf_note_unlocked(word, __func__)
#define PF_NOTE_RANK(word, rank) pf_note_rank(word, rank, __func__)
#define PF_CHECK_HOLDS(word) PF_CHECK(pf_held_entry(word) != NULL, "the bucket lock is not held")
#define PF_CHECK_HOLDS_BUCKET() PF_CHECK(pf_holds_a(PF_BUCKET_LOCK), "no bucket lock is held")
#define PF_CHECK_HOLDS_PI() PF_CHECK(pf_holds_a(PF_PI_LOCK), "the PI lock is not held")
#define PF_CHECK_NO_BUCKET() PF_CHECK(!pf_holds_a(PF_BUCKET_LOCK), "a bucket lock is held")
#define PF_CHECK_NO_LOCK()                                                                                            \
    PF_CHECK(!pf_holds_a(PF_BUCKET_LOCK | PF_PI_LOCK), "a bucket lock or a PI lock is held")
#define PF_POISON(p, size) ((void) memset(p, PF_POISON_BYTE, size))
#define PF_CHECK_QUEUED(w)                                                                                            \
    (PF_CHECK(!pf_is_poison(w) && !pf_is_poison((w)->next) && !pf_is_poison((w)->prev),                               \
              "a waiter in the queue whose wait is over"),                                                            \
     PF_CHECK((w)->next->prev == (w) && (w)->prev->next == (w), "links that do not agree"),                           \
     PF_CHECK((w)->location != 0, "a waiter in the queue that says it is in none"))

#else

/* sizeof does not evaluate its operand, and yet uses the variables in it. */
#define PF_CHECK(condition, what) ((void) sizeof(!(condition)), (void) sizeof(what))
#define PF_CHECK_MAY_LOCK(word) ((void) sizeof(word))
#define PF_NOTE_LOCKED(word) ((void) sizeof(word))
#define PF_NOTE_UNLOCKED(word) ((void) sizeof(word))
#define PF_NOTE_RANK(word, rank) ((void) sizeof(word))
#define PF_CHECK_HOLDS(word) ((void) sizeof(word))
#define PF_CHECK_HOLDS_BUCKET() ((void) 0)
#define PF_CHECK_HOLDS_PI() ((void) 0)
#define PF_CHECK_NO_BUCKET() ((void) 0)
#define PF_CHECK_NO_LOCK() ((void) 0)
#define PF_POISON(p, size) ((void) sizeof(p))
#define PF_CHECK_QUEUED(w) ((void) sizeof(w))

#endif

#endif
