/* A deadline that one of Python's signals brings forward.
 *
 * The futex calls of priority inheritance begin anew after a signal, whatever its handler wishes. But they read their deadline
 * anew. Python writes the number of each signal that it has a handler for to a descriptor (signal.set_wakeup_fd), before that; here
 * it is one of memory, and the number lands in the nanoseconds of the deadline, which are too many then: EINVAL, at once.
 */
#ifndef PYFUTEX_SYNC_BELL_H
#define PYFUTEX_SYNC_BELL_H

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8
#endif

enum {
    PF_BELL_BYTES = 4096,
    /* The most significant byte of the nanoseconds, and what further signals write behind it. */
    PF_BELL_AT = offsetof(struct timespec, tv_nsec) +
        (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? sizeof(((struct timespec *)0)->tv_nsec) - 1 : 0),
};

typedef struct {
    int fd;
    dev_t device;
    ino_t inode;
    char *memory; /* NULL: there is none yet */
} pf_bell;

/* Whether the descriptor is the bell's still: programs close what they do not know. */
static inline int pf_bell_is_whole(const pf_bell *b)
{
    struct stat about;
    return b->memory != NULL && fstat(b->fd, &about) == 0 && about.st_dev == b->device && about.st_ino == b->inode;
}

static inline void pf_bell_drop(pf_bell *b)
{
    if (pf_bell_is_whole(b))
        close(b->fd);
    if (b->memory != NULL)
        munmap(b->memory, PF_BELL_BYTES);
    b->memory = NULL;
}

static inline int pf_bell_make(pf_bell *b)
{
    struct stat about;
    void *memory;
    int fd = memfd_create("pyfutex", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL) /* before Linux 6.3 */
        fd = memfd_create("pyfutex", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    /* Python wants to hear that it does not block. */
    if (ftruncate(fd, PF_BELL_BYTES) != 0 || fstat(fd, &about) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0 ||
        (memory = mmap(NULL, PF_BELL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED) {
        int error = errno;
        close(fd);
        return -error;
    }
    *b = (pf_bell){fd, about.st_dev, about.st_ino, (char *)memory};
    return 0;
}

/* Have it ready to ring, with a deadline; NULL: none. 0; or a negative errno: there is no descriptor to be had. */
static inline int pf_bell_ready(pf_bell *b, const struct timespec *deadline)
{
    static const struct timespec never = {sizeof(time_t) == 8 ? (time_t)(INT64_C(1) << 33) : INT32_MAX, 0};
    if (!pf_bell_is_whole(b)) {
        int error;
        pf_bell_drop(b);
        error = pf_bell_make(b);
        if (error != 0)
            return error;
    }
    lseek(b->fd, PF_BELL_AT, SEEK_SET);
    memcpy(b->memory, deadline == NULL ? &never : deadline, sizeof(never));
    return 0;
}

/* How often it rang; and hand that on to another descriptor, as Python would have. */
static inline int pf_bell_heard(const pf_bell *b, int other)
{
    ssize_t n = lseek(b->fd, 0, SEEK_CUR) - PF_BELL_AT;
    if (n > PF_BELL_BYTES - PF_BELL_AT)
        n = PF_BELL_BYTES - PF_BELL_AT;
    if (n > 0 && other >= 0 && write(other, b->memory + PF_BELL_AT, n) < 0)
        errno = 0; /* there is no room, and he who reads it has been told */
    return n > 0 ? (int)n : 0;
}

#endif
