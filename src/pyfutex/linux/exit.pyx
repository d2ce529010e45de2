"""What a guest thread leaves behind when it ends. Contracts are in exit.pxd.

The list is the guest's, and may hold anything: it may be a circle, and other threads may change it and its words meanwhile.
"""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._calledtarget cimport called_cas
from pyfutex._core.bucket cimport Taken, taken_init
from pyfutex._core.engine cimport engine_wake
from pyfutex._core.key cimport Key as CKey, LOG2_SIZE_U32
from pyfutex._core.pi cimport OWNER_DIED, TID_MASK, WAITERS
from pyfutex._core.status cimport ATTACHED, CONTENDED, DETACHED, MISMATCH, OK, Status
from pyfutex._core.target cimport BY_MEMORY, IS_SHARED, READ, WRITE, word_close, word_open
from pyfutex._core.word cimport Word, word_cas
from pyfutex._delivery cimport deliver
from pyfutex._pi cimport inherit_pi
from pyfutex._words cimport find_key
from pyfutex.linux.usercopy cimport copy_in, copy_out, exchanged
from pyfutex.target cimport is_called


cdef enum:
    LONGEST_LIST = 2048     # entries that are looked at
    PATIENCE = 1024         # how often a word may change under us


cdef struct Entry:
    uint64_t addr
    bint is_pi

cdef struct Walk:
    CManager *m
    uint32_t tid
    uint64_t limit
    uint64_t offset         # from an entry to its word
    uint64_t pointers       # all ones, as wide as one
    uint32_t width          # of a pointer, bytes
    bint is_exchanged       # pointers of 64 bits have their upper word first
    bint wakes_for_others

cdef enum Found:
    # What a compare-and-swap on a guest's word came to.
    SWAPPED
    CHANGED
    UNREADABLE


cdef int shared_wake(CManager *m, Target mem, uint64_t addr, uint64_t limit) except -1:
    cdef CKey key
    cdef Taken taken
    cdef Status status
    if addr >= limit:
        return 0
    try:
        status = find_key(mem, addr, LOG2_SIZE_U32, IS_SHARED, READ, &key)
    except OSError:
        return 0    # from a Python target
    if status != OK:
        return 0
    taken_init(&taken)
    status = engine_wake(m, &key, 1, 0xFFFFFFFF, &taken, ATTACHED)
    if status == CONTENDED:
        with nogil:
            status = engine_wake(m, &key, 1, 0xFFFFFFFF, &taken, DETACHED)
    deliver(&taken)
    return 0


cdef Found swap_word(Target mem, uint64_t addr, uint32_t old, uint32_t new) except? UNREADABLE:
    # Requires: addr was read from.
    cdef Word word
    cdef Status status
    if is_called(mem):
        try:
            return SWAPPED if called_cas(mem, addr, old, new) == old else CHANGED
        except OSError:
            return UNREADABLE
    status = word_open(&mem.c, addr, LOG2_SIZE_U32, BY_MEMORY, WRITE, &word)
    if status == OK:
        status = word_cas(&word, old, new)
        word_close(&word)
    if status == OK:
        return SWAPPED
    return CHANGED if status == MISMATCH else UNREADABLE


cdef bint give_up_word(const Walk *walk, Target mem, const Entry *entry, bint is_pending) except? False:
    """Whether the walk may go on."""
    cdef uint64_t addr = (entry.addr + walk.offset) & walk.pointers
    cdef uint32_t word, owner
    cdef Found found
    cdef int _try
    if addr & 3:
        return False
    for _try in range(PATIENCE):
        if copy_in(mem, addr, walk.limit, &word, sizeof(word)):
            return False
        owner = word & TID_MASK
        if is_pending and not entry.is_pi and wakes_while_pending(walk, word):
            # The thread gave the word up and died before it could wake: what it would have done is done for it.
            shared_wake(walk.m, mem, addr, walk.limit)
            return True
        if owner != walk.tid:
            return True
        found = swap_word(mem, addr, word, (word & WAITERS) | OWNER_DIED)
        if found == UNREADABLE:
            return False
        if found == SWAPPED:
            if word & WAITERS and not entry.is_pi:
                shared_wake(walk.m, mem, addr, walk.limit)
            return True
    return True


cdef inline bint wakes_while_pending(const Walk *walk, uint32_t word) noexcept:
    cdef uint32_t owner = word & TID_MASK
    return owner == 0 or (walk.wakes_for_others and owner != walk.tid and not word & WAITERS)


cdef bint read_pointer(const Walk *walk, Target mem, uint64_t addr, uint64_t *value) except? False:
    value[0] = 0
    if copy_in(mem, addr & walk.pointers, walk.limit, value, walk.width):
        return False
    if walk.is_exchanged:
        value[0] = exchanged(value[0])
    return True


cdef bint read_entry(const Walk *walk, Target mem, uint64_t addr, Entry *entry) except? False:
    cdef uint64_t value
    if not read_pointer(walk, mem, addr, &value):
        return False
    entry.is_pi = value & 1
    entry.addr = value & ~<uint64_t> 1
    return True


cdef int walk_robust_list(CManager *m, Target mem, uint32_t tid, uint64_t head, bint is_narrow, bint is_exchanged,
                          uint64_t limit, bint wakes_for_others) except -1:
    cdef Entry entry, next, pending
    cdef Walk walk
    cdef bint has_next
    cdef int _entry
    walk.m = m
    walk.tid = tid
    walk.limit = limit
    walk.pointers = 0xFFFFFFFF if is_narrow else <uint64_t> 0xFFFFFFFFFFFFFFFF
    walk.width = 4 if is_narrow else 8
    walk.is_exchanged = is_exchanged and not is_narrow
    walk.wakes_for_others = wakes_for_others
    if not (read_entry(&walk, mem, head, &entry) and read_pointer(&walk, mem, head + walk.width, &walk.offset)
            and read_entry(&walk, mem, head + 2 * walk.width, &pending)):
        return 0
    for _entry in range(LONGEST_LIST):
        if entry.addr == head:
            break
        # Before the word is given up: whoever gets it then may take the entry away.
        has_next = read_entry(&walk, mem, entry.addr, &next)
        if entry.addr != pending.addr and not give_up_word(&walk, mem, &entry, False):
            return 0
        if not has_next:
            return 0
        entry = next
    if pending.addr:
        give_up_word(&walk, mem, &pending, True)
    return 0


cdef int give_up_pi(CManager *m, uint32_t tid) except -1:
    try:
        inherit_pi(m, tid)
    except OSError:
        return 0    # from a Python target
    return 0


cdef int clear_child_tid(CManager *m, Target mem, uint64_t addr, uint64_t limit) except -1:
    cdef uint32_t zero = 0
    copy_out(mem, addr, limit, &zero, sizeof(zero))
    return shared_wake(m, mem, addr, limit)
