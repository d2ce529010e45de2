/* A fuzz of pyfutex_shared.h and pyfutex_lock.h: locks over any bytes, used in any order, written over in between.
 *
 * An input is a list of actions on four locks, which lie in a page between two that nobody may touch. What has to hold after
 * each action: a documented answer; nothing pending; a refused release has changed no byte; and where no links are damaged, the
 * thread's list is that of a model.
 *
 * Left out by construction, and why:
 *  - links that could be addresses and are not those of a lock: they are followed, as all who map the memory trust each other;
 *  - links of two locks at a time, which could agree with each other (so those of a free lock are wiped); a last link that leads
 *    to the list's head, which has no link back; and both links to the head, as those of a list of one: they cannot be told
 *    from true ones;
 *  - the thread's id in the word of a lock that it does not hold: only the thread itself stores it;
 *  - the flag of priority inheritance: such a word is the kernel's, and so are the answers;
 *  - a deadline that does not pass: it sleeps, as it should.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "pyfutex_lock.h"

enum { N_LOCKS = 4, PAGE = 4096 };

static char *page;
static pyfutex_lock *locks;
static int order[N_LOCKS]; /* those that the thread holds, the last one first */
static int n_held;
static int damaged; /* the one whose links were written over, or -1 */

#define CHECK(holds)                                                                                                            \
    do {                                                                                                                        \
        if (!(holds)) {                                                                                                         \
            fprintf(stderr, "line %d: %s\n", __LINE__, #holds);                                                                 \
            abort();                                                                                                            \
        }                                                                                                                       \
    } while (0)

typedef struct {
    const uint8_t *at;
    size_t left;
} Input;

static unsigned take(Input *in)
{
    if (in->left == 0)
        return 0;
    in->left -= 1;
    return *in->at++;
}

static uint64_t take64(Input *in)
{
    uint64_t value = 0;
    int i;
    for (i = 0; i < 8; ++i)
        value = value << 8 | take(in);
    return value;
}

static int is_held(int i)
{
    int k;
    for (k = 0; k < n_held; ++k)
        if (order[k] == i)
            return 1;
    return 0;
}

static void *head_of(const pyfutex_thread *t) { return &t->head->list; }

/* The k-th of the list, which begins and ends with its head. */
static void *node_at(int k, const pyfutex_thread *t)
{
    return k < 0 || k >= n_held ? head_of(t) : (void *)pyfutex_lock_node(&locks[order[k]], t);
}

static int list_is_the_models(const pyfutex_thread *t)
{
    int k;
    /* A mark, as of a PI mutex, goes along with a link. */
    if (pyfutex_unmarked(t->head->list.next) != node_at(0, t) || t->n_more != (uint32_t)(n_held - (n_held != 0)))
        return 0;
    for (k = 0; k < n_held; ++k)
        if (pyfutex_unmarked(*(pyfutex_link *)node_at(k, t)) != node_at(k + 1, t) ||
            pyfutex_unmarked(*pyfutex_back_link(node_at(k, t))) != node_at(k - 1, t))
            return 0;
    return 1;
}

static void *a_link(Input *in, const pyfutex_thread *t)
{
    static const uint64_t impossible[] = {0, 1, 2, 3, 5, 0x6100000000000000u, 0xffffffffffffffffu, 0x2020202020202020u};
    unsigned choice = take(in);
    if (choice < 8)
        return (void *)(uintptr_t)impossible[choice];
    return (char *)pyfutex_lock_node(&locks[choice % N_LOCKS], t) + (choice >> 7);
}

static void acquired(int i, int answer)
{
    CHECK(answer == 0 || answer == -EOWNERDEAD || answer == -EBUSY || answer == -EDEADLK || answer == -ENOTRECOVERABLE ||
          answer == -ETIMEDOUT || answer == -EBADMSG);
    if (answer == -ENOTRECOVERABLE) /* It was held for a moment. */
        memset(locks[i].links, 0, sizeof(locks[i].links));
    if (answer == 0 || answer == -EOWNERDEAD) {
        CHECK((locks[i].word & FUTEX_TID_MASK) == pyfutex_this_thread()->tid);
        memmove(order + 1, order, (size_t)n_held * sizeof(*order));
        order[0] = i;
        n_held += 1;
    }
}

/* What a user may have written anywhere but into the word of a held lock and into links. */
static void write_over(Input *in, int i)
{
    unsigned what = take(in) % 6;
    uint64_t value = take64(in);
    pyfutex_lock *l = &locks[i];
    if (what == 0) {
        l->shared.stamp = value;
        ((unsigned char *)&l->shared.stamp)[3] &= (unsigned char)~PYFUTEX_PI;
    }
    if (what == 1)
        l->shared.space = value;
    else if (what == 2 && !is_held(i) && ((uint32_t)value & FUTEX_TID_MASK) != pyfutex_this_thread()->tid)
        l->word = (uint32_t)value;
    else if (what == 2 && is_held(i))
        l->word = (l->word & FUTEX_TID_MASK) | ((uint32_t)value & ~(uint32_t)FUTEX_TID_MASK);
    else if (what == 3)
        l->turns = (uint32_t)value;
    else if (what == 4)
        l->state = (uint32_t)value;
    else
        l->depth = (uint32_t)value;
}

static void damage_links(Input *in, int i)
{
    pyfutex_thread *t = pyfutex_this_thread();
    pyfutex_link *node = pyfutex_lock_node(&locks[i], t);
    void *before = a_link(in, t), *after = a_link(in, t);
    unsigned which = take(in) % 4;
    if (!is_held(i) || damaged >= 0)
        return;
    if (which == 3)
        before = head_of(t);
    if (which != 1)
        *pyfutex_back_link((void *)node) = before;
    if (which != 2)
        *node = after;
    damaged = i;
}

static void repair_links(void)
{
    const pyfutex_thread *t = pyfutex_this_thread();
    int k;
    for (k = 0; damaged >= 0 && k < n_held; ++k) {
        *(pyfutex_link *)node_at(k, t) = node_at(k + 1, t);
        *pyfutex_back_link(node_at(k, t)) = node_at(k - 1, t);
    }
    damaged = -1;
}

static void release(int i)
{
    char before[PAGE];
    int k, answer;
    memcpy(before, page, PAGE);
    answer = pyfutex_release(&locks[i]);
    CHECK(answer == 0 || answer == -EPERM || answer == -EBADMSG);
    CHECK((answer == -EPERM) == !is_held(i));
    if (answer != 0) {
        CHECK(memcmp(before, page, PAGE) == 0);
        CHECK(answer == -EPERM || damaged >= 0);
        return;
    }
    for (k = 0; order[k] != i; ++k)
        ;
    memmove(order + k, order + k + 1, (size_t)(n_held - k - 1) * sizeof(*order));
    n_held -= 1;
    memset(locks[i].links, 0, sizeof(locks[i].links));
    if (damaged == i)
        damaged = -1;
}

static void act(Input *in)
{
    static const struct timespec past[] = {{0, 0}, {0, 1}, {-1, 0}, {INT64_MIN, 0}};
    unsigned choice = take(in);
    int i = choice % N_LOCKS;
    pyfutex_lock *l = &locks[i];
    int answer;
    switch (choice / N_LOCKS % 8) {
    case 0:
        answer = pyfutex_open((pyfutex_lock *)((char *)l + take(in) % 2 * (take(in) % 16)));
        CHECK(answer == 0 || answer == -EINVAL || answer == -EBADMSG || answer == -EXDEV);
        break;
    case 1:
        acquired(i, pyfutex_try_acquire(l));
        break;
    case 2:
        acquired(i, pyfutex_acquire_until(l, &past[take(in) % 4], take(in) % 2 ? CLOCK_REALTIME : CLOCK_MONOTONIC));
        break;
    case 3:
        release(i);
        break;
    case 4:
        answer = pyfutex_consistent(l);
        CHECK(answer == 0 || answer == -EPERM || answer == -EINVAL);
        break;
    case 5:
        write_over(in, i);
        break;
    case 6:
        damage_links(in, i);
        break;
    default:
        repair_links();
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char *all = mmap(NULL, 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)argc;
    (void)argv;
    page = all + PAGE;
    CHECK(mprotect(page, PAGE, PROT_READ | PROT_WRITE) == 0);
    locks = (pyfutex_lock *)page;
    CHECK(pyfutex_this_thread() != NULL);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Input in = {data, size};
    pyfutex_thread *t = pyfutex_this_thread();
    int i;
    memset(page, 0, PAGE);
    n_held = 0;
    damaged = -1;
    while (in.left) {
        act(&in);
        CHECK(t->head->list_op_pending == NULL);
        if (damaged < 0)
            CHECK(list_is_the_models(t));
    }
    repair_links();
    for (i = 0; i < N_LOCKS; ++i)
        if (is_held(i))
            release(i);
    CHECK(n_held == 0);
    CHECK(list_is_the_models(t));
    return 0;
}
