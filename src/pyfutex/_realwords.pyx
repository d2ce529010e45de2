"""Real memory for system calls. Contracts are in _realwords.pxd."""

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._arguments cimport as_size
from pyfutex._core.key cimport LOG2_SIZE_U32
from pyfutex._core.status cimport MISFIT
from pyfutex._core.target cimport Access, MAPPED, Word, word_close
from pyfutex.addressspace cimport AddressSpace, mapped_now
from pyfutex.target cimport Target


cdef int refuse_unreal(object mem) except -1:
    if not isinstance(mem, Target) or (<Target> mem).c.kind > MAPPED:
        raise TypeError(f"the kernel needs real memory: a Memory or an AddressSpace, not {type(mem).__name__}")
    return 0


cdef int refuse_size(object size) except -1:
    if as_size(size) != LOG2_SIZE_U32:
        raise_status(MISFIT)
    return 0


cdef object hold_mapped(Target mem, uint64_t addr, Access access, uint32_t **host):
    cdef Word word
    cdef object keeper
    while True:
        keeper = mapped_now(<AddressSpace> mem)
        host[0] = real_open(mem, addr, access, &word)
        word_close(&word)
        # If the regions have changed meanwhile, what was found need not be among those that we hold.
        if mapped_now(<AddressSpace> mem) is keeper:
            return keeper
