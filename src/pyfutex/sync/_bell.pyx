"""Hearing of signals in calls that none ends. Contracts are in _bell.pxd."""

from posix.time cimport timespec
from posix.unistd cimport getpid

from pyfutex._errors cimport raise_errno
from pyfutex.sync._robust cimport Thread

import os
from signal import set_wakeup_fd


cdef extern from "_bell.h":
    ctypedef struct Bell "pf_bell":
        int fd
        char *memory

    int bell_ready "pf_bell_ready" (Bell *b, const timespec *deadline)
    int bell_heard "pf_bell_heard" (const Bell *b, int other)
    void bell_drop "pf_bell_drop" (Bell *b)


cdef Bell bell
cdef bint hangs = False
cdef int other      # the program's own descriptor, while the bell hangs


cdef bint bell_is_for(const Thread *t) noexcept:
    return t.tid == <unsigned int> getpid()


cdef int bell_hang(const timespec **deadline) except -1:
    global hangs, other
    cdef int error = bell_ready(&bell, deadline[0])
    if error:
        raise_errno(-error, "the main thread needs a descriptor to wait for a lock with priority inheritance")
    try:
        other = set_wakeup_fd(bell.fd, warn_on_full_buffer=False)
    except ValueError:
        return 0        # Python was started in another thread, which runs signal handlers
    hangs = True
    deadline[0] = <const timespec *> bell.memory
    return 0


cdef int unhang() except -1:
    global hangs
    hangs = False
    try:
        set_wakeup_fd(other, warn_on_full_buffer=False)
    except (OSError, ValueError):
        set_wakeup_fd(-1)       # the program has closed its own
    return 0


cdef bint bell_take_down() noexcept:
    if not hangs:
        return False
    unhang()
    return bell_heard(&bell, other) != 0


def forked():
    """Leave the bell to the parent, whose main thread may sleep under it."""
    if hangs:
        unhang()
    bell_drop(&bell)


os.register_at_fork(after_in_child=forked)
