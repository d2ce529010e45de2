/* A thread's list of robust locks, as the C library and the kernel keep it: what is in it when the thread ends, in whatever
 * way, the kernel marks as OWNER_DIED. Each library that includes this has a record of its own of each thread.
 */
#ifndef PYFUTEX_ROBUSTLIST_H
#define PYFUTEX_ROBUSTLIST_H

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Before each step that another thread, or the kernel after a death, may see: nothing, but for those who test with delays. */
#ifndef PYFUTEX_STEP
#define PYFUTEX_STEP() ((void)0)
#endif

/* What a thread knows of itself. */
typedef struct {
    uint32_t tid; /* 0: not asked yet, or before a fork */
    uint32_t n_more; /* locks it holds, but for one: what taking and releasing the only one need not count */
    struct robust_list_head *head;
    void (*passing_on)(const uint32_t *word); /* hears of each release that may wake somebody, before it; NULL: nobody does */
} pyfutex_thread;

/* A link, which need not lie at a multiple of its size: with musl's offset it does not. */
typedef void *pyfutex_link __attribute__((aligned(4), may_alias));

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
    t->n_more = 0;
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
    t->n_more = 0;
}

/* The kernel reads the list and the pending operation of a thread that is gone: no more than the compiler has to be kept
 * from reordering. */
static inline void pyfutex_set_pending(pyfutex_thread *t, void *node)
{
    PYFUTEX_STEP();
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
    return (uintptr_t)link >= 4096 && ((uintptr_t)link & 3) == 0 && (uint64_t)(uintptr_t)link >> 56 == 0;
}

static inline void pyfutex_enlist(pyfutex_link *node, pyfutex_thread *t)
{
    struct robust_list *head = &t->head->list;
    void *first = pyfutex_unmarked(head->next);
    node[0] = head->next;
    *pyfutex_back_link(node) = head;
    if (first != head) {
        *pyfutex_back_link(first) = node;
        t->n_more += 1;
    }
    PYFUTEX_STEP();
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    head->next = (struct robust_list *)node;
}

/* Join what stands before a node and after it. 0; -EBADMSG: somebody wrote over the links, nothing was changed. */
static __attribute__((noinline, unused)) int pyfutex_cut_out(const pyfutex_link *node, pyfutex_thread *t)
{
    void *head = &t->head->list;
    void *before = pyfutex_unmarked(*pyfutex_back_link((void *)node));
    void *after = pyfutex_unmarked(node[0]);
    void *listed;
    /* Links of a node to itself would agree with each other. */
    if (!pyfutex_is_link(before) || !pyfutex_is_link(after) || before == node || after == node)
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

/* It is the only one of the list, as it mostly is: then the thread holds it. */
static inline int pyfutex_is_alone(const pyfutex_link *node, const pyfutex_thread *t)
{
    const struct robust_list *head = &t->head->list;
    return (const void *)head->next == node && node[0] == head && *pyfutex_back_link((void *)node) == head;
}

/* `is_alone`: as pyfutex_is_alone. As pyfutex_cut_out. */
static inline int pyfutex_unlist(pyfutex_link *node, pyfutex_thread *t, int is_alone)
{
    PYFUTEX_STEP();
    if (__builtin_expect(is_alone, 1)) {
        t->head->list.next = &t->head->list;
        t->n_more = 0;
        return 0;
    }
    if (pyfutex_cut_out(node, t) != 0)
        return -EBADMSG;
    /* Code with a record of its own may have taken it in the same thread. */
    t->n_more -= t->n_more != 0;
    return 0;
}

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

#endif
