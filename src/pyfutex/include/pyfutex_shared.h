/* What every pyfutex.sync primitive in shared memory begins with: sixteen bytes that say what it is, and to whom.
 *
 *     byte 0   'p', 'f'
 *          2   version of the layouts, 1
 *          3   low 4 bits: flags; high 4 bits: kind
 *          4   a number of its kind (how many permits, parties, ...), 32 bits
 *          8   of a robust one: the PID namespace and the boot in which its thread ids mean something, 64 bits
 *
 * Eight zero bytes are one that nobody has opened yet. Opening is one compare-and-swap, so none is ever half made. Numbers
 * have the byte order of the machine.
 */
#ifndef PYFUTEX_SHARED_H
#define PYFUTEX_SHARED_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    uint64_t stamp; /* atomic; 0, then never changed */
    uint64_t space; /* atomic; 0, then never changed */
} pyfutex_shared;

enum {
    PYFUTEX_LAYOUT_VERSION = 1,
    /* Kinds. */
    PYFUTEX_LOCK = 1,
    PYFUTEX_RLOCK = 2,
    PYFUTEX_CONDITION = 3,
    PYFUTEX_SEMAPHORE = 4,
    PYFUTEX_BOUNDED_SEMAPHORE = 5,
    PYFUTEX_EVENT = 6,
    PYFUTEX_BARRIER = 7,
    PYFUTEX_RWLOCK = 8,
    PYFUTEX_ONCE = 9,
    PYFUTEX_LATCH = 10,
    /* Flags. */
    PYFUTEX_NOT_ROBUST = 1,
    PYFUTEX_PI = 2,
    PYFUTEX_UNDO = 4,
};

/* Where a thread of musl ends with a lock held, musl itself lets it go, and looks there for the bit of a mutex that processes
 * share, whose sleepers it wakes. */
#define PYFUTEX_SHARED_FOR_MUSL 0x0000008000000080u

static inline uint64_t pyfutex_stamp(uint32_t kind, uint32_t flags, uint32_t number)
{
    unsigned char bytes[8] = {'p', 'f', PYFUTEX_LAYOUT_VERSION, (unsigned char)(kind << 4 | flags)};
    uint64_t stamp;
    memcpy(bytes + 4, &number, sizeof(number));
    memcpy(&stamp, bytes, sizeof(stamp));
    return stamp;
}

static inline uint32_t pyfutex_stamp_number(uint64_t stamp)
{
    unsigned char bytes[8];
    uint32_t number;
    memcpy(bytes, &stamp, sizeof(stamp));
    memcpy(&number, bytes + 4, sizeof(number));
    return number;
}

static inline uint32_t pyfutex_stamp_kind(uint64_t stamp)
{
    unsigned char bytes[8];
    memcpy(bytes, &stamp, sizeof(stamp));
    return bytes[3] >> 4;
}

static inline uint32_t pyfutex_stamp_flags(uint64_t stamp)
{
    unsigned char bytes[8];
    memcpy(bytes, &stamp, sizeof(stamp));
    return bytes[3] & 15;
}

/* Which PID namespace and which boot this process runs in, as one number; 0: not to be found out. */
static inline uint64_t pyfutex_this_space(void)
{
    char boot[64];
    struct stat about;
    uint64_t space = 0xcbf29ce484222325u;
    ssize_t n, i;
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    n = read(fd, boot, sizeof(boot));
    close(fd);
    if (n <= 0 || stat("/proc/self/ns/pid", &about) != 0)
        return 0;
    for (i = 0; i < n; ++i)
        space = (space ^ (unsigned char)boot[i]) * 0x100000001b3u;
    space = (space ^ about.st_dev) * 0x100000001b3u;
    space = (space ^ about.st_ino) * 0x100000001b3u;
    return space | PYFUTEX_SHARED_FOR_MUSL;
}

/* Open what is at `shared`, or make it where there are zero bytes: 1, it was made; 0, it was there. -EBADMSG: something else
 * is there, as `found` tells. */
static inline int pyfutex_shared_open(pyfutex_shared *shared, uint64_t stamp, uint64_t *found)
{
    *found = 0;
    if (__atomic_compare_exchange_n(&shared->stamp, found, stamp, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        *found = stamp;
        return 1;
    }
    return *found == stamp ? 0 : -EBADMSG;
}

/* Claim a robust one for this process's PID namespace: 0. -EXDEV: it is of another, where thread ids mean other threads. */
static inline int pyfutex_shared_enter(pyfutex_shared *shared, uint64_t space)
{
    uint64_t found = 0;
    if (space == 0)
        return -ENOSYS;
    if (__atomic_compare_exchange_n(&shared->space, &found, space, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        return 0;
    return found == space ? 0 : -EXDEV;
}

#endif
