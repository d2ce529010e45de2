/* An eventfd as a bell: rung by wakers, silenced by whoever looks. */
#ifndef PYFUTEX_COMPLETIONS_H
#define PYFUTEX_COMPLETIONS_H

#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A descriptor above 0, so that zeroed memory names none; or -1 with errno. */
static inline int pf_bell_new(void)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd == 0) {
        fd = fcntl(0, F_DUPFD_CLOEXEC, 1);
        close(0);
    }
    return fd;
}

/* Put a bell of this process's own behind the number `fd`, which a fork made it share with its parent. Should that fail for
 * want of descriptors, the bell stays shared. */
static inline void pf_bell_renew(int fd)
{
    int own = pf_bell_new();
    if (own >= 0) {
        dup3(own, fd, O_CLOEXEC);
        close(own);
    }
}

/* Never blocks: a bell that is rung 2**64 - 1 times already is loud enough. */
static inline void pf_bell_ring(int fd)
{
    uint64_t one = 1;
    if (write(fd, &one, sizeof one) < 0)
        return;
}

static inline void pf_bell_silence(int fd)
{
    uint64_t rings;
    if (read(fd, &rings, sizeof rings) < 0)
        return;
}

/* Sleep until the bell rings: 1, or 0 after timeout_ms (-1: never), or -1 with errno. */
static inline int pf_bell_wait(int fd, int timeout_ms)
{
    struct pollfd bell = {fd, POLLIN, 0};
    return poll(&bell, 1, timeout_ms);
}

#endif
