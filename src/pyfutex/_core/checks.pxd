"""View of checks.h: what a build with -Dchecks=true asserts. In any other build nothing here costs anything."""

from libc.stdint cimport uint32_t


cdef extern from "checks.h" nogil:
    # Whether this is such a build: a constant, for checks that take more than a condition.
    const bint CHECKS "PF_CHECKS"

    ctypedef enum LockRank "enum pf_lock_rank":
        PI_LOCK "PF_PI_LOCK"
        MUTEX "PF_MUTEX"

    void check "PF_CHECK" (bint condition, const char *what)

    # The list of the word locks that this thread holds. Each is a bucket lock until note_rank says otherwise.
    void check_may_lock "PF_CHECK_MAY_LOCK" (const uint32_t *word)
    void note_locked "PF_NOTE_LOCKED" (const uint32_t *word)
    void note_unlocked "PF_NOTE_UNLOCKED" (const uint32_t *word)
    void note_rank "PF_NOTE_RANK" (const uint32_t *word, LockRank rank)

    void check_holds "PF_CHECK_HOLDS" (const uint32_t *word)
    void check_holds_bucket "PF_CHECK_HOLDS_BUCKET" ()      # whichever
    void check_holds_pi "PF_CHECK_HOLDS_PI" ()
    void check_no_bucket "PF_CHECK_NO_BUCKET" ()
    void check_no_lock "PF_CHECK_NO_LOCK" ()                # but for mutexes

    # Fill memory that nobody may look at any more.
    void poison "PF_POISON" (void *p, size_t size)
