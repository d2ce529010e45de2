/* A ring of io_uring's, by raw system calls: as much of it as waiting for futex words needs (Linux 6.7).
 *
 * Its fields are the kernel's, and the same on all machines; the headers of many systems are older than these operations.
 * One thread at a time uses a ring. Each request is submitted at once, so the submission queue never holds two.
 */
#ifndef PYFUTEX_URING_H
#define PYFUTEX_URING_H

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "steps.h"

#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#define SYS_io_uring_enter 426
#define SYS_io_uring_register 427
#endif

enum {
    PF_OP_ASYNC_CANCEL = 14,
    PF_OP_FUTEX_WAIT = 51,
    PF_SETUP_CQSIZE = 1 << 3,
    PF_FEATURE_SINGLE_MMAP = 1 << 0,
    PF_FEATURE_NODROP = 1 << 1,
    PF_ENTER_GETEVENTS = 1 << 0,
    PF_SQ_CQ_OVERFLOW = 1 << 1,
    PF_REGISTER_PROBE = 8,
    PF_PROBE_SUPPORTED = 1 << 0,
    PF_RING_SIZE = 8,
    /* What does not fit waits in the kernel. */
    PF_RING_COMPLETIONS = 1024,
};
#define PF_RING_AT 0ul
#define PF_REQUESTS_AT 0x10000000ul

/* struct io_uring_sqe. */
typedef struct {
    uint8_t opcode;
    uint8_t flags;
    uint16_t ioprio;
    int32_t fd;
    uint64_t addr2;
    uint64_t addr;
    uint32_t len;
    uint32_t op_flags;
    uint64_t user_data;
    uint16_t buf_index;
    uint16_t personality;
    uint32_t file_index;
    uint64_t addr3;
    uint64_t reserved;
} pf_request;

/* struct io_uring_cqe. */
typedef struct {
    uint64_t user_data;
    int32_t res;
    uint32_t flags;
} pf_completion;

/* struct io_uring_params, with struct io_sqring_offsets and struct io_cqring_offsets. */
typedef struct {
    uint32_t sq_entries, cq_entries, flags, sq_thread_cpu, sq_thread_idle, features, wq_fd, reserved[3];
    struct {
        uint32_t head, tail, mask, entries, flags, dropped, array, reserved;
        uint64_t user_addr;
    } sq;
    struct {
        uint32_t head, tail, mask, entries, overflow, cqes, flags, reserved;
        uint64_t user_addr;
    } cq;
} pf_ring_params;

/* struct io_uring_probe, with room for each operation that there can be. */
typedef struct {
    uint8_t last_op, n_ops;
    uint16_t reserved;
    uint32_t reserved2[3];
    struct {
        uint8_t op, reserved;
        uint16_t flags;
        uint32_t reserved2;
    } ops[256];
} pf_probe;

typedef struct {
    int fd;
    char *rings;
    size_t rings_size;
    pf_request *requests;
    size_t requests_size;
    uint32_t *sq_tail, *sq_flags, *sq_array, *cq_head, *cq_tail;
    uint32_t sq_mask, cq_mask;
    pf_completion *completions;
} pf_ring;

static inline void pf_ring_close(pf_ring *r)
{
    if (r->requests != NULL)
        munmap(r->requests, r->requests_size);
    if (r->rings != NULL)
        munmap(r->rings, r->rings_size);
    if (r->fd >= 0)
        close(r->fd);
    r->requests = NULL;
    r->rings = NULL;
    r->fd = -1;
}

static inline int pf_ring_knows_futexes(const pf_ring *r)
{
    pf_probe probe;
    memset(&probe, 0, sizeof(probe));
    return syscall(SYS_io_uring_register, r->fd, PF_REGISTER_PROBE, &probe, 256) == 0 &&
           probe.last_op >= PF_OP_FUTEX_WAIT && (probe.ops[PF_OP_FUTEX_WAIT].flags & PF_PROBE_SUPPORTED);
}

static inline char *pf_ring_map(const pf_ring *r, size_t size, unsigned long at)
{
    void *found = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd, (off_t)at);
    return found == MAP_FAILED ? NULL : found;
}

/* 0, or a negative errno: ENOSYS, EPERM: it is not known here, or not allowed; EOPNOTSUPP: it knows no futexes. Closed then. */
static inline int pf_ring_open(pf_ring *r)
{
    pf_ring_params p;
    size_t sq_size, cq_size;
    int answer;
    memset(r, 0, sizeof(*r));
    memset(&p, 0, sizeof(p));
    p.flags = PF_SETUP_CQSIZE;
    p.cq_entries = PF_RING_COMPLETIONS;
    r->fd = (int)syscall(SYS_io_uring_setup, PF_RING_SIZE, &p);
    if (r->fd < 0)
        return -errno;
    answer = -EOPNOTSUPP;
    if (!(p.features & PF_FEATURE_SINGLE_MMAP) || !(p.features & PF_FEATURE_NODROP) || !pf_ring_knows_futexes(r))
        goto failed;
    sq_size = p.sq.array + p.sq_entries * sizeof(uint32_t);
    cq_size = p.cq.cqes + p.cq_entries * sizeof(pf_completion);
    r->rings_size = sq_size > cq_size ? sq_size : cq_size;
    r->requests_size = p.sq_entries * sizeof(pf_request);
    r->rings = pf_ring_map(r, r->rings_size, PF_RING_AT);
    if (r->rings != NULL)
        r->requests = (pf_request *)pf_ring_map(r, r->requests_size, PF_REQUESTS_AT);
    if (r->requests == NULL) {
        answer = -errno;
        goto failed;
    }
    r->sq_tail = (uint32_t *)(r->rings + p.sq.tail);
    r->sq_flags = (uint32_t *)(r->rings + p.sq.flags);
    r->sq_array = (uint32_t *)(r->rings + p.sq.array);
    r->sq_mask = *(uint32_t *)(r->rings + p.sq.mask);
    r->cq_head = (uint32_t *)(r->rings + p.cq.head);
    r->cq_tail = (uint32_t *)(r->rings + p.cq.tail);
    r->cq_mask = *(uint32_t *)(r->rings + p.cq.mask);
    r->completions = (pf_completion *)(r->rings + p.cq.cqes);
    return 0;
failed:
    pf_ring_close(r);
    return answer;
}

/* Have the kernel write what has completed, though there was no room before, and whatever is about to. */
static inline int pf_ring_flush(pf_ring *r)
{
    return syscall(SYS_io_uring_enter, r->fd, 0, 0, PF_ENTER_GETEVENTS, NULL, 0) < 0 ? -errno : 0;
}

/* Hand over one request: 0, or a negative errno, with which it was not taken. If it has completed at once, that is there to be
 * read; with PF_ENTER_GETEVENTS, so is the completion of one that it cancels. */
static inline int pf_ring_submit(pf_ring *r, const pf_request *request, unsigned flags)
{
    uint32_t tail = *r->sq_tail, at = tail & r->sq_mask;
    long taken;
    int error;
    r->requests[at] = *request;
    r->sq_array[at] = at;
    __atomic_store_n(r->sq_tail, tail + 1, __ATOMIC_RELEASE);
    PF_STEP();
    taken = syscall(SYS_io_uring_enter, r->fd, 1, 0, flags, NULL, 0);
    if (taken == 1)
        return 0;
    error = taken < 0 ? errno : EAGAIN;
    __atomic_store_n(r->sq_tail, tail, __ATOMIC_RELEASE);
    return -error;
}

/* Wait while the word holds `val`. `flags`: of futex2. */
static inline int pf_ring_wait(pf_ring *r, uint32_t *word, uint32_t val, uint32_t flags, uint64_t user_data)
{
    pf_request request;
    memset(&request, 0, sizeof(request));
    request.opcode = PF_OP_FUTEX_WAIT;
    request.fd = (int32_t)flags;
    request.addr = (uintptr_t)word;
    request.addr2 = val;
    request.addr3 = UINT32_MAX;
    request.user_data = user_data;
    return pf_ring_submit(r, &request, 0);
}

/* End a wait, unless it has completed. Its own completion has 0 for `user_data`. */
static inline int pf_ring_cancel(pf_ring *r, uint64_t user_data)
{
    pf_request request;
    memset(&request, 0, sizeof(request));
    request.opcode = PF_OP_ASYNC_CANCEL;
    request.fd = -1;
    request.addr = user_data;
    return pf_ring_submit(r, &request, PF_ENTER_GETEVENTS);
}

/* Take the oldest completion: whether there was one. */
static inline int pf_ring_next(pf_ring *r, pf_completion *completion)
{
    uint32_t head = *r->cq_head;
    if (head == __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE)) {
        if (!(__atomic_load_n(r->sq_flags, __ATOMIC_RELAXED) & PF_SQ_CQ_OVERFLOW) || pf_ring_flush(r) != 0 ||
            head == __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE))
            return 0;
    }
    *completion = r->completions[head & r->cq_mask];
    __atomic_store_n(r->cq_head, head + 1, __ATOMIC_RELEASE);
    return 1;
}

#endif
