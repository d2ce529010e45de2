"""Finding a primitive's place in shared memory, and keeping it. Contracts are in _shared.pxd."""

cimport cython

from cpython.ref cimport Py_INCREF
from libc.errno cimport EEXIST, EFAULT, EMFILE, ENFILE, ENOSYS, EXDEV, errno
from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.atomic cimport load_acquire_u64, load_relaxed_u32
from pyfutex._core.kernelcalls cimport kernel_cmp_requeue
from pyfutex._errors cimport raise_errno
from pyfutex.memory cimport Memory
from pyfutex.sync._robust cimport (
    INHERITS,
    KIND_BOUNDED_SEMAPHORE,
    KIND_EVENT,
    KIND_LATCH,
    KIND_LOCK,
    KIND_SEMAPHORE,
    LAYOUT_VERSION,
    NOT_ROBUST,
    RobustLock,
    SharedHead,
    SharedKind,
    TID_MASK,
    UNDO,
    make_stamp,
    shared_enter,
    shared_open,
    stamp_flags,
    stamp_number,
    this_space,
)
from pyfutex.sync._slots cimport Slots, bytes_with_slots, slots_init
from pyfutex.sync._thread cimport robust_thread

import operator
import warnings


cdef extern from *:
    """
    #include <signal.h>
    #include <sys/syscall.h>
    #include <unistd.h>

    static inline int pf_is_thread_here(uint32_t tid) { return syscall(SYS_tgkill, getpid(), tid, 0) == 0; }
    """
    bint is_thread_here "pf_is_thread_here" (uint32_t tid)


cdef enum:
    ALIGNMENT = 8

NAMES = {
    kind: name
    for kind, name in enumerate(
        (
            "Lock",
            "RLock",
            "Condition",
            "Semaphore",
            "BoundedSemaphore",
            "Event",
            "Barrier",
            "RWLock",
            "Once",
            "Latch",
        ),
        start=1,
    )
}
cdef bytes MAGIC = b"pf"


cdef object described(uint64_t stamp):
    """What a stamp that nobody expected says, for an error message."""
    cdef bytes head = (<char *> &stamp)[:4]
    if head[:2] != MAGIC:
        return "something that is not of pyfutex.sync"
    if head[2] != LAYOUT_VERSION:
        return f"a layout of version {head[2]}, where this pyfutex knows {LAYOUT_VERSION}"
    name = NAMES.get(head[3] >> 4, "primitive of an unknown kind")
    sort = "" if is_of_kind(stamp, <SharedKind> (head[3] >> 4)) else " of an unknown sort"
    return f"a {name}{' of priority inheritance' if stamp_flags(stamp) == INHERITS and not sort else sort}"


cdef inline uint32_t flags_of(SharedKind kind) noexcept:
    # Which flags it may have, one at a time.
    if kind == KIND_SEMAPHORE or kind == KIND_BOUNDED_SEMAPHORE:
        return UNDO
    if kind == KIND_LOCK:
        return NOT_ROBUST | INHERITS
    return 0 if kind == KIND_EVENT or kind == KIND_LATCH else NOT_ROBUST


cdef inline bint is_of_kind(uint64_t stamp, SharedKind kind) noexcept:
    cdef uint32_t flags = stamp_flags(stamp) & flags_of(kind)
    return flags & (flags - 1) == 0 and stamp == make_stamp(kind, flags, stamp_number(stamp))


cdef inline bint is_robust(SharedKind kind, uint32_t flags) noexcept:
    # It begins with a lock that has an owner.
    cdef uint32_t some = flags_of(kind)
    return flags & UNDO != 0 if some == UNDO else some != 0 and flags & NOT_ROBUST == 0


cdef Memory memory_of(object buffer):
    return <Memory> buffer if isinstance(buffer, Memory) else Memory(buffer)


@cython.final
cdef class Shared:
    """Where a primitive lies, and what keeps it mapped."""

    def __del__(self):
        if self.head == NULL or not is_last_handle(self.place) or not self.is_robust:
            return
        # Were the memory unmapped, the kernel could not read the thread's list when it ends, and every lock taken before
        # this one would stay locked.
        if is_held_here(<RobustLock *> self.head) or slots_are_held_here(&self.slots):
            Py_INCREF(self.memory)
            warnings.warn("a lock is dropped while it is held: its memory is kept", ResourceWarning, 2)


# How many objects there are at an address: while another one is left, so is its export, and the memory is mapped.
cdef dict handles = {}


cdef int add_handle(object place) except -1:
    with cython.critical_section(handles):
        handles[place] = handles.get(place, 0) + 1
    return 0


cdef bint is_last_handle(object place) except -1:
    """Whether it was the last one; it is counted no more. Needs no memory, without which it would be counted for ever."""
    with cython.critical_section(handles):
        n = handles[place] - 1
        if n:
            handles[place] = n
        else:
            del handles[place]
    return n == 0


cdef bint is_held_here(RobustLock *lock) noexcept:
    """Whether a thread of this process holds it. Nobody does if the memory is gone, as that of a file that was cut off."""
    cdef uint32_t owner
    # The kernel looks first, and says so where we would die of it.
    if kernel_cmp_requeue(&lock.word, &lock.word, 0, 0, 0, 0) == -EFAULT:
        return False
    owner = load_relaxed_u32(&lock.word) & TID_MASK
    return owner != 0 and is_thread_here(owner)


cdef bint slots_are_held_here(const Slots *slots) noexcept:
    cdef uint32_t i
    for i in range(slots.n):
        if is_held_here(&slots.first[i]):
            return True
    return False


cdef int check_room(Memory memory, object offset, size_t size, SharedKind kind) except -1:
    if not (size <= memory.c.nbytes and 0 <= offset <= memory.c.nbytes - size):
        raise ValueError(f"a {NAMES[kind]} is {size} bytes, more than a buffer of {memory.c.nbytes} has from {offset} on")
    return 0


cdef int shared_add_slots(Shared shared, SharedKind kind, uint32_t n) except -1:
    check_room(shared.memory, shared.offset, bytes_with_slots(n), kind)
    slots_init(&shared.slots, shared.head, n)
    return 0


cdef Shared shared_bind(object buffer, object offset, size_t size, SharedKind kind, uint32_t flags, uint32_t number,
                        Opening how, uint32_t *found_flags, uint32_t *found_number):
    cdef Shared shared = Shared.__new__(Shared)
    cdef Memory memory = memory_of(buffer)
    cdef SharedHead *head
    cdef uint64_t stamp = make_stamp(kind, flags, number), found
    cdef uint64_t at, space = 0
    cdef int answer
    offset = operator.index(offset)
    check_room(memory, offset, size, kind)
    at = <uint64_t> memory.c.host + <uint64_t> offset
    if at % ALIGNMENT:
        raise ValueError(f"a {NAMES[kind]} begins at a multiple of {ALIGNMENT} in memory")
    head = <SharedHead *> at
    if how == ATTACH:
        found = load_acquire_u64(&head.stamp)
        if found == 0 and number != ZERO_IS_ONE:
            raise ValueError(f"no {NAMES[kind]} has been created at offset {offset}")
        if found and not is_of_kind(found, kind):
            raise ValueError(f"at offset {offset} is {described(found)}, not a {NAMES[kind]}")
        if found:
            stamp = found
        else:
            stamp = make_stamp(kind, flags, 0)
    # Before anything is written.
    shared.is_robust = is_robust(kind, stamp_flags(stamp))
    without = "without undo" if flags_of(kind) == UNDO else "with robust=False"
    if shared.is_robust:
        space = this_space()
        if space == 0 and (errno == EMFILE or errno == ENFILE):
            raise_errno(errno)
        if space == 0 or robust_thread() == NULL:
            raise OSError(
                ENOSYS,
                f"there are no robust futexes here, or no /proc that tells this PID namespace; {without} it needs neither",
            )
    answer = shared_open(head, stamp, &found)
    if answer < 0 and not (how == CREATE and is_of_kind(found, kind)):
        raise ValueError(f"at offset {offset} is {described(found)}, not a new {NAMES[kind]}")
    if answer <= 0 and how == CREATE:
        raise FileExistsError(EEXIST, f"there is a {NAMES[kind]} at offset {offset} already: attach to it")
    if shared.is_robust and shared_enter(head, space) < 0:
        raise OSError(
            EXDEV,
            f"the {NAMES[kind]} at offset {offset} belongs to another PID namespace or boot, where thread ids mean "
            f"other threads; share the namespace (--pid=host, --pid=container:...) or create it {without}",
        )
    found_flags[0] = stamp_flags(stamp)
    found_number[0] = stamp_number(stamp)
    place = at
    add_handle(place)
    shared.place = place
    shared.memory = memory
    shared.head = head
    shared.offset = offset
    return shared
