"""Waits of coroutines for words of real memory. Contracts are in _wordwait.pxd."""

cimport cython

from libc.errno cimport EAGAIN

from pyfutex._arguments cimport as_sharing, as_u32
from pyfutex._core.kernelcalls cimport PRIVATE_FLAG, kernel_wake
from pyfutex._core.target cimport IS_PRIVATE, READ
from pyfutex._errors cimport raise_errno
from pyfutex._realwords cimport real_address, real_hold, real_target

from pyfutex.results import WaitResult

cdef object WOKEN = WaitResult.WOKEN
cdef object DIFFERED = WaitResult.MISMATCH
cdef object TIMED_OUT = WaitResult.TIMEOUT


@cython.final
cdef class WordWait:
    """One wait, until the kernel has answered it."""

    def result(self):
        """What `Kernel.wait` would have returned or raised. Requires: answered."""
        if self.answer == 0:
            return WOKEN
        if self.answer == -EAGAIN:
            return DIFFERED
        if self.answer == -ECANCELED:
            return TIMED_OUT
        raise_errno(-self.answer)


cdef WordWait word_wait(object future, object mem, object addr, object val, object private):
    cdef WordWait wait = WordWait.__new__(WordWait)
    as_u32(val, &wait.val)
    wait.flag = PRIVATE_FLAG if as_sharing(private) == IS_PRIVATE else 0
    wait.kept = real_hold(real_target(mem), real_address(addr), READ, &wait.host)
    wait.future = future
    return wait


cdef int let_go(WordWait wait) except -1:
    if wait.answer == 0:
        kernel_wake(wait.host, 1, 0xFFFFFFFF, wait.flag)
    wait.kept = None
    return 0


cdef int word_answered(WordWait wait, int answer) except -1:
    wait.is_over = True
    wait.answer = answer
    if wait.future is None:
        let_go(wait)
    elif not wait.future.done():
        wait.future.set_result(None)
    return 0


cdef bint word_abandon(WordWait wait) except -1:
    if wait.future is None:
        return False
    wait.future = None
    if wait.is_over:
        let_go(wait)
    return not wait.is_over
