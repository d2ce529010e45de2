"""Finding the futex word of a call: address argument to key and host address, for targets of every kind."""

from libc.stdint cimport uint32_t

from pyfutex._core.key cimport Key as CKey
from pyfutex._core.status cimport Status
from pyfutex._core.target cimport Access
from pyfutex._core.word cimport Word
from pyfutex.target cimport Target


# The key of the word at `addr`. OK, MISFIT, FAULT. May call Python, so: not between word_open and word_close.
cdef Status find_key(Target mem, object addr, uint32_t log2_size, int sharing, Access access,
                     CKey *key) except? <Status> 255

# The word itself, of a target that the engine reads by itself; until word_close no Python code may run.
cdef Status open_word(Target mem, object addr, uint32_t log2_size, int sharing, Access access,
                      Word *word) except? <Status> 255
