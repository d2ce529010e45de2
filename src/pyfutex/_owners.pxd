"""Who owns a PI word: the caller's thread id, and whether an owner is alive."""

from libc.stdint cimport uint32_t

from pyfutex._core.family cimport CManager
from pyfutex._core.pi cimport Owner
from pyfutex.target cimport Target


# `tid=` of the PI operations; None: the calling thread's. TypeError; InvalidArgument outside 1 .. 2**30 - 1.
cdef int convert_tid(object tid, uint32_t *value) except -1

# `tid=` where only the calling thread can be meant. ValueError for another's.
cdef int refuse_foreign_tid(object tid) except -1

# Ask `owner_alive` about the owner of the word, unless that is nobody or `tid` itself. Holds no lock: the answer may be
# about somebody who is not the owner any more, which the engine then says.
cdef int ask_for_owner(CManager *m, Target mem, object addr, int sharing, uint32_t tid, object owner_alive,
                       Owner *owner) except -1
